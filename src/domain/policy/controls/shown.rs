//! What a purchase shows to controls.

use super::{Calendar, Channel};
use crate::domain::{
    command::Authorize,
    country::{Country, country},
    hold::TransactionType,
    merchant::Mcc,
    time::Timestamp,
};

/// What a purchase shows to controls; `None` where it does not say.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The merchant's category.
    pub mcc: Option<Mcc>,
    /// The acquirer's id of the merchant.
    pub merchant: Option<&'a str>,
    /// Where the merchant is.
    pub country: Option<Country>,
    /// How the card was used.
    pub channel: Option<Channel>,
    /// Where the moment stands in the house's time zone.
    pub calendar: Calendar,
    /// The moment.
    pub now: Timestamp,
}

impl<'a> Shown<'a> {
    /// What `request` shows at `now`.
    #[must_use]
    pub fn of(request: &'a Authorize, calendar: Calendar, now: Timestamp) -> Self {
        let merchant = &request.merchant;
        let point = request.medium.get("point_type");
        let cash = (request.kind == TransactionType::Withdrawal).then_some(Channel::Atm);
        Self {
            mcc: merchant.mcc,
            merchant: merchant.id.as_deref(),
            country: merchant.country.as_deref().and_then(country),
            channel: point.and_then(Channel::of_point_type).or(cash),
            calendar,
            now,
        }
    }
}

impl Channel {
    /// The channel of a `point_type`. Source: Bloque docs, Card Webhooks (`TransactionMedium`).
    #[must_use]
    pub fn of_point_type(text: &str) -> Option<Self> {
        let is = |word: &str| text.eq_ignore_ascii_case(word);
        if is("ECOMMERCE") || is("MOTO") {
            Some(Self::Ecommerce)
        } else if is("POS") {
            Some(Self::Pos)
        } else {
            is("ATM").then_some(Self::Atm)
        }
    }

    /// The word in metadata.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ecommerce => "ecommerce",
            Self::Pos => "pos",
            Self::Atm => "atm",
        }
    }

    /// Every channel.
    pub const ALL: [Self; 3] = [Self::Ecommerce, Self::Pos, Self::Atm];
}
