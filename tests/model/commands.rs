//! Authorizations and what follows them, in the model.

use cardwright::domain::{
    account::{Status, StatusReason},
    command::{Authorize, StepRequest},
    decision::Ruling,
    hold::TransactionType,
    ids::{ActorId, AuthorizationId, LedgerNo},
    money::Asset,
    posting::House,
};
use num_bigint::BigInt;

use super::{
    Account, Answer, Hold, Model, Place, Plan,
    hold::{Fee, Refund},
    money::{fit, minor, of, proportion, to_asset, to_local},
};

type Done = Result<Answer, &'static str>;

impl Model {
    fn control(&self, account: &Account, kind: TransactionType) -> Option<&'static str> {
        let stolen = account.reason == Some(StatusReason::Stolen);
        match account.status {
            Status::Active => {}
            Status::Frozen => return Some("card_frozen 62"),
            Status::Disabled if stolen => return Some("card_disabled 43"),
            Status::Disabled => return Some("card_disabled 41"),
            Status::Deleted => return Some("card_deleted 14"),
            Status::CreationInProgress | Status::CreationFailed => {
                return Some("card_not_active 57");
            }
        }
        // 2026-02-28T… is later than the month 2026-01.
        let today = self.now.to_string();
        let month = (today[..4].parse().unwrap(), today[5..7].parse().unwrap());
        if account.expiry.is_some_and(|expiry| month > expiry) {
            return Some("card_expired 54");
        }
        (kind == TransactionType::Credit).then_some("credit_not_supported 57")
    }

    /// Assets of the card that equal the currency, in the order in which they are tried.
    fn usable(&self, account: &Account, request: &Authorize) -> Vec<Asset> {
        let currency = request.local.currency;
        let mut assets = Vec::new();
        for (mapped, list) in &account.policy.currency_assets {
            if *mapped == currency {
                assets.extend(list);
            }
        }
        assets.push(
            account
                .policy
                .default_asset
                .unwrap_or(self.terms.default_asset),
        );
        assets.extend(account.policy.fallback_asset);
        assets.retain(|asset| self.terms.assets.contains(&(*asset, Some(currency))));
        assets
    }

    fn next_id(&mut self, group: ActorId) -> AuthorizationId {
        let number = self.counts.entry(group).or_default();
        *number += 1;
        AuthorizationId {
            actor: group,
            number: *number,
        }
    }

    fn draw(
        &self,
        account: &Account,
        request: &Authorize,
        (asset, local, amount): (Asset, BigInt, BigInt),
    ) -> Hold {
        let fee = |(treasury, fraction): &(String, super::Fraction)| Fee {
            treasury: treasury.clone(),
            fraction: *fraction,
            amount: of(*fraction, &amount),
            charged: BigInt::ZERO,
            returned: BigInt::ZERO,
        };
        Hold {
            group: account.group,
            account: request.account,
            ledger: account.ledger,
            kind: request.kind,
            currency: request.local.currency,
            asset,
            local,
            local_captured: BigInt::ZERO,
            local_released: BigInt::ZERO,
            local_excess: BigInt::ZERO,
            local_refunded: BigInt::ZERO,
            captured: BigInt::ZERO,
            released: BigInt::ZERO,
            excess: BigInt::ZERO,
            refunded: BigInt::ZERO,
            fees: self.terms.fees.iter().map(fee).collect(),
            refunds: Vec::new(),
            has_expired: false,
            asked: None,
            is_refused: false,
            expires_at: self.now.plus_seconds(self.terms.hold_seconds),
            amount,
        }
    }

    pub(super) fn authorize(&mut self, group: ActorId, request: &Authorize) -> Done {
        let account = self.account(group, request.account)?;
        let decline = |model: &mut Self, reason: &str| {
            model.next_id(group);
            Ok(format!("declined {reason}"))
        };
        if let Some(reason) = self.control(&account, request.kind) {
            return decline(self, reason);
        }
        let usable = self.usable(&account, request);
        if usable.is_empty() {
            return decline(self, "currency_not_supported 57");
        }
        let (asked, currency) = (
            BigInt::from(request.local.minor.minor()),
            request.local.currency,
        );
        for asset in &usable {
            let debit = to_asset(&asked, currency, *asset)?;
            if self.available(&account, *asset) >= debit {
                let hold = self.draw(&account, request, (*asset, asked, debit));
                return self.approve_or_ask(hold, request, "approved");
            }
        }
        for asset in usable.into_iter().filter(|_| request.allow_partial) {
            let local = to_local(&self.available(&account, asset), currency, asset)?;
            if local > BigInt::ZERO {
                let debit = to_asset(&local, currency, asset)?;
                let hold = self.draw(&account, request, (asset, local, debit));
                return self.approve_or_ask(hold, request, "partially approved");
            }
        }
        decline(self, "insufficient_funds 51")
    }

    /// A question about the balance is nobody's to refuse.
    fn approve_or_ask(&mut self, mut hold: Hold, request: &Authorize, word: &str) -> Done {
        if !self.terms.asks || request.kind == TransactionType::BalanceInquiry {
            return self.approve(hold, request.capture, word);
        }
        hold.asked = Some(request.capture);
        self.approve(hold, false, word)
    }

    pub(super) fn conclude(&mut self, id: AuthorizationId, verdict: Ruling) -> Done {
        let open = self.holds.get(&id).filter(|hold| hold.is_open());
        let mut hold = open.cloned().ok_or("no authorization")?;
        let captures = hold.asked.take().ok_or("state")?;
        let mut plan = Vec::new();
        if verdict == Ruling::Declined {
            let rest = hold.local_held();
            let part = until(&hold, &rest)?;
            hold.local_released += rest;
            hold.released += &part;
            hold.is_refused = true;
            let (held, spendable) = (Place::Held(hold.ledger), Place::Spendable(hold.ledger));
            plan.push((held, spendable, part));
        } else if captures {
            take(&mut hold, &mut plan)?;
        }
        self.carry_out(hold.group, hold.asset, &plan)?;
        let said = format!("decided {} {}", verdict.word(), hold.amount);
        self.holds.insert(id, hold);
        Ok(said)
    }

    fn approve(&mut self, mut hold: Hold, capture: bool, word: &str) -> Done {
        let (spendable, held) = (Place::Spendable(hold.ledger), Place::Held(hold.ledger));
        let mut plan = vec![(spendable, held, hold.amount.clone())];
        if capture {
            take(&mut hold, &mut plan)?;
        }
        let (group, asset) = (hold.group, hold.asset);
        self.carry_out(group, asset, &plan)?;
        let said = format!("{word} {} {asset}", hold.amount);
        let id = self.next_id(group);
        self.holds.insert(id, hold);
        Ok(said)
    }

    pub(super) fn force_post(&mut self, group: ActorId, request: &Authorize) -> Done {
        let account = self.account(group, request.account)?;
        let (asked, currency) = (
            BigInt::from(request.local.minor.minor()),
            request.local.currency,
        );
        if request.kind == TransactionType::Credit {
            return Err("credit clearing");
        }
        if asked == BigInt::ZERO {
            return Err("amount required");
        }
        let usable = self.usable(&account, request);
        for asset in &usable {
            let debit = to_asset(&asked, currency, *asset)?;
            if self.available(&account, *asset) >= debit {
                let hold = self.draw(&account, request, (*asset, asked, debit));
                return self.approve(hold, true, "posted");
            }
        }
        let equals = |(asset, pegged): &(Asset, _)| (*pegged == Some(currency)).then_some(*asset);
        let any = self.terms.assets.iter().find_map(equals);
        let asset = usable.first().copied().or(any).ok_or("no asset")?;
        let debit = to_asset(&asked, currency, asset)?;
        let hold = self.draw(&account, request, (asset, asked, debit));
        self.approve(hold, true, "posted")
    }

    fn find(&self, step: &StepRequest) -> Result<Hold, &'static str> {
        let known = self.holds.get(&step.authorization).cloned();
        let hold = known.ok_or("no authorization")?;
        if hold.asked.is_some() {
            return Err("being decided");
        }
        Ok(hold)
    }

    pub(super) fn increment(&mut self, group: ActorId, step: &StepRequest) -> Done {
        let mut hold = self.find(step)?;
        if !hold.is_open() {
            return Err("state");
        }
        let given = step.local.ok_or("amount required")?;
        let local = minor(&given, hold.currency)?;
        let grown = &hold.local + &local;
        let whole = to_asset(&grown, hold.currency, hold.asset)?;
        let more = (&whole - &hold.amount).max(BigInt::ZERO);
        let account = self.account(group, hold.account)?;
        if let Some(reason) = self.control(&account, hold.kind) {
            return Ok(format!("declined {reason}"));
        }
        if self.available(&account, hold.asset) < more {
            return Ok("declined insufficient_funds 51".into());
        }
        let (spendable, held) = (Place::Spendable(hold.ledger), Place::Held(hold.ledger));
        self.carry_out(group, hold.asset, &vec![(spendable, held, more.clone())])?;
        hold.local = grown;
        hold.amount += &more;
        for fee in &mut hold.fees {
            fee.amount = of(fee.fraction, &hold.amount);
        }
        self.holds.insert(step.authorization, hold);
        Ok(format!("incremented {more}"))
    }

    pub(super) fn capture(&mut self, group: ActorId, step: &StepRequest) -> Done {
        let mut hold = self.find(step)?;
        if !hold.is_open() {
            return Err("state");
        }
        let left = hold.local_held();
        let local = step
            .local
            .map_or(Ok(left.clone()), |given| minor(&given, hold.currency))?;
        let is_final = step
            .is_final
            .unwrap_or(step.local.is_none() || local >= left);
        let before = hold.paid();
        let mut plan = Vec::new();
        from_hold(&mut hold, &mut plan, &(&local).min(&left).clone())?;
        if local > left {
            let beyond = &local - &left;
            let amount = fit(&hold.amount * &beyond / &hold.local)?;
            hold.local_excess += beyond;
            hold.excess += &amount;
            let settlement = Place::House(House::Settlement);
            plan.push((Place::Spendable(hold.ledger), settlement, amount));
        }
        let tolerance = of(self.terms.over_capture, &hold.amount);
        let adjusted = (&hold.excess - tolerance).max(BigInt::ZERO);
        fees(&mut hold, &mut plan, &before);
        if is_final {
            let rest = hold.local_held();
            let part = until(&hold, &rest)?;
            hold.local_released += rest;
            hold.released += &part;
            plan.push((
                Place::Held(hold.ledger),
                Place::Spendable(hold.ledger),
                part,
            ));
        }
        self.carry_out(group, hold.asset, &plan)?;
        let said = format!("captured {} adjusted {adjusted}", hold.paid() - before);
        self.holds.insert(step.authorization, hold);
        Ok(said)
    }

    fn release(&mut self, id: AuthorizationId, mut hold: Hold, local: BigInt, word: &str) -> Done {
        let part = until(&hold, &local)?;
        hold.local_released += local;
        hold.released += &part;
        let said = format!("{word} {part}");
        let plan = vec![(
            Place::Held(hold.ledger),
            Place::Spendable(hold.ledger),
            part,
        )];
        self.carry_out(hold.group, hold.asset, &plan)?;
        self.holds.insert(id, hold);
        Ok(said)
    }

    pub(super) fn reverse(&mut self, step: &StepRequest) -> Done {
        let hold = self.find(step)?;
        let left = hold.local_held();
        let local = step
            .local
            .map_or(Ok(left.clone()), |given| minor(&given, hold.currency))?;
        if left == BigInt::ZERO {
            return Err("state");
        }
        if local > left {
            return Err("more than left");
        }
        self.release(step.authorization, hold, local, "reversed")
    }

    pub(super) fn expire(&mut self, id: AuthorizationId) -> Done {
        let open = self.holds.get(&id).filter(|hold| hold.is_open());
        let mut hold = open.cloned().ok_or("no authorization")?;
        if self.now < hold.expires_at || hold.asked.is_some() {
            return Err("state");
        }
        hold.has_expired = true;
        let local = hold.local_held();
        self.release(id, hold, local, "expired")
    }

    fn is_gone(&self, group: ActorId, ledger: LedgerNo) -> bool {
        let face = |account: &Account| {
            account.group == group && account.ledger == ledger && account.status != Status::Deleted
        };
        !self.accounts.values().any(face)
    }

    pub(super) fn refund(&mut self, group: ActorId, step: &StepRequest) -> Done {
        let mut hold = self.find(step)?;
        let left = hold.local_paid() - &hold.local_refunded;
        let local = step
            .local
            .map_or(Ok(left.clone()), |given| minor(&given, hold.currency))?;
        if left == BigInt::ZERO {
            return Err("state");
        }
        if local > left {
            return Err("more than left");
        }
        let paid = hold.paid();
        hold.local_refunded += &local;
        let until = proportion(&paid, &hold.local_refunded, &hold.local_paid())?;
        let until = until.max(hold.refunded.clone());
        let amount = &until - &hold.refunded;
        let in_suspense = self.is_gone(group, hold.ledger);
        let settlement = || Place::House(House::Settlement);
        let mut plan = Vec::new();
        let pairs: Vec<_> = hold
            .fees
            .iter()
            .map(|fee| (&fee.charged, &fee.returned))
            .collect();
        let fees = split(&pairs, &paid, &hold.refunded, &until);
        for (fee, part) in hold.fees.iter_mut().zip(&fees) {
            fee.returned += part;
            plan.push((
                Place::House(House::Treasury(fee.treasury.as_str().into())),
                settlement(),
                part.clone(),
            ));
        }
        let place = if in_suspense {
            Place::House(House::Suspense)
        } else {
            Place::Spendable(hold.ledger)
        };
        plan.push((settlement(), place, amount.clone()));
        self.carry_out(group, hold.asset, &plan)?;
        hold.refunded = until;
        let said = format!("refunded {amount} suspended {in_suspense}");
        let lsn = self.lsn;
        hold.refunds.push(Refund {
            lsn,
            local,
            amount,
            fees,
            in_suspense,
            is_reversed: false,
        });
        self.holds.insert(step.authorization, hold);
        Ok(said)
    }

    pub(super) fn unrefund(&mut self, group: ActorId, step: &StepRequest, lsn: u64) -> Done {
        let mut hold = self.find(step)?;
        let refund = hold
            .refunds
            .iter_mut()
            .find(|refund| refund.lsn == lsn)
            .ok_or("no refund")?;
        if refund.is_reversed {
            return Err("already reversed");
        }
        if let Some(given) = step.local
            && minor(&given, hold.currency)? != refund.local
        {
            return Err("more than left");
        }
        refund.is_reversed = true;
        let refund = refund.clone();
        let settlement = || Place::House(House::Settlement);
        let place = if refund.in_suspense {
            Place::House(House::Suspense)
        } else {
            Place::Spendable(hold.ledger)
        };
        let mut plan = vec![(place, settlement(), refund.amount.clone())];
        for (fee, part) in hold.fees.iter_mut().zip(&refund.fees) {
            fee.returned -= part;
            plan.push((
                settlement(),
                Place::House(House::Treasury(fee.treasury.as_str().into())),
                part.clone(),
            ));
        }
        self.carry_out(group, hold.asset, &plan)?;
        hold.refunded -= &refund.amount;
        hold.local_refunded -= &refund.local;
        self.holds.insert(step.authorization, hold);
        Ok(format!("refund reversed {}", refund.amount))
    }
}

/// What goes from the hold when `local` more of it goes.
fn until(hold: &Hold, local: &BigInt) -> Result<BigInt, &'static str> {
    let gone = &hold.captured + &hold.released;
    let local_gone = &hold.local_captured + &hold.local_released + local;
    let target = proportion(&hold.amount, &local_gone, &hold.local)?;
    Ok((target - gone).max(BigInt::ZERO))
}

fn from_hold(hold: &mut Hold, plan: &mut Plan, local: &BigInt) -> Result<(), &'static str> {
    let part = until(hold, local)?;
    hold.local_captured += local;
    hold.captured += &part;
    plan.push((
        Place::Held(hold.ledger),
        Place::House(House::Settlement),
        part,
    ));
    Ok(())
}

fn take(hold: &mut Hold, plan: &mut Plan) -> Result<(), &'static str> {
    let local = hold.local.clone();
    from_hold(hold, plan, &local)?;
    fees(hold, plan, &BigInt::ZERO);
    Ok(())
}

/// What each fee gets of a whole when all of it until a point goes: its proportion, down, in order,
/// after the settlement has had its own; what is left over is the settlement's while it has room,
/// then the fees'.
fn split(
    fees: &[(&BigInt, &BigInt)],
    whole: &BigInt,
    taken: &BigInt,
    until: &BigInt,
) -> Vec<BigInt> {
    if *whole == BigInt::ZERO {
        return vec![BigInt::ZERO; fees.len()];
    }
    let rest: BigInt = whole - fees.iter().map(|(share, _)| *share).sum::<BigInt>();
    let rest_taken: BigInt = taken - fees.iter().map(|(_, taken)| *taken).sum::<BigInt>();
    let mut all = vec![(&rest, &rest_taken)];
    all.extend_from_slice(fees);
    let mut left = until - taken;
    let mut parts = Vec::new();
    for (share, taken) in &all {
        let due = (*share * until / whole - *taken).max(BigInt::ZERO);
        let part = due.min(left.clone());
        left -= &part;
        parts.push(part);
    }
    for ((share, taken), part) in all.iter().zip(&mut parts) {
        let extra = (*share - *taken - &*part)
            .max(BigInt::ZERO)
            .min(left.clone());
        left -= &extra;
        *part += extra;
    }
    parts.split_off(1)
}

/// What the fees get of what was captured since `before`.
fn fees(hold: &mut Hold, plan: &mut Plan, before: &BigInt) {
    let (paid, whole) = (hold.paid(), hold.amount.clone());
    let pairs: Vec<_> = hold
        .fees
        .iter()
        .map(|fee| (&fee.amount, &fee.charged))
        .collect();
    let inside = split(&pairs, &whole, before, (&paid).min(&whole));
    for (fee, inside) in hold.fees.iter_mut().zip(inside) {
        let part = inside + of(fee.fraction, &(&paid - &whole).max(BigInt::ZERO));
        fee.charged += &part;
        let treasury = Place::House(House::Treasury(fee.treasury.as_str().into()));
        plan.push((Place::House(House::Settlement), treasury, part));
    }
}
