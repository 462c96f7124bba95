//! What limits leave, to be shown.

use super::{Calendar, Controls, Limit, Usage};
use crate::domain::{
    money::{Amount, Currency},
    time::Timestamp,
};

/// How a limit stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The limit.
    pub limit: Limit,
    /// How much was authorized in its window, in the controls' currency's minor unit.
    pub amount_used: Amount,
    /// What may still be; none where no amount is limited.
    pub amount_left: Option<Amount>,
    /// How many authorizations were approved in its window.
    pub count_used: u32,
    /// How many may still be; none where no number is limited.
    pub count_left: Option<u32>,
}

impl Controls {
    /// How each limit stands at `now`, in the order in which they are listed; amounts in the minor
    /// unit of `currency`, which is the controls' own or the house's.
    #[must_use]
    pub fn standing(
        &self,
        usage: Option<&Usage>,
        currency: Currency,
        calendar: &Calendar,
        now: Timestamp,
    ) -> Vec<Standing> {
        let stands = |limit: &Limit| {
            let amount_used =
                usage.map_or(Amount::ZERO, |u| u.used(limit, currency, calendar, now));
            let count_used = usage.map_or(0, |usage| usage.made(limit.window, calendar, now));
            Standing {
                limit: *limit,
                amount_used,
                amount_left: limit.amount.map(|most| most.minus_or_zero(amount_used)),
                count_used,
                count_left: limit.count.map(|most| most.saturating_sub(count_used)),
            }
        };
        self.limits.iter().map(stands).collect()
    }
}
