//! Writes logs as the engine does, but for what a test changes in them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at what it did not expect"
)]

use std::{collections::BTreeMap, sync::Arc};

use cardwright::{
    domain::{
        account::Medium,
        apply::{self, Stamp},
        command::{
            Authorize, Command, Context, MoveMoney, OpenAccount, Purpose, SendTransfer,
            StepRequest, Transfer,
        },
        decide::decide,
        event::{Event, Movement},
        group::Group,
        hold::TransactionType,
        ids::{AccountNo, ActorId, AuthorizationId, LedgerNo, TransferId},
        merchant::{Merchant, TransactionMedium},
        money::{Amount, LocalAmount},
        policy::{AssetTerm, Policy, Terms},
        time::{Month, Timestamp},
        trail::Trail,
    },
    journal::{
        Journal, Lsn,
        wal::{OsStorage, WalJournal, WalOptions, WalReader},
    },
    replay::verify::{
        Options, Verdict,
        finding::{Check, Severity},
        verify,
    },
    wire::{self, Body, Entry, Key, KeyLife},
};

pub(crate) fn terms() -> Terms {
    Terms {
        assets: vec![AssetTerm {
            asset: "DUSD/6".parse().unwrap(),
            pegged: "USD".parse().ok(),
        }],
        default_asset: "DUSD/6".parse().unwrap(),
        fees: Vec::new(),
        hold_seconds: 600,
        hold_seconds_by_mcc: Vec::new(),
        over_capture: "0.1".parse().unwrap(),
        rate_age_seconds_max: 86_400,
        base_currency: "USD".parse().unwrap(),
    }
}

pub(crate) fn amount(minor: i128) -> Amount {
    Amount::from_minor(minor).unwrap()
}

/// Writes a log as the engine does, but for what a test changes in a record.
pub(crate) struct Log {
    dir: tempfile::TempDir,
    pub(crate) journal: WalJournal,
    pub(crate) groups: BTreeMap<u64, (Group, Trail)>,
    pub(crate) time: i64,
    keys: u64,
}

impl Log {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = WalOptions {
            segment_bytes: 1 << 16,
            record_bytes_max: 1 << 14,
            min_free_bytes: 0,
            ..WalOptions::new(dir.path())
        };
        let (journal, _) = WalJournal::open(options, Arc::new(OsStorage)).unwrap();
        Self {
            dir,
            journal,
            groups: BTreeMap::new(),
            time: 1_000_000,
            keys: 0,
        }
    }

    pub(crate) fn run(&mut self, actor: u64, command: &Command) -> u64 {
        self.run_with(actor, command, |_| {})
    }

    /// Decides, changes the record, and writes it; the state follows the decision.
    pub(crate) fn run_with(
        &mut self,
        actor: u64,
        command: &Command,
        change: impl FnOnce(&mut Entry),
    ) -> u64 {
        let id = ActorId(actor);
        let (group, trail) = self
            .groups
            .entry(actor)
            .or_insert_with(|| (Group::new(id), Trail::default()));
        self.time += 1_000;
        self.keys += 1;
        let time = Timestamp::from_micros(self.time);
        let terms = terms();
        let context = Context::plain(time, &terms);
        let events = decide(group, command, &context).unwrap();
        let mut entry = Entry {
            time,
            actor: id,
            sequence: trail.count() + 1,
            links: trail.next_links(),
            keys: vec![(Key([self.keys, 7]), KeyLife::Permanent)],
            fingerprint: 0,
            body: Body::Group(events.clone()),
        };
        change(&mut entry);
        let mut bytes = Vec::new();
        wire::encode_entry(&entry, &mut bytes);
        let reservation = self.journal.reserve().unwrap();
        let lsn = self.journal.append(reservation, &bytes).get();
        apply::apply(group, &events, Stamp { lsn, time });
        trail.push(lsn);
        lsn
    }

    /// A card with `money` on it.
    pub(crate) fn card(&mut self, no: u64, money: i128) {
        let open = OpenAccount {
            card: None,
            no: AccountNo(no),
            medium: Medium::Card {
                programme: "card".into(),
                last_four: *b"1234",
                expiry: Month {
                    year: 2099,
                    month: 1,
                },
            },
            holder_urn: "did:bloque:test:one".into(),
            ledger: LedgerNo(no),
            webhook_url: None,
            metadata: "{}".into(),
            policy: Policy::default(),
        };
        self.run(no, &Command::OpenAccount(Box::new(open)));
        self.run(no, &deposit(no, money));
    }

    pub(crate) fn snapshot(&self, groups: &[(&Group, &Trail)], keys: u64) {
        while self.journal.durable() < self.journal.appended() {
            std::thread::yield_now();
        }
        let lsn = self.journal.durable();
        let mut sink = self.journal.snapshots().create(lsn, 1).unwrap();
        for (group, trail) in groups {
            sink.put(&wire::encode_group(group, trail)).unwrap();
        }
        let mut positions = BTreeMap::new();
        for record in self.journal.scan(Lsn::ZERO).unwrap() {
            let record = record.unwrap();
            let entry = wire::decode_entry(&record.payload).unwrap();
            for (key, life) in entry.keys {
                positions.insert(key, (life, record.lsn.get()));
            }
        }
        let keys: Vec<_> = positions
            .into_iter()
            .map(|(key, (life, lsn))| (key, life, lsn))
            .take(usize::try_from(keys).unwrap())
            .collect();
        sink.put(&wire::encode_keys(&keys)).unwrap();
        sink.finish().unwrap();
    }

    /// Closes the log; what is in the directory is a server's.
    #[allow(dead_code, reason = "each test binary uses its own part")]
    pub(crate) fn end(self) -> tempfile::TempDir {
        self.journal.close().unwrap();
        self.dir
    }

    pub(crate) fn verdict(&self) -> Verdict {
        while self.journal.durable() < self.journal.appended() {
            std::thread::yield_now();
        }
        let reader = WalReader::open(self.dir.path()).unwrap();
        let options = Options {
            threads: 2,
            with_accounts: true,
        };
        verify(&reader, options, &mut |_| {}).unwrap()
    }

    /// Expects findings of just these checks.
    #[track_caller]
    pub(crate) fn expect(&self, checks: &[Check]) {
        let verdict = self.verdict();
        let found: std::collections::BTreeSet<Check> =
            verdict.findings.kept.iter().map(|it| it.check).collect();
        let expected = checks.iter().copied().collect();
        assert_eq!(found, expected, "{:#?}", verdict.findings.kept);
        assert_eq!(verdict.findings.is_ok(), checks.is_empty());
        for finding in &verdict.findings.kept {
            assert_eq!(finding.severity, Severity::Fault);
        }
    }
}

pub(crate) fn deposit(no: u64, money: i128) -> Command {
    Command::Deposit(MoveMoney {
        account: AccountNo(no),
        asset: "DUSD/6".parse().unwrap(),
        amount: amount(money),
        reference: "r".into(),
        metadata: "{}".into(),
    })
}

pub(crate) fn purchase(no: u64, cents: i128) -> Command {
    Command::Authorize(Arc::new(Authorize {
        account: AccountNo(no),
        transaction_id: "t".into(),
        kind: TransactionType::Purchase,
        local: LocalAmount {
            minor: amount(cents),
            currency: "USD".parse().unwrap(),
        },
        usd_amount: None,
        merchant: Merchant::default(),
        medium: TransactionMedium::default(),
        allow_partial: false,
        capture: false,
    }))
}

pub(crate) fn step(no: u64, number: u32) -> StepRequest {
    StepRequest {
        authorization: AuthorizationId {
            actor: ActorId(no),
            number,
        },
        transaction_id: "s".into(),
        local: None,
        is_final: None,
    }
}

pub(crate) fn transfer(from: u64, to: u64) -> Transfer {
    Transfer {
        id: TransferId(77),
        source: AccountNo(from),
        source_urn: "from".into(),
        source_actor: ActorId(from),
        destination: AccountNo(to),
        destination_urn: "to".into(),
        destination_actor: ActorId(to),
        asset: "DUSD/6".parse().unwrap(),
        amount: amount(5),
        reference: String::new(),
        metadata: "{}".into(),
        purpose: Purpose::Transfer,
    }
}

pub(crate) fn movement(entry: &mut Entry) -> &mut Movement {
    let Body::Group(events) = &mut entry.body else {
        panic!("not a group's record");
    };
    let event = events.last_mut().unwrap();
    if let Event::Deposited(_, movement) | Event::TransferSent(_, movement) = event {
        return movement;
    }
    if let Event::AuthorizationApproved(approved) = event {
        return &mut approved.movement;
    }
    let Event::AuthorizationStepped(stepped) = event else {
        panic!("not expected: {event:?}");
    };
    &mut stepped.movement
}

/// A log with something of everything.
pub(crate) fn sound() -> Log {
    let mut log = Log::new();
    log.card(1, 100_000_000);
    log.card(2, 50_000_000);
    log.run(1, &purchase(1, 1_000));
    log.run(1, &Command::Capture(step(1, 1)));
    log.run(1, &purchase(1, 2_000));
    log.run(2, &purchase(2, 999_999));
    let sent = transfer(1, 2);
    let send = SendTransfer {
        transfer: sent.clone(),
        is_within: false,
    };
    log.run(1, &Command::SendTransfer(Box::new(send)));
    log.run(2, &Command::ReceiveTransfer(Box::new(sent.clone())));
    log.run(1, &Command::SettleTransfer(sent.id));
    log
}
