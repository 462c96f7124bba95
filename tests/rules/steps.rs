//! Purchases and what follows them, in the model.

use cardwright::domain::{
    account::Status,
    command::{Authorize, Command, Purpose, StepRequest, Transfer},
    hold::FeeBasis,
    ids::{AccountNo, ActorId, AuthorizationId},
    merchant::{Merchant, TransactionMedium},
    money::{Amount, Asset, LocalAmount},
    posting::House,
    time::Timestamp,
};

use super::{
    model::{
        Account, Aside, Counted, Fee, Hold, InTransit, Leg, Model, N, Place, Price, Refund, Said,
        ZERO, asked, fits, lines, of, part_of, proportion, share_fees, share_out, to_asset,
    },
    ratio::Ratio,
};

/// What a part of a hold is made of.
struct Part {
    debit: N,
    asides: Vec<N>,
    legs: Vec<N>,
}

/// A price, and whose money may pay it.
type Payable = (Price, Vec<(u64, u64, N)>);

impl Model {
    /// Runs a command; `lsn` is where its record will stand if there is one. What is refused changes
    /// nothing.
    pub(crate) fn run(
        &mut self,
        actor: ActorId,
        command: &Command,
        now: Timestamp,
        lsn: u64,
    ) -> String {
        let before = self.state.clone();
        self.state.sent.clear();
        let said = match command {
            Command::Deposit(money) => self.move_money(money.account, money, false),
            Command::Withdraw(money) => self.move_money(money.account, money, true),
            Command::ChangeAccount(change) => self.change(change.account, change.status),
            Command::Authorize(request) => self.authorize(actor, request, now),
            Command::ForcePost(request) => self.force_post(actor, request, now),
            Command::Increment(step) => self.increment(step),
            Command::Capture(step) => self.capture(step),
            Command::Reverse(step) => self.reverse(step),
            Command::Expire(id) => self.expire(*id, now),
            Command::Refund(step) => self.refund(step, lsn),
            Command::ReverseRefund { step, refund } => self.unrefund(step, *refund),
            Command::ReceiveTransfer(transfer) => self.receive(transfer),
            Command::ReturnTransfer(id) => unreachable!("{id:?} is returned by `give_back`"),
            Command::SettleTransfer(_) => Ok("settled".into()),
            Command::OpenAccount(_)
            | Command::PatchAccount(_)
            | Command::LinkAccount(_)
            | Command::SendTransfer(_)
            | Command::Conclude(..)
            | Command::Absorb(_)
            | Command::Books(_)
            | Command::Simulate(_) => {
                unreachable!("not played")
            }
        };
        said.unwrap_or_else(|refused| {
            self.state = before;
            format!("rejected {refused}")
        })
    }

    fn move_money(
        &mut self,
        no: AccountNo,
        money: &cardwright::domain::command::MoveMoney,
        outward: bool,
    ) -> Said {
        let account = self.account(no)?;
        if account.status != Status::Active {
            return Err("account not open");
        }
        let (there, world) = (
            Place::Spendable(account.ledger.0),
            Place::House(House::World),
        );
        let amount: N = money.amount.minor().into();
        if !outward {
            self.post(&world, &there, money.asset, &amount)?;
            return Ok("deposited".into());
        }
        if self.available(account.ledger.0, money.asset) < amount {
            return Err("insufficient funds");
        }
        self.post(&there, &world, money.asset, &amount)?;
        Ok("withdrawn".into())
    }

    fn change(&mut self, no: AccountNo, status: Option<Status>) -> Said {
        let account = self.state.accounts.get_mut(&no).ok_or("no account")?;
        if let Some(to) = status {
            if account.status == to || account.status == Status::Deleted {
                return Err("illegal transition");
            }
            account.status = to;
        }
        Ok("changed".into())
    }

    fn control(&self, no: AccountNo) -> Option<&'static str> {
        match self.state.accounts[&no].status {
            Status::Frozen => Some("declined card_frozen"),
            Status::Deleted => Some("declined card_deleted"),
            Status::Active
            | Status::Disabled
            | Status::CreationInProgress
            | Status::CreationFailed => None,
        }
    }

    fn next_id(&mut self, actor: ActorId) -> AuthorizationId {
        let number = self.state.numbers.entry(actor).or_default();
        *number += 1;
        AuthorizationId {
            actor,
            number: *number,
        }
    }

    fn authorize(&mut self, actor: ActorId, request: &Authorize, now: Timestamp) -> Said {
        let no = request.account;
        let account = self.account(no)?.clone();
        let local: N = request.local.minor.minor().into();
        let refused = self
            .control(no)
            .or_else(|| self.over_limit(no, request, (&local, &local), true));
        if let Some(refused) = refused {
            self.next_id(actor);
            return Ok(refused.into());
        }
        let mcc = request.merchant.mcc;
        let mut prices = Vec::new();
        let mut is_dear = false;
        for asset in self.assets(&account, request.local.currency) {
            let Some(price) = self.price(&account, request, asset, (true, false))? else {
                continue;
            };
            let purses = self.purses(no, &account, mcc, asset);
            let there: N = purses.iter().map(|(_, _, available)| available).sum();
            let fees = lines(&price.applying, &price.debit);
            let is_inquiry =
                request.kind == cardwright::domain::hold::TransactionType::BalanceInquiry;
            let covers = there >= price.total && (is_inquiry || !purses.is_empty());
            if covers && sum(&fees) <= price.debit {
                let hold = self.draw(actor, request, (price, fees), (&local, &purses), now);
                return self.approve(hold, request, "approved");
            }
            is_dear |= covers;
            prices.push((price, purses, there));
        }
        let has_rate = !prices.is_empty();
        for (mut price, purses, there) in prices {
            if !request.allow_partial {
                break;
            }
            let currency = request.local.currency;
            let units = Ratio::units(&there, price.asset.decimals()).times(&price.rate);
            let scale = Ratio::whole(super::ratio::ten_to(currency.digits()));
            let covered = units.times(&scale).down();
            fits(&covered)?;
            let covered = covered.min(local.clone());
            let units = Ratio::units(&covered, currency.digits());
            price.debit = to_asset(&units, &price.rate, price.asset);
            price.asides.clear();
            price.total = price.debit.clone();
            let fees = lines(&price.applying, &price.debit);
            if covered > ZERO && sum(&fees) <= price.debit {
                let word = if covered < local {
                    "partially approved"
                } else {
                    "approved"
                };
                let hold = self.draw(actor, request, (price, fees), (&covered, &purses), now);
                return self.approve(hold, request, word);
            }
        }
        self.next_id(actor);
        Ok(match (has_rate, is_dear) {
            (false, _) => "declined currency_not_supported".into(),
            (true, true) => "declined fees_exceed_amount".into(),
            (true, false) => "declined insufficient_funds".into(),
        })
    }

    fn draw(
        &self,
        actor: ActorId,
        request: &Authorize,
        (price, fees): (Price, Vec<Fee>),
        (local, purses): (&N, &[(u64, u64, N)]),
        now: Timestamp,
    ) -> Hold {
        Hold {
            actor,
            account: request.account,
            mcc: request.merchant.mcc,
            asset: price.asset,
            currency: request.local.currency,
            rate: price.rate,
            local: local.clone(),
            local_captured: ZERO,
            local_released: ZERO,
            local_excess: ZERO,
            local_refunded: ZERO,
            debit: price.debit,
            captured: ZERO,
            released: ZERO,
            excess: ZERO,
            refunded: ZERO,
            legs: overflow(purses, &price.total),
            fees,
            asides: price.asides,
            refunds: Vec::new(),
            counted: None,
            expires_at: now.plus_seconds(self.terms.hold_seconds),
        }
    }

    fn approve(&mut self, mut hold: Hold, request: &Authorize, word: &str) -> Said {
        self.hold_legs(&hold.legs.clone(), &hold)?;
        hold.counted = self.counts(hold.account, request, &hold.local);
        let said = format!("{word} {} {}", hold.debit, hold.asset);
        if request.capture {
            self.take(&mut hold)?;
        }
        let id = self.next_id(hold.actor);
        self.state.holds.insert(id, hold);
        Ok(said)
    }

    fn hold_legs(&mut self, legs: &[Leg], hold: &Hold) -> Result<(), &'static str> {
        for leg in legs {
            let (from, to) = (Place::Spendable(leg.ledger), Place::Held(leg.ledger));
            self.post(&from, &to, hold.asset, &leg.amount)?;
        }
        Ok(())
    }

    fn take(&mut self, hold: &mut Hold) -> Result<(), &'static str> {
        let local = hold.local_held();
        self.capture_part(hold, &local)?;
        self.charge(hold, &ZERO)
    }

    /// The first of the assets that covers its price, else the first that has one.
    fn forced_from(
        &self,
        assets: &[Asset],
        account: &Account,
        request: &Authorize,
        is_owed: bool,
    ) -> Result<Option<Payable>, &'static str> {
        let (no, mcc) = (request.account, request.merchant.mcc);
        let mut first = None;
        for asset in assets.iter().copied() {
            let Some(price) = self.price(account, request, asset, (false, is_owed))? else {
                continue;
            };
            let purses = self.purses(no, account, mcc, asset);
            let there: N = purses.iter().map(|(_, _, available)| available).sum();
            if there >= price.total {
                return Ok(Some((price, purses)));
            }
            first = first.or(Some((price, purses)));
        }
        Ok(first)
    }

    /// A clearing that was never authorized: the first asset that covers it, else the first that has
    /// a price, else any that equals the currency; else at what the network or an old rate says. What is
    /// missing the first payer owes.
    fn force_post(&mut self, actor: ActorId, request: &Authorize, now: Timestamp) -> Said {
        let no = request.account;
        let account = self.account(no)?.clone();
        let (local, currency): (N, _) =
            (request.local.minor.minor().into(), request.local.currency);
        if local == ZERO {
            return Err("amount required");
        }
        let own = self.assets(&account, currency);
        let mut found = self.forced_from(&own, &account, request, false)?;
        if found.is_none() {
            let mut any = self.terms.assets.iter();
            let any = any.find(|term| term.pegged == Some(currency));
            let any: Vec<Asset> = any.map(|term| term.asset).into_iter().collect();
            found = self.forced_from(&any, &account, request, false)?;
        }
        if found.is_none() {
            let all: Vec<Asset> = own.into_iter().chain([self.terms.default_asset]).collect();
            found = self.forced_from(&all, &account, request, true)?;
        }
        let (price, mut purses) = found.ok_or("no asset")?;
        let there: N = purses.iter().map(|(_, _, available)| available).sum();
        let short = (&price.total - there).max(ZERO);
        match purses.first_mut() {
            Some((_, _, available)) => *available += short,
            None => purses.push((no.0, account.ledger.0, short)),
        }
        let mut fees = lines(&price.applying, &price.debit);
        let mut left = price.debit.clone();
        for fee in &mut fees {
            fee.amount = fee.amount.clone().min(left.clone());
            left -= &fee.amount;
        }
        let mut hold = self.draw(actor, request, (price, fees), (&local, &purses), now);
        self.hold_legs(&hold.legs.clone(), &hold)?;
        self.take(&mut hold)?;
        let said = format!("posted {} {}", hold.debit, hold.asset);
        let id = self.next_id(actor);
        self.state.holds.insert(id, hold);
        Ok(said)
    }

    fn find(&self, id: AuthorizationId) -> Result<Hold, &'static str> {
        let known = self.state.holds.get(&id).cloned();
        known.ok_or("no authorization")
    }

    /// More of the same at the same rate: percentages grow with it, what is flat or rounded up stays.
    fn increment(&mut self, step: &StepRequest) -> Said {
        let mut hold = self.find(step.authorization)?;
        if !hold.is_open() {
            return Err("state");
        }
        let local = asked(step, hold.currency).ok_or("amount required")?;
        let grown = &hold.local + &local;
        let request = purchase_of(&hold);
        let refused = self
            .control(hold.account)
            .or_else(|| self.over_limit(hold.account, &request, (&local, &grown), false));
        if let Some(refused) = refused {
            return Ok(refused.into());
        }
        let mut more = ZERO;
        let debit = to_asset(
            &Ratio::units(&grown, hold.currency.digits()),
            &hold.rate,
            hold.asset,
        );
        fits(&debit)?;
        more += (&debit - &hold.debit).max(ZERO);
        for aside in &mut hold.asides {
            use cardwright::domain::policy::cashback::ProgrammeKind;
            if let ProgrammeKind::ExtraSavings {
                basis: FeeBasis::Percentage,
                ..
            } = aside.programme.kind
            {
                let part = part_of(aside.programme.kind, &grown, hold.currency);
                let amount = to_asset(&part, &hold.rate, hold.asset).max(aside.amount.clone());
                more += &amount - &aside.amount;
                aside.amount = amount;
            }
        }
        fits(&more)?;
        let account = self.account(hold.account)?;
        let purses = self.purses(hold.account, account, hold.mcc, hold.asset);
        let there: N = purses.iter().map(|(_, _, available)| available).sum();
        if there < more {
            return Ok("declined insufficient_funds".into());
        }
        hold.debit = debit.max(hold.debit.clone());
        for fee in &mut hold.fees {
            if fee.term.basis == FeeBasis::Percentage {
                fee.amount = of(&fee.term, &hold.debit);
            }
        }
        if sum(&hold.fees) > hold.debit {
            return Ok("declined fees_exceed_amount".into());
        }
        let legs = overflow(&purses, &more);
        self.hold_legs(&legs, &hold)?;
        for leg in legs {
            match hold
                .legs
                .iter_mut()
                .find(|known| known.ledger == leg.ledger)
            {
                Some(known) => known.amount += &leg.amount,
                None => hold.legs.push(leg),
            }
        }
        self.count_more(&mut hold, &request, &local);
        hold.local = grown;
        self.state.holds.insert(step.authorization, hold);
        Ok(format!("incremented {more}"))
    }

    fn count_more(&self, hold: &mut Hold, request: &Authorize, local: &N) {
        if let Some(more) = self.counts(hold.account, request, local) {
            let counted = hold.counted.get_or_insert(Counted {
                value: ZERO,
                returned: ZERO,
                is_void: false,
            });
            counted.value += more.value;
        }
    }

    fn next_part(hold: &Hold, local: &N) -> Part {
        let so_far = &hold.local_captured + &hold.local_released + local;
        let part = |whole: &N, gone: N| (proportion(whole, &so_far, &hold.local) - gone).max(ZERO);
        let debit = part(&hold.debit, &hold.captured + &hold.released);
        let asides: Vec<N> = hold
            .asides
            .iter()
            .map(|aside| part(&aside.amount, &aside.captured + &aside.released))
            .collect();
        let shares: Vec<N> = hold.legs.iter().map(|leg| leg.amount.clone()).collect();
        let gone = hold.legs.iter().map(|leg| &leg.captured + &leg.released);
        let gone: Vec<N> = gone.collect();
        let goal = gone.iter().sum::<N>() + &debit + asides.iter().sum::<N>();
        let legs = share_out(&shares, &gone, &goal);
        Part {
            debit,
            asides,
            legs,
        }
    }

    fn capture_part(&mut self, hold: &mut Hold, local: &N) -> Result<(), &'static str> {
        let part = Self::next_part(hold, local);
        let targets: Vec<Option<u64>> =
            hold.asides.iter().map(|aside| self.target(aside)).collect();
        let mut wells = vec![part.debit.clone()];
        wells.extend(part.asides.iter().cloned());
        for (leg, well, amount) in poured(&part.legs, &wells) {
            let leg = &mut hold.legs[leg];
            let (held, own) = (Place::Held(leg.ledger), Place::Spendable(leg.ledger));
            let to = if well == 0 {
                leg.captured += &amount;
                Place::House(House::Settlement)
            } else if let Some(target) = targets[well - 1] {
                leg.captured += &amount;
                Place::Spendable(target)
            } else {
                leg.released += &amount;
                own
            };
            self.post(&held, &to, hold.asset, &amount)?;
        }
        for ((aside, target), amount) in hold.asides.iter_mut().zip(targets).zip(part.asides) {
            match target {
                Some(_) => aside.captured += amount,
                None => aside.released += amount,
            }
        }
        hold.captured += part.debit;
        hold.local_captured += local;
        Ok(())
    }

    fn target(&self, aside: &Aside) -> Option<u64> {
        let account = self.state.accounts.get(&aside.programme.target)?;
        (account.status != Status::Deleted).then_some(account.ledger.0)
    }

    /// Fees of what was captured since `before`: cumulative inside the debit; past it a percentage
    /// goes on, and never takes more than there is.
    fn charge(&mut self, hold: &mut Hold, before: &N) -> Result<(), &'static str> {
        let captured = &hold.captured + &hold.excess;
        let inside = captured.clone().min(hold.debit.clone());
        let beyond = &captured - &inside;
        let amounts: Vec<N> = hold.fees.iter().map(|fee| fee.amount.clone()).collect();
        let charged: Vec<N> = hold.fees.iter().map(|fee| fee.charged.clone()).collect();
        let mut parts = share_fees((&hold.debit, &amounts), (before, &charged), &inside);
        let mut left = beyond.clone();
        for (fee, part) in hold.fees.iter_mut().zip(&mut parts) {
            if fee.term.basis == FeeBasis::Percentage {
                let more = of(&fee.term, &beyond).min(left.clone());
                left -= &more;
                *part += more;
            }
            fee.charged += &*part;
        }
        self.settle_fees(hold, &parts, true)
    }

    /// Pays fees to who earns them, or takes them back.
    fn settle_fees(&mut self, hold: &Hold, parts: &[N], out: bool) -> Result<(), &'static str> {
        for (fee, part) in hold.fees.iter().zip(parts) {
            if *part == ZERO {
                continue;
            }
            let earner = match fee.term.payee {
                None => Place::House(House::Treasury(fee.term.treasury.clone())),
                Some(no) => {
                    let known = self.state.accounts.get(&no);
                    match known.filter(|known| known.actor == hold.actor) {
                        Some(known) if known.status == Status::Deleted => {
                            Place::House(House::Suspense)
                        }
                        Some(known) => Place::Spendable(known.ledger.0),
                        None => {
                            let purpose = if out {
                                Purpose::Fee
                            } else {
                                Purpose::FeeRecall
                            };
                            self.state.sent.push(InTransit {
                                purpose,
                                destination: no,
                                asset: hold.asset,
                                amount: part.clone(),
                            });
                            Place::House(House::Transit)
                        }
                    }
                }
            };
            let network = Place::House(House::Settlement);
            if out {
                self.post(&network, &earner, hold.asset, part)?;
            } else {
                self.post(&earner, &network, hold.asset, part)?;
            }
        }
        Ok(())
    }

    fn capture(&mut self, step: &StepRequest) -> Said {
        let mut hold = self.find(step.authorization)?;
        if !hold.is_open() {
            return Err("state");
        }
        let left = hold.local_held();
        let local = asked(step, hold.currency).unwrap_or(left.clone());
        let is_final = step
            .is_final
            .unwrap_or(step.local.is_none() || local >= left);
        let before = hold.captured.clone();
        self.capture_part(&mut hold, &local.clone().min(left.clone()))?;
        let beyond = (&local - &left).max(ZERO);
        let excess = &hold.debit * &beyond / &hold.local;
        fits(&excess)?;
        let tolerance = Ratio::decimal(self.terms.over_capture);
        let tolerance = tolerance.times(&Ratio::whole(hold.debit.clone())).down();
        let adjusted = (&excess - tolerance).max(ZERO);
        if beyond > ZERO {
            let first = &mut hold.legs[0];
            first.excess += &excess;
            let from = Place::Spendable(first.ledger);
            self.post(&from, &Place::House(House::Settlement), hold.asset, &excess)?;
        }
        hold.excess += &excess;
        hold.local_excess += beyond;
        self.charge(&mut hold, &before)?;
        let amount = &hold.captured + &hold.excess - before;
        if is_final {
            let rest = hold.local_held();
            self.release(&mut hold, &rest)?;
        }
        self.state.holds.insert(step.authorization, hold);
        Ok(format!("captured {amount} adjusted {adjusted}"))
    }

    fn release(&mut self, hold: &mut Hold, local: &N) -> Result<N, &'static str> {
        let part = Self::next_part(hold, local);
        for (leg, amount) in hold.legs.iter_mut().zip(&part.legs) {
            leg.released += amount;
            let (held, own) = (Place::Held(leg.ledger), Place::Spendable(leg.ledger));
            self.post(&held, &own, hold.asset, amount)?;
        }
        for (aside, amount) in hold.asides.iter_mut().zip(&part.asides) {
            aside.released += amount;
        }
        hold.released += &part.debit;
        hold.local_released += local;
        let is_void = !hold.is_open() && hold.local_captured == ZERO;
        if let Some(counted) = &mut hold.counted {
            let back = proportion(&counted.value, &hold.local_released, &hold.local);
            counted.returned = back.max(counted.returned.clone());
            counted.is_void = is_void;
        }
        Ok(part.debit)
    }

    fn reverse(&mut self, step: &StepRequest) -> Said {
        let mut hold = self.find(step.authorization)?;
        let left = if hold.is_open() {
            hold.local_held()
        } else {
            ZERO
        };
        let local = asked(step, hold.currency).unwrap_or(left.clone());
        if left == ZERO {
            return Err("state");
        }
        if local > left {
            return Err("more than left");
        }
        let debit = self.release(&mut hold, &local)?;
        self.state.holds.insert(step.authorization, hold);
        Ok(format!("reversed {debit}"))
    }

    fn expire(&mut self, id: AuthorizationId, now: Timestamp) -> Said {
        let mut hold = self.find(id)?;
        if !hold.is_open() {
            return Err("no authorization");
        }
        if hold.expires_at > now {
            return Err("state");
        }
        let rest = hold.local_held();
        let debit = self.release(&mut hold, &rest)?;
        self.state.holds.insert(id, hold);
        Ok(format!("expired {debit}"))
    }

    fn refund(&mut self, step: &StepRequest, lsn: u64) -> Said {
        let mut hold = self.find(step.authorization)?;
        let left = hold.local_refundable();
        let local = asked(step, hold.currency).unwrap_or(left.clone());
        if left == ZERO {
            return Err("state");
        }
        if local > left {
            return Err("more than left");
        }
        let paid = &hold.captured + &hold.excess;
        let local_paid = &hold.local_captured + &hold.local_excess;
        let so_far = &hold.local_refunded + &local;
        let cumulative = proportion(&paid, &so_far, &local_paid).max(hold.refunded.clone());
        let debit = &cumulative - &hold.refunded;
        let charged: Vec<N> = hold.fees.iter().map(|fee| fee.charged.clone()).collect();
        let returned: Vec<N> = hold.fees.iter().map(|fee| fee.returned.clone()).collect();
        let fees = share_fees((&paid, &charged), (&hold.refunded, &returned), &cumulative);
        let (asides, sources) = self.pockets_give(&hold, &so_far, &local_paid);
        let shares = hold.legs.iter().map(|leg| &leg.captured + &leg.excess);
        let shares: Vec<N> = shares.collect();
        let taken: Vec<N> = hold.legs.iter().map(|leg| leg.refunded.clone()).collect();
        let goal = taken.iter().sum::<N>() + &debit + asides.iter().sum::<N>();
        let legs = share_out(&shares, &taken, &goal);
        let is_gone = |leg: &Leg| {
            let mut faces = self.state.accounts.values();
            !faces.any(|face| face.ledger.0 == leg.ledger && face.status != Status::Deleted)
        };
        let in_suspense: Vec<bool> = hold.legs.iter().map(is_gone).collect();
        let refund = Refund {
            lsn,
            local,
            debit: debit.clone(),
            legs,
            fees,
            asides,
            in_suspense,
            is_reversed: false,
        };
        self.settle_fees(&hold, &refund.fees, false)?;
        self.move_refund(&mut hold, &refund, &sources, true)?;
        hold.refunds.push(refund);
        self.state.holds.insert(step.authorization, hold);
        Ok(format!("refunded {debit}"))
    }

    /// What each pocket gives back of what was set aside in it: its proportion, as far as it has it.
    fn pockets_give(&self, hold: &Hold, so_far: &N, local_paid: &N) -> (Vec<N>, Vec<Place>) {
        let mut parts = Vec::new();
        let mut places = Vec::new();
        let mut purse = std::collections::BTreeMap::new();
        for aside in &hold.asides {
            let due = proportion(&aside.captured, so_far, local_paid) - &aside.returned;
            let Some(ledger) = self.target(aside) else {
                parts.push(ZERO);
                places.push(Place::House(House::Suspense));
                continue;
            };
            let there = purse
                .entry(ledger)
                .or_insert_with(|| self.available(ledger, hold.asset));
            let part = due.max(ZERO).min(there.clone());
            *there -= &part;
            parts.push(part);
            places.push(Place::Spendable(ledger));
        }
        (parts, places)
    }

    /// Moves a refund to the legs, or back.
    fn move_refund(
        &mut self,
        hold: &mut Hold,
        refund: &Refund,
        pockets: &[Place],
        forth: bool,
    ) -> Result<(), &'static str> {
        let mut wells = vec![refund.debit.clone()];
        wells.extend(refund.asides.iter().cloned());
        let mut sources = vec![Place::House(House::Settlement)];
        sources.extend(pockets.iter().cloned());
        for (leg, well, amount) in poured(&refund.legs, &wells) {
            let place = if refund.in_suspense[leg] {
                Place::House(House::Suspense)
            } else {
                Place::Spendable(hold.legs[leg].ledger)
            };
            let (from, to) = if forth {
                (&sources[well], &place)
            } else {
                (&place, &sources[well])
            };
            self.post(from, to, hold.asset, &amount)?;
        }
        let sign = N::from(if forth { 1 } else { -1 });
        for (leg, part) in hold.legs.iter_mut().zip(&refund.legs) {
            leg.refunded += part * &sign;
        }
        for (fee, part) in hold.fees.iter_mut().zip(&refund.fees) {
            fee.returned += part * &sign;
        }
        for (aside, part) in hold.asides.iter_mut().zip(&refund.asides) {
            aside.returned += part * &sign;
        }
        hold.refunded += &refund.debit * &sign;
        hold.local_refunded += &refund.local * &sign;
        Ok(())
    }

    fn unrefund(&mut self, step: &StepRequest, lsn: u64) -> Said {
        let mut hold = self.find(step.authorization)?;
        let known = hold.refunds.iter_mut().find(|refund| refund.lsn == lsn);
        let known = known.ok_or("no refund")?;
        if known.is_reversed {
            return Err("already reversed");
        }
        known.is_reversed = true;
        let refund = known.clone();
        let place = |aside: &Aside| match self.target(aside) {
            Some(ledger) => Place::Spendable(ledger),
            None => Place::House(House::Suspense),
        };
        let pockets: Vec<Place> = hold.asides.iter().map(place).collect();
        self.settle_fees(&hold, &refund.fees, true)?;
        self.move_refund(&mut hold, &refund, &pockets, false)?;
        self.state.holds.insert(step.authorization, hold);
        Ok(format!("refund reversed {}", refund.debit))
    }

    fn receive(&mut self, transfer: &Transfer) -> Said {
        let account = self.account(transfer.destination)?;
        if account.status == Status::Deleted {
            return Err("account not open");
        }
        let (there, transit) = (
            Place::Spendable(account.ledger.0),
            Place::House(House::Transit),
        );
        let amount: N = transfer.amount.minor().into();
        match transfer.purpose {
            Purpose::FeeRecall => self.post(&there, &transit, transfer.asset, &amount)?,
            Purpose::Transfer | Purpose::Fee | Purpose::Booking => {
                self.post(&transit, &there, transfer.asset, &amount)?;
            }
        }
        Ok("received".into())
    }

    /// A fee whose earner is gone ends in suspense, and is recalled from there.
    pub(crate) fn give_back(&mut self, transfer: &Transfer) -> String {
        let (suspense, transit) = (Place::House(House::Suspense), Place::House(House::Transit));
        let amount: N = transfer.amount.minor().into();
        let (from, to) = match transfer.purpose {
            Purpose::FeeRecall => (suspense, transit),
            Purpose::Transfer | Purpose::Fee | Purpose::Booking => (transit, suspense),
        };
        self.post(&from, &to, transfer.asset, &amount).unwrap();
        "returned".into()
    }
}

fn sum(fees: &[Fee]) -> N {
    fees.iter().map(|fee| &fee.amount).sum()
}

/// Draws on each in order as far as it goes; a verification of nothing is the first one's.
fn overflow(purses: &[(u64, u64, N)], total: &N) -> Vec<Leg> {
    let mut left = total.clone();
    let mut legs = Vec::new();
    for (account, ledger, available) in purses {
        let amount = available.clone().min(left.clone());
        if amount > ZERO || (*total == ZERO && legs.is_empty()) {
            left -= &amount;
            legs.push(Leg {
                account: *account,
                ledger: *ledger,
                amount,
                ..Leg::default()
            });
        }
    }
    legs
}

/// What the legs give, poured into the wells one after another: (leg, well, amount).
fn poured(legs: &[N], wells: &[N]) -> Vec<(usize, usize, N)> {
    let mut rooms = wells.to_vec();
    let mut poured = Vec::new();
    for (leg, amount) in legs.iter().enumerate() {
        let mut left = amount.clone();
        for (well, room) in rooms.iter_mut().enumerate() {
            let part = left.clone().min(room.clone());
            left -= &part;
            *room -= &part;
            if part > ZERO {
                poured.push((leg, well, part));
            }
        }
        assert_eq!(left, ZERO, "legs and wells have the same sum");
    }
    poured
}

/// What limits see of a purchase when more is wanted for it.
fn purchase_of(hold: &Hold) -> Authorize {
    Authorize {
        account: hold.account,
        transaction_id: String::new(),
        kind: cardwright::domain::hold::TransactionType::Purchase,
        local: LocalAmount {
            minor: Amount::from_minor(i128::try_from(hold.local.clone()).unwrap()).unwrap(),
            currency: hold.currency,
        },
        usd_amount: None,
        merchant: Merchant::default(),
        medium: TransactionMedium::default(),
        allow_partial: false,
        capture: false,
    }
}
