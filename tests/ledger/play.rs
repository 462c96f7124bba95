//! Random sequences, run on the shell and on the model, compared after every step.

use std::collections::BTreeSet;

use cardwright::domain::{
    account::Medium,
    books::{
        Allocation, BalanceFace, BooksCommand, DueKind, Kind, Marks, NewTransaction, OnShort,
        Overdraft, ParentOf, Precision, Side, State, Step, StepOn, Take, Terms,
    },
    command::{Command, MoveMoney, OpenAccount, Transfer},
    event::Event,
    ids::{AccountNo, ActorId, AuthorizationId, LedgerNo, TransactionId},
    money::{Amount, Asset},
    policy::Policy,
    posting::House,
    time::Month,
};
use serde_json::json;

use super::{
    model::{Account, Model, Said},
    ops::{Draw, Op},
    said::{lines, refusal},
};
use crate::books::{shell::Shell, terms};

/// Number, actor, ledger, what it counts.
pub(crate) const ACCOUNTS: [(u64, u64, u64, &str); 7] = [
    (1, 1, 1, "USD"),
    (2, 1, 1, "card"),
    (3, 1, 3, "any"),
    (4, 1, 4, "EUR"),
    (10, 10, 10, "USD"),
    (11, 10, 11, "any"),
    (20, 20, 20, "USD"),
];
pub(crate) const CARD: u64 = 2;

pub(crate) struct Play {
    pub(crate) shell: Shell,
    pub(crate) model: Model,
    pub(crate) ids: Vec<TransactionId>,
    pub(crate) heads: Vec<TransactionId>,
    pub(crate) decided: Vec<(TransactionId, bool)>,
    pub(crate) outgoing: Vec<Transfer>,
    pub(crate) purchases: Vec<(AuthorizationId, i128)>,
    pub(crate) said: BTreeSet<String>,
}

pub(crate) fn bare(code: &str) -> Asset {
    Asset::of_ledger(code).unwrap()
}

pub(crate) fn amount(minor: i128) -> Amount {
    Amount::from_minor(minor).unwrap()
}

fn open(no: u64, ledger: u64, counts: &str) -> Command {
    let medium = match counts {
        "any" => Medium::Virtual,
        "card" => Medium::Card {
            programme: "card".into(),
            last_four: *b"4242",
            expiry: Month {
                year: 2030,
                month: 1,
            },
        },
        code => Medium::Balance(Box::new(BalanceFace {
            asset: bare(code),
            ledger_id: "ldg".into(),
            indicator: None,
            identity_id: None,
            tracks_lineage: false,
            allocation: Allocation::Fifo,
        })),
    };
    Command::OpenAccount(Box::new(OpenAccount {
        no: AccountNo(no),
        medium,
        holder_urn: format!(
            "did:bloque:sandbox:{}",
            if no == CARD { "demo" } else { "ledger" }
        ),
        ledger: LedgerNo(ledger),
        webhook_url: None,
        metadata: r#"{"default_asset":"nonsense in a balance"}"#.into(),
        policy: Policy::default(),
        card: None,
    }))
}

impl Play {
    pub(crate) fn new() -> Self {
        let mut play = Self {
            shell: Shell::new(terms()),
            model: Model::default(),
            ids: Vec::new(),
            heads: Vec::new(),
            decided: Vec::new(),
            outgoing: Vec::new(),
            purchases: Vec::new(),
            said: BTreeSet::new(),
        };
        for (no, actor, ledger, counts) in ACCOUNTS {
            play.shell
                .run(ActorId(actor), &open(no, ledger, counts))
                .unwrap();
            let asset = (!["any", "card"].contains(&counts)).then(|| bare(counts));
            let (is_frozen, is_deleted) = (false, false);
            let account = Account {
                actor,
                ledger,
                asset,
                is_frozen,
                is_deleted,
            };
            play.model.accounts.insert(no, account);
            if no != CARD {
                let asset = asset.unwrap_or_else(|| bare("USD"));
                play.model.deposit(no, asset, 5_000);
                let deposit = Command::Deposit(MoveMoney {
                    account: AccountNo(no),
                    asset,
                    amount: amount(5_000),
                    reference: no.to_string(),
                    metadata: "{}".into(),
                });
                play.shell.run(ActorId(actor), &deposit).unwrap();
            }
        }
        play
    }

    /// Runs a command of the books on both, and compares what they say.
    pub(crate) fn ask(&mut self, actor: u64, command: BooksCommand) -> Said {
        let now = self.shell.now.plus_seconds(1);
        let expected = self.model.run(actor, &command, now);
        let command = Command::Books(Box::new(command));
        let said = self.shell.run(ActorId(actor), &command);
        for event in said.iter().flatten() {
            self.note(event);
        }
        let said = said.as_deref().map(lines).map_err(refusal);
        assert_eq!(said, expected, "{command:?}");
        self.compare();
        let word = |line: &String| {
            let words: Vec<_> = line.split(' ').collect();
            let is_sent = words[0] == "sent";
            if is_sent {
                "sent".into()
            } else {
                format!("{} {}", words[0], words[2])
            }
        };
        match &said {
            Ok(lines) => self.said.extend(lines.iter().map(word)),
            Err(why) => {
                self.said.insert(why.clone());
            }
        }
        said
    }

    fn note(&mut self, event: &Event) {
        if let Event::TransferSent(transfer, _) = event {
            self.outgoing.push((**transfer).clone());
        }
        let Some(booked) = event.booked() else { return };
        let it = &booked.transaction;
        if it.is_head() && it.state == State::Reserved && it.head.is_none() {
            self.heads.push(it.id);
        }
        for it in booked.child.iter().chain([&booked.transaction]) {
            if !self.ids.contains(&it.id) {
                self.ids.push(it.id);
            }
        }
    }

    /// Every balance and every transaction is the same in both.
    pub(crate) fn compare(&self) {
        for group in self.shell.groups.values() {
            for (ledger, asset, balance) in crate::books::shell::balances(group) {
                let known = self.model.money.get(&(ledger.0, asset)).copied();
                let has = (
                    balance.current,
                    balance.pending,
                    balance.incoming,
                    balance.outgoing,
                );
                assert_eq!(known.unwrap_or_default(), has, "{asset} of {ledger}");
            }
        }
        assert_eq!(self.shell.booked.len(), self.model.transactions.len());
        for (id, known) in &self.shell.booked {
            let tx = &self.model.transactions[id];
            let own = (known.state, known.committed, known.released, known.refunded);
            let (committed, released) = (amount(tx.committed), amount(tx.released));
            let expected = (tx.state, committed, released, amount(tx.refunded));
            assert_eq!(own, expected, "{id}");
        }
        let in_transit: i128 = self.outgoing.iter().map(|it| it.amount.minor()).sum();
        let transit: num_bigint::BigInt = [bare("USD"), bare("EUR")]
            .iter()
            .map(|asset| self.shell.house(House::Transit, *asset))
            .sum();
        assert_eq!(transit, in_transit.into(), "what is on its way");
    }

    fn side(no: u64) -> Side {
        let ledger = ACCOUNTS.iter().find(|account| account.0 == no).unwrap().2;
        Side {
            account: AccountNo(no),
            ledger: LedgerNo(ledger),
            name: format!("bln_{no}").into(),
        }
    }

    fn new_of(&self, draw: Draw, inflight: bool, kind: Kind, parent: ParentOf) -> NewTransaction {
        let overdraft = match draw.overdraft {
            0 => Overdraft::Unlimited,
            1 => Overdraft::UpTo(amount(1_000)),
            _ => Overdraft::No,
        };
        NewTransaction {
            kind,
            parent,
            asset: bare(if draw.is_euro { "EUR" } else { "USD" }),
            amount: amount(draw.amount),
            precision: Precision::of(amount(draw.amount), 100),
            source: Self::side(ACCOUNTS[draw.source].0),
            destination: Self::side(ACCOUNTS[draw.destination].0),
            terms: Terms {
                reference: format!("ref-{}", self.shell.lsn),
                description: String::new(),
                overdraft,
                marks: Marks {
                    inflight,
                    ..Marks::default()
                },
                effective_at: None,
                scheduled_for: None,
                expires_at: None,
                commits_at: None,
                split: String::new(),
            },
            metadata: "{}".into(),
            awaited: Amount::ZERO,
        }
    }

    /// Those draws as parts of a head, with sources where the record is made.
    fn parts(
        &self,
        draws: &[Draw],
        actor: u8,
        inflight: bool,
        parent: ParentOf,
    ) -> Vec<NewTransaction> {
        let own: Vec<usize> = (0..ACCOUNTS.len())
            .filter(|place| ACCOUNTS[*place].1 == actor_of(actor))
            .collect();
        let of = |draw: &Draw| {
            let source = own[draw.source % own.len()];
            let mut new = self.new_of(Draw { source, ..*draw }, inflight, Kind::Part, parent);
            if let ParentOf::Known(_) = parent
                && draw.awaited == 0
            {
                new.awaited = amount(700);
            }
            new
        };
        draws.iter().map(of).collect()
    }

    fn pick(&self, at: usize) -> Option<TransactionId> {
        // The latest are met more often: most of the others are over.
        let latest = self.ids.len().saturating_sub(12);
        let from = if at.is_multiple_of(4) {
            &self.ids[..]
        } else {
            &self.ids[latest..]
        };
        (!from.is_empty()).then(|| from[at / 4 % from.len()])
    }

    /// One of those of which something comes by the time, most times.
    fn timed(&self, at: usize) -> Option<TransactionId> {
        let comes = |id: &TransactionId| {
            let tx = &self.model.transactions[id];
            tx.state.is_open() && (tx.scheduled.or(tx.expires).or(tx.commits)).is_some()
        };
        let ids: Vec<_> = self.ids.iter().copied().filter(comes).collect();
        chosen(&ids, at / 4).filter(|_| !at.is_multiple_of(4))
    }

    fn recalled(&self, id: TransactionId) -> Option<Box<cardwright::domain::books::Transaction>> {
        let known = self.shell.booked.get(&id).cloned();
        known.filter(|it| !it.state.is_open()).map(Box::new)
    }

    fn amount_of(&self, id: TransactionId, share: u8) -> Amount {
        amount(self.model.transactions[&id].amount * i128::from(share) / 10)
    }

    pub(crate) fn step(&mut self, op: &Op) {
        match op {
            Op::Take {
                draw,
                inflight,
                later,
                ends,
                refuses,
                is_refund,
            } => {
                let new = self.single(*draw, (*inflight, *is_refund), (*later, *ends));
                self.take(ACCOUNTS[draw.source].1, vec![new], false, *refuses);
            }
            Op::Split {
                draws,
                actor,
                inflight,
                later,
                refuses,
            } => {
                let mut head = self.new_of(draws[0], *inflight, Kind::SplitHead, ParentOf::None);
                self.set_times(&mut head.terms, *later, 0);
                let mut new = vec![head];
                new.extend(self.parts(draws, *actor, *inflight, ParentOf::Earlier(0)));
                self.take(actor_of(*actor), new, false, *refuses);
            }
            Op::Head {
                draws,
                actor,
                inflight,
            } => {
                let head = self.new_of(draws[0], *inflight, Kind::BulkHead, ParentOf::None);
                let mut new = vec![head];
                new.extend(self.parts(draws, *actor, *inflight, ParentOf::Earlier(0)));
                self.take(actor_of(*actor), new, true, true);
            }
            Op::More {
                head,
                draws,
                actor,
                inflight,
            } => {
                if let Some(head) = chosen(&self.heads, *head) {
                    let new = self.parts(draws, *actor, *inflight, ParentOf::Known(head));
                    self.take(actor_of(*actor), new, true, true);
                }
            }
            Op::Decide { head, is_done } => {
                if let Some(head) = chosen(&self.heads, *head) {
                    self.decide(head, *is_done);
                }
            }
            Op::Follow { head, actor } => {
                if let Some((head, is_done)) = chosen(&self.decided, *head) {
                    let _ = self.ask(actor_of(*actor), BooksCommand::Follow { head, is_done });
                }
            }
            Op::Step { .. } | Op::Due { .. } | Op::Refund { .. } | Op::Note { .. } => {
                self.step_on(op);
            }
            Op::Wait { .. }
            | Op::Deliver { .. }
            | Op::Purchase { .. }
            | Op::EndPurchase { .. }
            | Op::Freeze { .. }
            | Op::Delete { .. } => self.beside(op),
        }
    }

    fn single(
        &self,
        draw: Draw,
        (inflight, is_refund): (bool, bool),
        (later, ends): (u8, u8),
    ) -> NewTransaction {
        let (kind, parent) = match self.ids.last() {
            Some(id) if is_refund => (Kind::Refund, ParentOf::Known(*id)),
            Some(_) | None => (Kind::Single, ParentOf::None),
        };
        let mut new = self.new_of(draw, inflight, kind, parent);
        self.set_times(&mut new.terms, later, ends);
        new
    }

    fn step_on(&mut self, op: &Op) {
        let (Op::Step { id, .. } | Op::Due { id, .. } | Op::Refund { id, .. } | Op::Note { id }) =
            op
        else {
            return;
        };
        let is_due = matches!(op, Op::Due { .. });
        let timed = is_due.then(|| self.timed(*id)).flatten();
        let Some(id) = timed.or_else(|| self.pick(*id)) else {
            return;
        };
        let recalled = self.recalled(id);
        let command = if let Op::Step { share, is_void, .. } = op {
            let step = match share {
                _ if *is_void => Step::Void,
                Some(share) => Step::Commit(Some(self.amount_of(id, *share))),
                None => Step::Commit(None),
            };
            BooksCommand::Step(Box::new(StepOn {
                id,
                step,
                merge: None,
                recalled,
            }))
        } else if let Op::Due { kind, .. } = op {
            let kinds = [
                DueKind::Scheduled,
                DueKind::Reserve,
                DueKind::Expiry,
                DueKind::Commit,
            ];
            BooksCommand::Due(id, kinds[usize::from(*kind)])
        } else if let Op::Refund {
            share, is_taken, ..
        } = op
        {
            BooksCommand::NoteRefund {
                id,
                amount: self.amount_of(id, *share),
                is_taken: *is_taken,
                recalled,
            }
        } else {
            let merge = json!({ "n": self.shell.lsn }).as_object().unwrap().clone();
            BooksCommand::Note {
                id,
                merge,
                recalled,
            }
        };
        let _ = self.ask(id.actor.0, command);
    }

    fn set_times(&self, terms: &mut Terms, later: u8, ends: u8) {
        let at = |seconds| Some(self.shell.now.plus_seconds(seconds));
        terms.scheduled_for = if later == 2 { at(30) } else { None };
        terms.expires_at = if ends == 1 { at(9) } else { None };
        terms.commits_at = if ends == 2 { at(9) } else { None };
    }

    fn take(&mut self, actor: u64, new: Vec<NewTransaction>, waits: bool, refuses: bool) {
        let on_short = if refuses {
            OnShort::Refuse
        } else {
            OnShort::Record
        };
        let _ = self.ask(
            actor,
            BooksCommand::Take(Take {
                new,
                waits,
                on_short,
            }),
        );
    }

    pub(crate) fn decide(&mut self, head: TransactionId, is_done: bool) {
        let is_part = |(_, tx): &(&TransactionId, &super::model::Tx)| tx.head == Some(head);
        let parts = self
            .model
            .transactions
            .iter()
            .filter(is_part)
            .map(|(id, _)| *id)
            .collect();
        let below = Vec::new();
        let decided = self.ask(
            head.actor.0,
            BooksCommand::Decide {
                head,
                is_done,
                parts,
                below,
            },
        );
        if decided.is_ok() {
            self.decided.push((head, is_done));
        }
    }
}

fn actor_of(choice: u8) -> u64 {
    [1, 10, 20][usize::from(choice)]
}

fn chosen<T: Copy>(from: &[T], at: usize) -> Option<T> {
    (!from.is_empty()).then(|| from[at % from.len()])
}
