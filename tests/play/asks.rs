//! Operations to commands.

use std::sync::Arc;

use cardwright::domain::{
    account::StatusReason,
    command::{
        Authorize, ChangeAccount, Command, MoveMoney, Purpose, SendTransfer, StepAmount,
        StepRequest, Transfer,
    },
    decision::Ruling,
    hold::TransactionType,
    ids::{AccountNo, ActorId, AuthorizationId, LedgerNo, TransferId},
    merchant::{Merchant, TransactionMedium},
    money::{Amount, Asset, Currency, Decimal, LocalAmount},
    policy::Policy,
};
use num_bigint::BigInt;

use super::{Op, Play, Size, minor_of, status_of};
use crate::books::currency;

const CURRENCIES: [&str; 8] = ["USD", "USD", "USD", "USD", "JPY", "BHD", "COP", "EUR"];

impl Op {
    pub(crate) const fn is_about_purchases(&self) -> bool {
        matches!(self.verb, 50..=200)
    }

    /// With at most a million million units.
    pub(crate) fn of_this_world(mut self) -> Self {
        if let Size::Huge(units) = self.size {
            self.size = Size::Huge(units % 1_000_000_000_000 + 1);
        }
        self
    }
}

impl Play {
    pub(crate) fn step(&mut self, op: &Op) {
        match op.verb {
            0..=24 => self.deposit_or_withdraw(op),
            25..=42 => self.transfer(op),
            43..=45 => self.open_another(op),
            46..=49 => self.change(op),
            50..=99 => self.authorize(op, false),
            100..=105 => self.authorize(op, true),
            106..=200 => self.follow(op),
            201..=210 => self.expire(op),
            211..=220 => self.unrefund(op),
            221..=232 => self.later(op),
            233..=244 => self.conclude(op),
            _ => self.authorize(op, false),
        }
    }

    fn who(&self, n: u8) -> (ActorId, AccountNo) {
        if n % 32 == 31 {
            return (ActorId(1), AccountNo(999));
        }
        self.accounts[usize::from(n) % self.accounts.len()]
    }

    fn asset(&self, n: u8) -> Asset {
        self.shell.terms.assets[usize::from(n) % self.shell.terms.assets.len()].asset
    }

    fn current(&self, (group, no): (ActorId, AccountNo), asset: Asset) -> i128 {
        let group = &self.shell.groups[&group];
        let ledger = group
            .account(no)
            .and_then(|account| group.ledger(account.ledger));
        ledger.map_or(0, |ledger| ledger.balance(asset).current)
    }

    fn deposit_or_withdraw(&mut self, op: &Op) {
        let (who, asset) = (self.who(op.a), self.asset(op.b));
        let money = MoveMoney {
            account: who.1,
            asset,
            amount: minor_of(op.size, asset, self.current(who, asset)),
            reference: "ref".into(),
            metadata: "{}".into(),
        };
        let command = if op.flags.is_multiple_of(4) {
            Command::Withdraw(money)
        } else {
            Command::Deposit(money)
        };
        self.ask(who.0, &command);
    }

    fn transfer(&mut self, op: &Op) {
        let known = self
            .transfers
            .len()
            .checked_sub(1)
            .map(|last| usize::from(op.b) % (last + 1));
        let known = known.map(|index| self.transfers[index].clone());
        match (op.flags % 8, known) {
            (3, Some(transfer)) => {
                let is_within = transfer.source_actor == transfer.destination_actor;
                let group = transfer.source_actor;
                let send = SendTransfer {
                    transfer,
                    is_within,
                };
                self.ask(group, &Command::SendTransfer(Box::new(send)));
            }
            (4 | 5, Some(transfer)) => {
                let group = transfer.destination_actor;
                self.ask(group, &Command::ReceiveTransfer(Box::new(transfer)));
            }
            (6, Some(transfer)) => {
                self.ask(transfer.source_actor, &Command::SettleTransfer(transfer.id));
            }
            (7, Some(transfer)) => {
                self.ask(transfer.source_actor, &Command::ReturnTransfer(transfer.id));
            }
            _ => self.send(op),
        }
    }

    fn send(&mut self, op: &Op) {
        let (source, destination) = (self.who(op.a), self.who(op.b));
        let asset = self.asset(op.flags / 8);
        let transfer = Transfer {
            id: TransferId(1 + self.transfers.len() as u64),
            source: source.1,
            source_urn: String::new(),
            source_actor: source.0,
            destination: destination.1,
            destination_urn: String::new(),
            destination_actor: destination.0,
            asset,
            amount: minor_of(op.size, asset, self.current(source, asset)),
            reference: String::new(),
            metadata: "{}".into(),
            purpose: Purpose::Transfer,
        };
        self.transfers.push(transfer.clone());
        let is_within = source.0 == destination.0;
        let send = SendTransfer {
            transfer,
            is_within,
        };
        self.ask(source.0, &Command::SendTransfer(Box::new(send)));
    }

    /// A new account: of its own money, of shared money, of money that is not there, or with a number
    /// that is taken.
    fn open_another(&mut self, op: &Op) {
        let (group, no) = self.who(op.a);
        let new = 100 + self.accounts.len() as u64;
        let ledger = self.shell.groups[&group]
            .account(no)
            .map_or(LedgerNo(998), |a| a.ledger);
        let (no, ledger) = match op.b % 4 {
            0 => (no.0, no.0),
            1 => (new, new),
            2 if op.b >= 128 => (new, 998),
            _ => (new, ledger.0),
        };
        self.open(group, no, ledger, Some(2030), Policy::default());
    }

    fn change(&mut self, op: &Op) {
        let (group, account) = self.who(op.a);
        let reason = StatusReason::ALL[usize::from(op.b) % StatusReason::ALL.len()];
        let change = ChangeAccount {
            card: None,
            account,
            status: (!op.flags.is_multiple_of(8)).then(|| status_of(op.flags / 8)),
            status_reason: (!op.b.is_multiple_of(5)).then_some(reason),
            metadata: (op.flags % 8 == 1).then(|| ("{}".into(), Policy::default())),
            webhook_url: None,
        };
        self.ask(group, &Command::ChangeAccount(Box::new(change)));
    }

    fn authorize(&mut self, op: &Op, is_forced: bool) {
        let who = self.who(op.a);
        let currency = currency(CURRENCIES[usize::from(op.b) % CURRENCIES.len()]);
        let there = self.asset(op.flags);
        let current = self.current(who, there).max(0);
        let digits = u32::from(currency.digits());
        let scaled = current / 10_i128.pow(u32::from(there.decimals())) * 10_i128.pow(digits);
        let minor = match op.size {
            Size::Nothing => 1_000,
            Size::Zero => 0,
            Size::Cents(n) | Size::TooPrecise(n) | Size::Negative(n) | Size::Foreign(n) => n.into(),
            Size::Huge(units) => i128::try_from(units).unwrap(),
            Size::Part(quarters) => scaled / 4 * i128::from(quarters),
        };
        let kind = TransactionType::ALL[usize::from(op.flags / 4 % 16).min(5) % 6];
        let kind = if op.flags / 4 % 16 > 5 {
            TransactionType::Purchase
        } else {
            kind
        };
        let request = Arc::new(Authorize {
            account: who.1,
            transaction_id: "ctx".into(),
            kind,
            local: LocalAmount {
                minor: Amount::from_minor(minor).unwrap(),
                currency,
            },
            usd_amount: None,
            merchant: Merchant::default(),
            medium: TransactionMedium::default(),
            allow_partial: op.flags % 2 == 1,
            capture: op.flags % 4 >= 2,
        });
        let command = if is_forced {
            Command::ForcePost(request)
        } else {
            Command::Authorize(request)
        };
        self.ask(who.0, &command);
    }

    /// An authorization: mostly one that is open, seldom one that never was.
    fn which(&self, n: u8) -> AuthorizationId {
        let is_open = |id: &AuthorizationId| self.shell.recalled[id].is_open();
        let mut ids: Vec<_> = self.shell.recalled.keys().copied().collect();
        if n % 8 < 5 && ids.iter().any(is_open) {
            ids.retain(is_open);
        }
        let unknown = AuthorizationId {
            actor: ActorId(1),
            number: 9_999,
        };
        let index = usize::from(n / 8) % ids.len().max(1);
        ids.get(index)
            .copied()
            .filter(|_| n % 16 != 7)
            .unwrap_or(unknown)
    }

    fn follow(&mut self, op: &Op) {
        let id = self.which(op.a);
        let step = |local| StepRequest {
            is_final: [None, None, Some(true), Some(false)][usize::from(op.flags) % 4],
            ..super::request(id, local)
        };
        let hold = self.model.holds.get(&id);
        let held = hold.map_or(BigInt::ZERO, crate::model::Hold::local_held);
        let paid = hold.map_or(BigInt::ZERO, |hold| {
            hold.local_paid() - &hold.local_refunded
        });
        let currency = hold.map_or(currency("USD"), |hold| hold.currency);
        let of = |left: BigInt| step_amount(op.size, currency, &left);
        let command = match op.b % 8 {
            0 => Command::Increment(step(of(BigInt::from(4_000)))),
            1..=3 => Command::Capture(step(of(held))),
            4 => Command::Reverse(step(of(held))),
            _ => Command::Refund(step(of(paid))),
        };
        self.ask(id.actor, &command);
    }

    fn conclude(&mut self, op: &Op) {
        let is_asked = |id: &AuthorizationId| self.shell.recalled[id].decision.is_open();
        let asked: Vec<_> = self
            .shell
            .recalled
            .keys()
            .copied()
            .filter(is_asked)
            .collect();
        let place = usize::from(op.a) % asked.len().max(1);
        let id = asked.get(place).copied().filter(|_| op.b % 8 != 7);
        let id = id.unwrap_or_else(|| self.which(op.b));
        let verdict = [Ruling::Approved, Ruling::Declined][usize::from(op.flags % 2)];
        self.ask(id.actor, &super::conclude(id, verdict));
    }

    fn expire(&mut self, op: &Op) {
        let id = self.which(op.a);
        self.ask(id.actor, &Command::Expire(id));
    }

    fn unrefund(&mut self, op: &Op) {
        let refunded = |id: &AuthorizationId| !self.model.holds[id].refunds.is_empty();
        let ids: Vec<_> = self.model.holds.keys().copied().filter(refunded).collect();
        let index = usize::from(op.a) % (ids.len() + 1);
        let id = ids.get(index).copied().unwrap_or_else(|| self.which(op.a));
        let refunds = self
            .model
            .holds
            .get(&id)
            .map_or(&[][..], |hold| &hold.refunds);
        let refund = refunds.get(usize::from(op.b) % (refunds.len() + 1));
        let lsn = refund.map_or(7, |refund| refund.lsn);
        let local = match op.size {
            Size::Cents(_) | Size::Huge(_) | Size::Nothing => None,
            Size::Zero
            | Size::Part(_)
            | Size::TooPrecise(_)
            | Size::Negative(_)
            | Size::Foreign(_) => {
                let whole = refund.map_or(BigInt::from(1), |refund| refund.local.clone());
                let currency = self.model.holds.get(&id).map(|hold| hold.currency);
                step_amount(op.size, currency.unwrap_or(super::currency("USD")), &whole)
            }
        };
        let step = super::request(id, local);
        self.ask(id.actor, &Command::ReverseRefund { step, refund: lsn });
    }

    fn later(&mut self, op: &Op) {
        let seconds = i64::from(op.a % 7) * 86_400 + i64::from(op.b);
        self.shell.now = self.shell.now.plus_seconds(seconds);
    }
}

fn step_amount(size: Size, currency: Currency, left: &BigInt) -> Option<StepAmount> {
    let digits = currency.digits();
    let (mantissa, scale, named) = match size {
        Size::Nothing => return None,
        Size::Zero => (0, 0, None),
        Size::Cents(n) => (n.into(), digits, None),
        Size::Huge(n) => (i128::try_from(n).unwrap(), 0, Some(currency)),
        Size::Part(quarters) => {
            let part = left * quarters / 4;
            (i128::try_from(part).unwrap(), digits, Some(currency))
        }
        Size::TooPrecise(n) => (n.into(), digits + 1, None),
        Size::Negative(n) => (-i128::from(n), digits, None),
        Size::Foreign(n) => (n.into(), digits, "CHF".parse().ok()),
    };
    Some(StepAmount {
        value: Decimal { mantissa, scale },
        currency: named,
    })
}
