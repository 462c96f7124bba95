//! What open authorizations hold, against what is pending.

use super::{
    finding::Check,
    plain::{Faults, Holds, PlainActor},
};
use crate::domain::{
    hold::Authorization,
    ids::{ActorId, LedgerNo},
    money::Asset,
};

impl PlainActor {
    /// Notes what an authorization holds now.
    pub(super) fn file(
        &mut self,
        actor: ActorId,
        authorization: &Authorization,
        (holds, touched): (&mut Holds, &mut Vec<(LedgerNo, Asset, i128)>),
        faults: &mut Faults,
    ) {
        let number = authorization.id.number;
        let asset = authorization.asset;
        let known = (actor, number, 0)..=(actor, number, usize::MAX);
        let mut was_open = false;
        for (_, (ledger, asset, held)) in holds.extract_if(known, |_, _| true) {
            was_open = true;
            let money = self.money(ledger, asset);
            money.holds = money.holds.saturating_sub(held);
            touched.push((ledger, asset, 0));
        }
        let mut is_open = false;
        for (place, leg) in authorization.legs.iter().enumerate() {
            let part = |amount: crate::domain::money::Amount| amount.minor();
            let held = part(leg.amount)
                .saturating_sub(part(leg.captured))
                .saturating_sub(part(leg.released));
            let paid = part(leg.captured).saturating_add(part(leg.excess));
            if held < 0 || part(leg.refunded) > paid {
                let what = format!(
                    "{}: of {} authorized, {} captured, {} released, {} beyond, {} refunded",
                    authorization.id,
                    leg.amount,
                    leg.captured,
                    leg.released,
                    leg.excess,
                    leg.refunded
                );
                faults.push((Check::Hold, what));
            }
            if held != 0 {
                let money = self.money(leg.ledger, asset);
                money.holds = money.holds.saturating_add(held);
                holds.insert((actor, number, place), (leg.ledger, asset, held));
                is_open = true;
            }
            touched.push((leg.ledger, asset, 0));
        }
        // A purchase of nothing of which the programme is being asked holds nothing and is open.
        if !is_open
            && authorization.decision.is_open()
            && let Some(leg) = authorization.legs.first()
        {
            holds.insert((actor, number, usize::MAX), (leg.ledger, asset, 0));
            is_open = true;
        }
        self.open = (self.open)
            .saturating_add(usize::from(is_open))
            .saturating_sub(usize::from(was_open));
    }

    pub(super) fn check_holds(&mut self, touched: &[(LedgerNo, Asset, i128)], faults: &mut Faults) {
        for (ledger, asset, _) in touched {
            let money = self.money(*ledger, *asset);
            let gap = money.balance.pending.saturating_sub(money.holds);
            if gap != money.hold_gap {
                money.hold_gap = gap;
                let what = format!(
                    "{asset} on {ledger}: {} is pending, open authorizations and transactions hold {}",
                    money.balance.pending, money.holds
                );
                faults.push((Check::Hold, what));
            }
        }
    }
}
