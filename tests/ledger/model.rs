//! A plain model of the books, written from their rules and not from their code: maps, sums and straight
//! lines. It shares names (ids, commands, states) with the domain, none of its arithmetic.

use std::collections::BTreeMap;

use cardwright::domain::{
    books::{BooksCommand, Kind, NewTransaction, OnShort, Overdraft, ParentOf, State, Take},
    ids::{ActorId, TransactionId},
    money::Asset,
    time::Timestamp,
};

/// What an account is to the model.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) actor: u64,
    pub(crate) ledger: u64,
    /// What it counts, if only one thing.
    pub(crate) asset: Option<Asset>,
    pub(crate) is_frozen: bool,
    pub(crate) is_deleted: bool,
}

/// Spendable, held, all that came, all that went.
pub(crate) type Money = (i128, i128, i128, i128);

/// A transaction.
#[derive(Clone, Debug)]
pub(crate) struct Tx {
    pub(crate) kind: Kind,
    pub(crate) state: State,
    pub(super) source: u64,
    pub(super) destination: u64,
    pub(crate) asset: Asset,
    pub(crate) amount: i128,
    pub(crate) committed: i128,
    pub(crate) released: i128,
    pub(crate) refunded: i128,
    pub(super) overdraft: Overdraft,
    pub(super) is_inflight: bool,
    pub(super) scheduled: Option<Timestamp>,
    pub(super) expires: Option<Timestamp>,
    pub(super) commits: Option<Timestamp>,
    pub(crate) head: Option<TransactionId>,
    pub(super) parent: Option<TransactionId>,
}

impl Tx {
    pub(super) fn left(&self) -> i128 {
        self.amount - self.committed - self.released
    }

    pub(super) fn is_head(&self) -> bool {
        self.kind == Kind::SplitHead || self.kind == Kind::BulkHead
    }

    pub(super) fn wanted(&self) -> State {
        if self.is_inflight {
            State::Inflight
        } else {
            State::Applied
        }
    }
}

/// What a command leads to: a line for each fact, or why there is none.
pub(crate) type Said = Result<Vec<String>, String>;

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) accounts: BTreeMap<u64, Account>,
    pub(crate) money: BTreeMap<(u64, Asset), Money>,
    pub(crate) transactions: BTreeMap<TransactionId, Tx>,
    counts: BTreeMap<u64, u32>,
}

#[derive(Clone, Copy)]
pub(super) enum At {
    Spendable(u64),
    Held(u64),
    Outside,
}

impl Model {
    pub(super) fn move_money(&mut self, from: At, to: At, asset: Asset, amount: i128) {
        let ledger = |at| match at {
            At::Spendable(no) | At::Held(no) => Some(no),
            At::Outside => None,
        };
        let crosses = ledger(from) != ledger(to);
        for (at, sign) in [(from, -1), (to, 1)] {
            let Some(no) = ledger(at) else { continue };
            let money = self.money.entry((no, asset)).or_default();
            match at {
                At::Spendable(_) => money.0 += sign * amount,
                At::Held(_) => money.1 += sign * amount,
                At::Outside => {}
            }
            if crosses && sign > 0 {
                money.2 += amount;
            } else if crosses {
                money.3 += amount;
            }
        }
    }

    pub(crate) fn arrives(&mut self, destination: u64, asset: Asset, amount: i128) -> bool {
        let account = self.accounts[&destination].clone();
        let counts = account.asset.is_none_or(|counted| counted == asset);
        let arrives = counts && !account.is_deleted;
        if arrives {
            self.move_money(At::Outside, At::Spendable(account.ledger), asset, amount);
        }
        arrives
    }

    pub(crate) fn deposit(&mut self, no: u64, asset: Asset, amount: i128) {
        let ledger = self.accounts[&no].ledger;
        self.move_money(At::Outside, At::Spendable(ledger), asset, amount);
    }

    /// A purchase of the network: whether it is approved.
    pub(crate) fn purchase(&mut self, card: u64, asset: Asset, amount: i128) -> bool {
        let account = self.accounts[&card].clone();
        let has = self.money.entry((account.ledger, asset)).or_default().0;
        let is_approved = !account.is_frozen && !account.is_deleted && has.max(0) >= amount;
        if is_approved {
            let no = account.ledger;
            self.move_money(At::Spendable(no), At::Held(no), asset, amount);
        }
        is_approved
    }

    pub(crate) fn end_purchase(&mut self, ledger: u64, asset: Asset, amount: i128, captured: bool) {
        let to = if captured {
            At::Outside
        } else {
            At::Spendable(ledger)
        };
        self.move_money(At::Held(ledger), to, asset, amount);
    }

    pub(crate) fn run(&mut self, actor: u64, command: &BooksCommand, now: Timestamp) -> Said {
        let mut after = self.clone();
        let said = match command {
            BooksCommand::Take(take) => after.take(actor, take, now),
            BooksCommand::Decide { head, is_done, .. } => after.decide(actor, *head, *is_done),
            BooksCommand::Follow { head, is_done } => {
                let lines = after.follow(actor, *head, *is_done);
                if lines.is_empty() {
                    Err("nothing due".into())
                } else {
                    Ok(lines)
                }
            }
            BooksCommand::Step(on) => after.step(actor, on.id, on.step),
            BooksCommand::Due(id, kind) => after.due(actor, *id, *kind, now),
            BooksCommand::NoteRefund {
                id,
                amount,
                is_taken,
                ..
            } => after.refund(*id, amount.minor(), *is_taken),
            BooksCommand::Note { id, .. } => match after.transactions.get(id) {
                Some(tx) => Ok(vec![format!("Noted {id} {}", tx.state.word())]),
                None => Err("no transaction".into()),
            },
            BooksCommand::Patch(_) => Err("not played".into()),
        };
        if said.is_ok() {
            *self = after;
        }
        said
    }

    pub(super) fn next_id(&mut self, actor: u64) -> TransactionId {
        let count = self.counts.entry(actor).or_default();
        *count += 1;
        TransactionId {
            actor: ActorId(actor),
            number: *count,
        }
    }

    fn take(&mut self, actor: u64, take: &Take, now: Timestamp) -> Said {
        let mut ids: Vec<TransactionId> = Vec::new();
        for new in &take.new {
            let id = self.next_id(actor);
            let mut tx = self.noted(new, now);
            if !tx.is_head() {
                self.check(actor, new)?;
            }
            if let ParentOf::Earlier(place) = new.parent {
                let parent = &self.transactions[&ids[place]];
                tx.parent = Some(ids[place]);
                if parent.state == State::Scheduled {
                    tx.state = State::Scheduled;
                    tx.scheduled = parent.scheduled;
                }
            }
            if take.waits {
                tx.state = State::Reserved;
                tx.head = self.head_of(actor, new.parent, &ids)?;
                if tx.head.is_none() && !tx.is_head() {
                    return Err("no transaction".into());
                }
            }
            self.transactions.insert(id, tx);
            ids.push(id);
        }
        let mut lines = Vec::new();
        let before = self.money.clone();
        for (place, (id, new)) in ids.iter().zip(&take.new).enumerate() {
            match self.begin(actor, *id, new.awaited.minor()) {
                Ok(sent) => {
                    lines.push(format!("Taken {id} {}", self.transactions[id].state.word()));
                    lines.extend(sent);
                }
                Err(why) if take.on_short == OnShort::Refuse => {
                    return Err(format!("unbooked {place}: {why}"));
                }
                Err(why) => {
                    self.money = before;
                    return Ok(self.all_rejected(&ids, place, &why));
                }
            }
        }
        Ok(lines)
    }

    fn all_rejected(&mut self, ids: &[TransactionId], bad: usize, why: &str) -> Vec<String> {
        let line = |(place, id): (usize, &TransactionId)| {
            self.transactions.get_mut(id).unwrap().state = State::Rejected;
            let why = if place == bad { why } else { "other part" };
            format!("Taken {id} REJECTED {why}")
        };
        ids.iter().enumerate().map(line).collect()
    }

    fn noted(&self, new: &NewTransaction, now: Timestamp) -> Tx {
        let mut tx = Tx {
            kind: new.kind,
            state: State::Scheduled,
            source: new.source.account.0,
            destination: new.destination.account.0,
            asset: new.asset,
            amount: new.amount.minor(),
            committed: 0,
            released: 0,
            refunded: 0,
            overdraft: new.terms.overdraft,
            is_inflight: new.terms.marks.inflight,
            scheduled: new.terms.scheduled_for,
            expires: new.terms.expires_at,
            commits: new.terms.commits_at,
            head: None,
            parent: None,
        };
        if tx.scheduled.is_none_or(|at| at <= now) {
            tx.state = tx.wanted();
        }
        tx
    }

    fn check(&self, actor: u64, new: &NewTransaction) -> Result<(), String> {
        if new.amount.minor() == 0 {
            return Err("amount".into());
        }
        let of = |no: u64| {
            self.accounts
                .get(&no)
                .filter(|account| account.actor == actor)
        };
        let counts = |account: &Account| account.asset.is_none_or(|asset| asset == new.asset);
        let source = of(new.source.account.0).ok_or("no account")?;
        if !counts(source) || of(new.destination.account.0).is_some_and(|it| !counts(it)) {
            return Err("other asset".into());
        }
        if source.ledger == self.accounts[&new.destination.account.0].ledger {
            return Err("same money".into());
        }
        Ok(())
    }

    fn head_of(
        &self,
        actor: u64,
        parent: ParentOf,
        ids: &[TransactionId],
    ) -> Result<Option<TransactionId>, String> {
        let id = match parent {
            ParentOf::None => return Ok(None),
            ParentOf::Earlier(place) => {
                let above = ids[place];
                return Ok(Some(self.transactions[&above].head.unwrap_or(above)));
            }
            ParentOf::Known(id) | ParentOf::Below { head: id, .. } => id,
        };
        if id.actor.0 != actor {
            return Ok(Some(id));
        }
        match self.transactions.get(&id) {
            Some(known) if known.state == State::Reserved => Ok(Some(known.head.unwrap_or(id))),
            Some(known) if known.state.is_open() => Err(format!("is {}", known.state.word())),
            _ => Err("no transaction".into()),
        }
    }

    /// Moves what the transaction's state is to move.
    pub(super) fn begin(&mut self, actor: u64, id: TransactionId, awaited: i128) -> Said {
        let tx = self.transactions[&id].clone();
        if tx.is_head() || tx.state == State::Scheduled {
            return Ok(Vec::new());
        }
        let (source, destination) = (&self.accounts[&tx.source], &self.accounts[&tx.destination]);
        if source.is_frozen || source.is_deleted {
            return Err("not open".into());
        }
        if destination.actor == actor && destination.is_deleted {
            return Err("not open".into());
        }
        let ledger = source.ledger;
        let has = self
            .money
            .get(&(ledger, tx.asset))
            .copied()
            .unwrap_or_default()
            .0
            + awaited;
        let (short, word) = match tx.overdraft {
            Overdraft::Unlimited => (false, ""),
            Overdraft::No => (has < tx.amount, "short"),
            Overdraft::UpTo(limit) => (has - tx.amount < -limit.minor(), "overdraft"),
        };
        if short {
            return Err(word.into());
        }
        if tx.state == State::Applied {
            return Ok(self.pay(actor, &tx, At::Spendable(ledger), tx.amount));
        }
        self.move_money(At::Spendable(ledger), At::Held(ledger), tx.asset, tx.amount);
        Ok(Vec::new())
    }

    pub(super) fn pay(&mut self, actor: u64, tx: &Tx, from: At, amount: i128) -> Vec<String> {
        let destination = self.accounts[&tx.destination].clone();
        if destination.actor == actor && !destination.is_deleted {
            self.move_money(from, At::Spendable(destination.ledger), tx.asset, amount);
            return Vec::new();
        }
        self.move_money(from, At::Outside, tx.asset, amount);
        if destination.actor == actor {
            Vec::new()
        } else {
            vec![format!("sent {amount}")]
        }
    }

    fn decide(&mut self, actor: u64, head: TransactionId, is_done: bool) -> Said {
        let Some(tx) = self.transactions.get_mut(&head) else {
            return Err("no transaction".into());
        };
        if !tx.state.is_open() {
            return Err("nothing due".into());
        }
        if !tx.is_head() || tx.head.is_some() || tx.state != State::Reserved {
            return Err(format!("is {}", tx.state.word()));
        }
        tx.state = if is_done {
            tx.wanted()
        } else {
            State::Rejected
        };
        let line = if is_done {
            format!("Confirmed {head} {}", tx.state.word())
        } else {
            format!("Released {head} REJECTED other part")
        };
        let mut lines = vec![line];
        lines.extend(self.follow(actor, head, is_done));
        Ok(lines)
    }

    fn follow(&mut self, actor: u64, head: TransactionId, is_done: bool) -> Vec<String> {
        let waits = |(id, tx): &(&TransactionId, &Tx)| {
            id.actor.0 == actor && tx.state == State::Reserved && tx.head == Some(head)
        };
        let parts: Vec<_> = self
            .transactions
            .iter()
            .filter(waits)
            .map(|(id, _)| *id)
            .collect();
        let mut lines = Vec::new();
        for id in parts {
            let tx = self.transactions[&id].clone();
            let ledger = self.accounts[&tx.source].ledger;
            let mut sent = Vec::new();
            let state = if is_done {
                tx.wanted()
            } else {
                State::Rejected
            };
            if !tx.is_head() && !is_done {
                let (held, back) = (At::Held(ledger), At::Spendable(ledger));
                self.move_money(held, back, tx.asset, tx.amount);
            } else if !tx.is_head() && state == State::Applied {
                sent = self.pay(actor, &tx, At::Held(ledger), tx.amount);
            }
            self.transactions.get_mut(&id).unwrap().state = state;
            lines.push(if is_done {
                format!("Confirmed {id} {}", state.word())
            } else {
                format!("Released {id} REJECTED other part")
            });
            lines.extend(sent);
        }
        lines
    }
}
