//! The core alone: decide and apply, no actor, no I/O. `cargo bench --bench core`
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a bench stops at the first fault"
)]

use std::{hint::black_box, sync::Arc};

use cardwright::{
    config::Config,
    domain::{
        account::Medium,
        apply::{self, Stamp},
        command::{Authorize, Command, Context, MoveMoney, OpenAccount},
        decide::decide,
        group::Group,
        hold::TransactionType,
        ids::{AccountNo, ActorId, LedgerNo},
        merchant::{Merchant, TransactionMedium},
        money::{Amount, Asset, LocalAmount},
        policy::{Policy, Terms, metadata},
        rates::{self, Quote, RateTable, Unit},
        time::{Month, Timestamp},
        trail::Links,
    },
    wire::{self, Body, Entry},
};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

fn terms() -> Terms {
    Config::load(None, std::iter::empty())
        .unwrap()
        .terms()
        .unwrap()
}

fn run(group: &mut Group, command: &Command, terms: &Terms) {
    run_at(group, command, (terms, &rates::NONE));
}

fn run_at(group: &mut Group, command: &Command, (terms, rates): (&Terms, &RateTable)) {
    let now = group.last_time.next();
    let context = Context {
        rates,
        ..Context::plain(now, terms)
    };
    let events = decide(group, command, &context).unwrap();
    apply::apply(
        group,
        &events,
        Stamp {
            lsn: group.sequence + 1,
            time: now,
        },
    );
}

fn funded_card(terms: &Terms) -> Group {
    let mut group = Group::new(ActorId(1));
    group.last_time = Timestamp::from_micros(1_795_000_000_000_000);
    let open = OpenAccount {
        card: None,
        no: AccountNo(1),
        medium: Medium::Card {
            programme: "card".into(),
            last_four: *b"1234",
            expiry: Month {
                year: 2031,
                month: 1,
            },
        },
        holder_urn: "did:bloque:sandbox:demo".into(),
        ledger: LedgerNo(1),
        webhook_url: None,
        metadata: "{}".into(),
        policy: Policy::default(),
    };
    run(&mut group, &Command::OpenAccount(Box::new(open)), terms);
    let deposit = MoveMoney {
        account: AccountNo(1),
        asset: terms.default_asset,
        amount: Amount::from_minor(1_000_000_000_000_000).unwrap(),
        reference: "dep-1".into(),
        metadata: "{}".into(),
    };
    run(&mut group, &Command::Deposit(deposit), terms);
    group
}

fn purchase() -> Command {
    let mut medium = TransactionMedium::default();
    medium.add("entry_mode", "CREDENTIAL_ON_FILE");
    medium.add("network", "VISA");
    Command::Authorize(Arc::new(Authorize {
        account: AccountNo(1),
        transaction_id: "ctx-200kXoaEJLNzcsvNxY1pmBO7fEx".into(),
        kind: TransactionType::Purchase,
        local: LocalAmount::parse("50.00", "USD".parse().unwrap()).unwrap(),
        usd_amount: None,
        merchant: Merchant {
            id: Some("m-1".into()),
            name: Some("AMAZON.COM".into()),
            mcc: Some("5411".parse().unwrap()),
            city: Some("Seattle".into()),
            country: Some("USA".into()),
            ..Merchant::default()
        },
        medium,
        allow_partial: false,
        capture: false,
    }))
}

fn approve(criterion: &mut Criterion) {
    let terms = terms();
    let command = purchase();
    let fresh = funded_card(&terms);
    criterion.bench_function("approve: decide", |bencher| {
        let context = Context::plain(fresh.last_time.next(), &terms);
        bencher.iter(|| black_box(decide(&fresh, &command, &context)));
    });
    criterion.bench_function("approve: decide and apply", |bencher| {
        bencher.iter_batched_ref(
            || fresh.clone(),
            |group| {
                for _ in 0..64 {
                    run(group, &command, &terms);
                }
            },
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("approve: encode the record", |bencher| {
        let context = Context::plain(fresh.last_time.next(), &terms);
        let entry = Entry {
            time: context.now,
            actor: ActorId(1),
            sequence: 3,
            links: Links {
                previous: 2_000,
                skip: 1_000,
            },
            keys: Vec::new(),
            fingerprint: 0,
            body: Body::Group(decide(&fresh, &command, &context).unwrap()),
        };
        let mut out = Vec::new();
        bencher.iter(|| wire::encode_entry(black_box(&entry), &mut out));
    });
}

/// A smart card of five pockets (two are for other merchants), six fees, ten limits and a conversion.
fn ruled_card(terms: &Terms) -> Group {
    let mut group = Group::new(ActorId(1));
    group.last_time = Timestamp::from_micros(1_795_000_000_000_000);
    let euro: Asset = "EURc/6".parse().unwrap();
    let mut pockets = Vec::new();
    for no in 2..7 {
        let open = OpenAccount {
            card: None,
            no: AccountNo(no),
            medium: Medium::Virtual,
            holder_urn: "did:bloque:sandbox:demo".into(),
            ledger: LedgerNo(no),
            webhook_url: None,
            metadata: "{}".into(),
            policy: Policy::default(),
        };
        run(&mut group, &Command::OpenAccount(Box::new(open)), terms);
        let deposit = MoveMoney {
            account: AccountNo(no),
            asset: euro,
            amount: Amount::from_minor(1_000_000_000_000_000).unwrap(),
            reference: format!("dep-{no}"),
            metadata: "{}".into(),
        };
        run(&mut group, &Command::Deposit(deposit), terms);
        pockets.push(group.account(AccountNo(no)).unwrap().urn());
    }
    let metadata = cardwright::cli::bench::ruled::metadata(&pockets);
    let (metadata, policy) = metadata::settle(metadata.as_object().unwrap(), terms).unwrap();
    let open = OpenAccount {
        card: None,
        no: AccountNo(1),
        medium: Medium::Card {
            programme: "card".into(),
            last_four: *b"1234",
            expiry: Month {
                year: 2031,
                month: 1,
            },
        },
        holder_urn: "did:bloque:sandbox:demo".into(),
        ledger: LedgerNo(1),
        webhook_url: None,
        metadata,
        policy,
    };
    run(&mut group, &Command::OpenAccount(Box::new(open)), terms);
    group
}

fn approve_under_rules(criterion: &mut Criterion) {
    let terms = terms();
    let command = purchase();
    let fresh = ruled_card(&terms);
    let quote = Quote {
        base: Unit::of_currency("EUR".parse().unwrap()),
        quote: Unit::of_currency("USD".parse().unwrap()),
        rate: "1.0842".parse().unwrap(),
        at: fresh.last_time,
        source: "bench".into(),
    };
    let rates = RateTable::default().with(&[quote]);
    let mut check = fresh.clone();
    run_at(&mut check, &command, (&terms, &rates));
    assert_eq!(check.open.len(), 1, "the purchase is approved");
    criterion.bench_function("approve under rules: decide and apply", |bencher| {
        bencher.iter_batched_ref(
            || fresh.clone(),
            |group| {
                for _ in 0..64 {
                    run_at(group, &command, (&terms, &rates));
                }
            },
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, approve, approve_under_rules);
criterion_main!(benches);
