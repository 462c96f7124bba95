//! Events by example: the seed page's own, one for every decline, one for every step.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first fault"
)]

mod books;

use std::sync::Arc;

use books::{asset, currency, shell::Shell, terms};
use cardwright::{
    domain::{
        account::{Medium, Status, StatusReason},
        card::{CardChange, CardFile, DeviceToken, PinVerifier, Sealed, TokenStatus, Wallet},
        command::{
            Authorize, ChangeAccount, Command, MoveMoney, OpenAccount, StepAmount, StepRequest,
        },
        documents::Shelf,
        event::{Declined, Event, Movement},
        explanation::Explanation,
        hold::{Authorization, TransactionType},
        identity::{Identity, IdentityKind},
        ids::{AccountNo, ActorId, AuthorizationId, LedgerNo},
        merchant::{Merchant, TransactionMedium},
        money::{Amount, LocalAmount},
        outcome::DeclineReason,
        policy::{Policy, metadata},
        registry::RegistryEvent,
        time::{Month, Timestamp},
        trail::Links,
    },
    outbox::event::{Name, Names, OutEvent, events_of, words},
    wire::{Body, Entry},
};
use serde_json::{Map, Value, json};

const CARD: AccountNo = AccountNo(1);
const HERE: ActorId = ActorId(1);
const HOLDER: &str = "did:bloque:acme:ana";

struct Desk {
    shell: Shell,
}

/// A pocket's URN as metadata names it.
fn pocket_urn(no: u64) -> String {
    let user = cardwright::domain::ids::user_id(HOLDER);
    let id = AccountNo(no).virtual_id();
    format!("did:bloque:account:virtual:{user}:{id}")
}

impl Desk {
    fn new() -> Self {
        Self::with(&json!({}))
    }

    fn with(metadata: &Value) -> Self {
        let mut desk = Self {
            shell: Shell::new(terms()),
        };
        desk.open(2, Medium::Virtual, &json!({}));
        let expiry = Month {
            year: 2030,
            month: 1,
        };
        let card = Medium::Card {
            programme: "card".into(),
            last_four: *b"4242",
            expiry,
        };
        desk.open(1, card, metadata);
        desk.run(&Command::Deposit(MoveMoney {
            account: CARD,
            asset: asset("DUSD/6"),
            amount: Amount::from_minor(100_000_000).unwrap(),
            reference: "first-money".into(),
            metadata: r#"{"note":"rent"}"#.into(),
        }));
        desk
    }

    fn open(&mut self, no: u64, medium: Medium, given: &Value) {
        let map = given.as_object().unwrap();
        let policy: Policy = metadata::parse(map, &self.shell.terms).unwrap();
        let is_card = matches!(medium, Medium::Card { .. });
        let file = CardFile {
            sealed: sealed(),
            fingerprint: [7; 16],
            pin: None,
            tokens: Vec::new(),
        };
        self.run(&Command::OpenAccount(Box::new(OpenAccount {
            no: AccountNo(no),
            medium,
            holder_urn: HOLDER.into(),
            ledger: LedgerNo(no),
            webhook_url: None,
            metadata: given.to_string(),
            policy,
            card: is_card.then(|| Box::new(file)),
        })));
    }

    /// What was told of a command: each payload.
    fn run(&mut self, command: &Command) -> Vec<Value> {
        self.shell.run(HERE, command).unwrap();
        let told = self.shell.told.last.iter();
        told.map(|event| serde_json::from_str(&event.payload).unwrap())
            .collect()
    }

    fn purchase(&mut self, edit: impl FnOnce(&mut Authorize)) -> Vec<Value> {
        let mut request = purchase();
        edit(&mut request);
        self.run(&Command::Authorize(Arc::new(request)))
    }

    fn known(&self) -> Authorization {
        let all = self.shell.recalled.values();
        all.max_by_key(|known| known.id.number).unwrap().clone()
    }

    fn step(
        &mut self,
        id: &str,
        dollars: Option<&str>,
        command: impl FnOnce(StepRequest) -> Command,
    ) -> Vec<Value> {
        let step = StepRequest {
            authorization: self.known().id,
            transaction_id: id.into(),
            local: dollars.map(|text| StepAmount {
                value: text.parse().unwrap(),
                currency: None,
            }),
            is_final: None,
        };
        self.run(&command(step))
    }

    fn change(&mut self, edit: impl FnOnce(&mut ChangeAccount)) -> Vec<Value> {
        let mut change = ChangeAccount {
            account: CARD,
            status: None,
            status_reason: None,
            metadata: None,
            webhook_url: None,
            card: None,
        };
        edit(&mut change);
        self.run(&Command::ChangeAccount(Box::new(change)))
    }
}

fn sealed() -> Sealed {
    Sealed {
        key_id: 1,
        bytes: b"4111111111111111".to_vec(),
    }
}

fn purchase() -> Authorize {
    Authorize {
        account: CARD,
        transaction_id: "ctx-200kXoaEJLNzcsvNxY1pmBO7fEx".into(),
        kind: TransactionType::Purchase,
        local: LocalAmount::parse("50.00", currency("USD")).unwrap(),
        usd_amount: None,
        merchant: Merchant {
            name: Some("AMAZON.COM".into()),
            mcc: Some("5411".parse().unwrap()),
            city: Some("Seattle".into()),
            country: Some("USA".into()),
            ..Merchant::default()
        },
        medium: TransactionMedium::default(),
        allow_partial: false,
        capture: false,
    }
}

/// What the seed's example says is there, as it says it; `account_urn` is the account's own.
#[track_caller]
fn assert_says(told: &Value, example: &Value) {
    for (name, value) in example.as_object().unwrap() {
        if name == "account_urn" {
            assert!(
                told[name]
                    .as_str()
                    .unwrap()
                    .starts_with("did:bloque:account:card:usr-")
            );
        } else if name == "fee_breakdown" {
            assert_says(&told[name], value);
        } else if value.is_f64() {
            assert_eq!(told[name].as_f64(), value.as_f64(), "{name}: {told}");
        } else {
            assert_eq!(told[name], *value, "{name}: {told}");
        }
    }
}

/// Source: Bloque docs, Purchase Event Example and Refund Event Example.
#[test]
fn the_seed_examples_of_a_purchase_and_its_refund() {
    let mut desk = Desk::new();
    let told = desk.purchase(|_| {});
    assert_eq!(told.len(), 1);
    assert_says(
        &told[0],
        &json!({
            "account_urn": "did:bloque:account:card:usr-abc:crd-123",
            "transaction_id": "ctx-200kXoaEJLNzcsvNxY1pmBO7fEx",
            "type": "authorization", "direction": "debit", "event": "purchase",
            "amount": "50000000", "asset": "DUSD/6",
            "local_amount": 50.0, "local_currency": "USD", "exchange_rate": 1,
            "merchant": { "name": "AMAZON.COM", "mcc": "5411", "city": "Seattle", "country": "USA" },
            "fee_breakdown": {
                "total_fees": "720000",
                "fees": [{ "fee_name": "interchange", "amount": "720000", "rate": 0.0144 }],
                "settlement": "49280000"
            },
            "lifecycle_status": "pending_authorization", "transaction_type": "PURCHASE"
        }),
    );
    let key = &desk.shell.told.last[0].idempotency_key;
    assert_eq!(
        key,
        "authorization-purchase-ctx-200kXoaEJLNzcsvNxY1pmBO7fEx"
    );
    let told = desk.step("cap-1", None, Command::Capture);
    assert_eq!(told.len(), 1);
    assert_says(
        &told[0],
        &json!({
            "transaction_id": "cap-1", "original_transaction_id": "ctx-200kXoaEJLNzcsvNxY1pmBO7fEx",
            "type": "adjustment", "direction": "debit", "event": "debit_adjustment",
            "lifecycle_status": "captured", "transaction_type": "PURCHASE", "amount": "50000000"
        }),
    );
    let told = desk.step("ctx-adj-456", Some("25.00"), Command::Refund);
    assert_eq!(told.len(), 1);
    assert_says(
        &told[0],
        &json!({
            "account_urn": "did:bloque:account:card:usr-abc:crd-123",
            "transaction_id": "ctx-adj-456",
            "type": "adjustment", "direction": "credit", "event": "credit_adjustment",
            "amount": "25000000", "asset": "DUSD/6",
            "local_amount": 25.0, "local_currency": "USD", "exchange_rate": 1,
            "merchant": { "name": "AMAZON.COM", "mcc": "5411", "city": "Seattle", "country": "USA" },
            "fee_breakdown": {
                "total_fees": "360000",
                "fees": [{ "fee_name": "interchange", "amount": "360000", "rate": 0.0144 }]
            },
            "lifecycle_status": "refunded", "transaction_type": "REFUND"
        }),
    );
    let key = &desk.shell.told.last[0].idempotency_key;
    assert_eq!(key, "adjustment-credit_adjustment-ctx-adj-456");
}

/// Source: Bloque docs, Rejection Event Example.
#[test]
fn the_seed_example_of_a_rejection() {
    let told = Desk::new().purchase(|request| {
        request.transaction_id = "ctx-789".into();
        request.local = LocalAmount::parse("150.00", currency("USD")).unwrap();
    });
    assert_eq!(told.len(), 1);
    assert_says(
        &told[0],
        &json!({
            "account_urn": "did:bloque:account:card:usr-abc:crd-123",
            "transaction_id": "ctx-789",
            "type": "authorization", "direction": "debit",
            "event": "rejected_insufficient_funds",
            "required_usd": 150.0, "reason": "Insufficient funds"
        }),
    );
    for absent in [
        "amount",
        "asset",
        "lifecycle_status",
        "transaction_type",
        "fee_breakdown",
    ] {
        assert!(told[0].get(absent).is_none(), "{absent}: {}", told[0]);
    }
}

#[test]
fn numbers_keep_every_digit() {
    let mut desk = Desk::new();
    desk.purchase(|request| {
        request.local = LocalAmount::parse("12345678901234567890.01", currency("USD")).unwrap();
    });
    let payload = &desk.shell.told.last[0].payload;
    assert!(
        payload.contains(r#""local_amount":12345678901234567890.01,"#),
        "{payload}"
    );
    assert!(
        payload.contains(r#""required_usd":12345678901234567890.01,"#),
        "{payload}"
    );
}

struct Nobody;

impl Names for Nobody {
    fn of(&self, _: AccountNo) -> Option<Name> {
        Some(Name {
            urn: "did:bloque:account:card:usr-abc:crd-123".into(),
            holder_urn: HOLDER.into(),
            webhook_url: None,
        })
    }
}

fn entry(body: Body) -> Entry {
    Entry {
        time: Timestamp::from_micros(1_768_000_000_000_000),
        actor: HERE,
        sequence: 1,
        links: Links::default(),
        keys: Vec::new(),
        fingerprint: 0,
        body,
    }
}

fn told_of(body: Body) -> Vec<OutEvent> {
    events_of(7, &entry(body), &Nobody)
}

#[test]
fn every_decline_has_its_word_and_its_reason() {
    let mut sentences = Vec::new();
    for reason in DeclineReason::ALL {
        let declined = Declined {
            id: AuthorizationId {
                actor: HERE,
                number: 1,
            },
            request: Arc::new(purchase()),
            reason,
            movement: Movement::default(),
            explanation: Explanation::default(),
        };
        let told = told_of(Body::Group(vec![Event::AuthorizationDeclined(Box::new(
            declined,
        ))]));
        assert_eq!(told.len(), 1, "{reason:?}");
        let said: Value = serde_json::from_str(&told[0].payload).unwrap();
        assert!(told[0].event.starts_with("rejected_"), "{said}");
        assert!(words::ALL.contains(&told[0].event.as_str()), "{said}");
        let is_credit = reason == DeclineReason::CreditNotSupported;
        assert_eq!(
            said["direction"],
            if is_credit { "credit" } else { "debit" }
        );
        assert_eq!(said["type"], "authorization");
        let is_short = reason == DeclineReason::InsufficientFunds;
        assert_eq!(said.get("required_usd").is_some(), is_short, "{said}");
        let is_currency = reason == DeclineReason::CurrencyNotSupported;
        assert_eq!(
            said["currency"].as_str(),
            is_currency.then_some("USD"),
            "{said}"
        );
        assert_eq!(said["merchant"]["name"], "AMAZON.COM");
        sentences.push(said["reason"].as_str().unwrap().to_owned());
    }
    sentences.sort();
    sentences.dedup();
    assert_eq!(
        sentences.len(),
        DeclineReason::ALL.len(),
        "each has its own reason"
    );
}

/// Each told event as `event/lifecycle/transaction_type/transaction_id/amount`.
fn short(told: &[Value]) -> Vec<String> {
    let one = |said: &Value| {
        let word = |name: &str| said[name].as_str().unwrap_or("-").to_owned();
        let mut id = word("transaction_id");
        if let Some((prefix, _)) = id.split_once('_') {
            id = prefix.to_owned();
        }
        let (event, amount) = (word("event"), word("amount"));
        let (lifecycle, kind) = (word("lifecycle_status"), word("transaction_type"));
        format!("{event}/{lifecycle}/{kind}/{id}/{amount}")
    };
    told.iter().map(one).collect()
}

#[test]
fn every_step_has_its_event() {
    let mut desk = Desk::new();
    desk.purchase(|_| {});
    let more = desk.step("inc-1", Some("10.00"), Command::Increment);
    assert_eq!(
        short(&more),
        ["purchase/pending_authorization/PURCHASE/inc-1/10000000"]
    );
    assert_eq!(more[0]["fee_breakdown"]["total_fees"], "144000");
    assert_eq!(more[0]["merchant"]["name"], "AMAZON.COM");
    let dear = desk.step("inc-2", Some("500.00"), Command::Increment);
    assert_eq!(short(&dear), ["rejected_insufficient_funds/-/-/inc-2/-"]);
    assert_eq!(dear[0]["required_usd"].as_f64(), Some(500.0));
    let back = desk.step("rev-1", Some("5.00"), Command::Reverse);
    assert_eq!(
        short(&back),
        ["credit_adjustment/authorization_reversed/REVERSAL_PURCHASE/rev-1/5000000"]
    );
    let last = desk.step("cap-1", Some("40.00"), |step| {
        Command::Capture(StepRequest {
            is_final: Some(true),
            ..step
        })
    });
    assert_eq!(
        short(&last),
        [
            "debit_adjustment/captured/PURCHASE/cap-1/40000000",
            "credit_adjustment/authorization_reversed/REVERSAL_PURCHASE/rel/15000000",
        ]
    );
    assert_eq!(last[1]["local_amount"].as_f64(), Some(15.0));
    assert!(last[1].get("fee_breakdown").is_none());
    let back = desk.step("ref-1", Some("10.00"), Command::Refund);
    assert_eq!(
        short(&back),
        ["credit_adjustment/refunded/REFUND/ref-1/10000000"]
    );
    let refund = desk.known().refunds[0].lsn;
    let undone = desk.step("unref-1", None, |step| Command::ReverseRefund {
        step,
        refund,
    });
    assert_eq!(
        short(&undone),
        ["debit_adjustment/refund_reversed/REVERSAL_REFUND/unref-1/10000000"]
    );
}

#[test]
fn an_expiry_names_itself_and_a_payment_is_a_payment() {
    let mut desk = Desk::new();
    desk.purchase(|request| request.kind = TransactionType::Payment);
    desk.shell.now = desk.known().expires_at;
    let id = desk.known().id;
    let gone = desk.run(&Command::Expire(id));
    assert_eq!(
        short(&gone),
        ["credit_adjustment/payment_reversed/REVERSAL_PAYMENT/exp/50000000"]
    );
    assert_eq!(
        gone[0]["original_transaction_id"],
        "ctx-200kXoaEJLNzcsvNxY1pmBO7fEx"
    );
}

#[test]
fn clearings_and_captures_at_once() {
    let mut desk = Desk::new();
    let told = desk.purchase(|request| request.capture = true);
    assert_eq!(
        short(&told),
        [
            "purchase/pending_authorization/PURCHASE/ctx-200kXoaEJLNzcsvNxY1pmBO7fEx/50000000",
            "debit_adjustment/captured/PURCHASE/ctx-200kXoaEJLNzcsvNxY1pmBO7fEx/50000000",
        ]
    );
    let forced = Authorize {
        transaction_id: "clr-1".into(),
        ..purchase()
    };
    let told = desk.run(&Command::ForcePost(Arc::new(forced)));
    assert_eq!(
        short(&told),
        ["debit_adjustment/captured/PURCHASE/clr-1/50000000"]
    );
    assert!(told[0].get("original_transaction_id").is_none());
    let verified = desk.purchase(|request| {
        request.transaction_id = "zero".into();
        request.local = LocalAmount::parse("0", currency("USD")).unwrap();
    });
    assert_eq!(
        short(&verified),
        ["purchase/pending_authorization/PURCHASE/zero/0"]
    );
}

#[test]
fn more_than_was_held_says_how_much_more() {
    let mut desk = Desk::new();
    desk.purchase(|_| {});
    let told = desk.step("cap-1", Some("60.00"), Command::Capture);
    assert_eq!(
        short(&told),
        ["debit_adjustment/captured/PURCHASE/cap-1/60000000"]
    );
    assert_eq!(
        (&told[0]["over_capture"], &told[0]["adjustment"]),
        (&json!("5000000"), &json!("5000000"))
    );
}

#[test]
fn cashback_is_told_beside_the_purchase_in_local_currency() {
    let programs = json!([
        { "program_name": "save", "type": "extra_savings", "target_pocket_urn": pocket_urn(2),
          "fee_type": "percentage", "value": 0.05 },
        { "program_name": "up", "type": "round_up", "target_pocket_urn": pocket_urn(2) },
    ]);
    let mut desk = Desk::with(&json!({ "cashback_programs": programs }));
    let told = desk.purchase(|request| {
        request.local = LocalAmount::parse("40.40", currency("USD")).unwrap();
    });
    assert_eq!(told.len(), 2);
    assert_eq!(told[0]["amount"], "40400000", "without what is set aside");
    let beside = &told[1];
    assert_eq!(beside["event"], "cashback_surcharge");
    assert_eq!(beside["transaction_id"], told[0]["transaction_id"]);
    assert_eq!(
        (&beside["type"], &beside["direction"]),
        (&json!("authorization"), &json!("debit"))
    );
    assert_eq!(beside["local_currency"], "USD");
    assert_eq!(beside["surcharge_total"].as_f64(), Some(2.62));
    let said = beside["programs"].as_array().unwrap();
    assert_eq!(
        (&said[0]["name"], &said[0]["type"]),
        (&json!("save"), &json!("extra_savings"))
    );
    assert_eq!(said[0]["amount"].as_f64(), Some(2.02));
    assert_eq!(said[1]["amount"].as_f64(), Some(0.6));
    assert!(beside.get("fee_breakdown").is_none());
    let more = desk.step("inc-1", Some("10.00"), Command::Increment);
    assert_eq!(more.len(), 2, "a percentage grows with the purchase");
    assert_eq!(more[1]["surcharge_total"].as_f64(), Some(0.5));
}

#[test]
fn accounts_their_tokens_and_their_money() {
    let mut desk = Desk::new();
    let deposited = serde_json::from_str::<Value>(&desk.shell.told.last[0].payload).unwrap();
    assert_eq!(
        (&deposited["event"], &deposited["type"]),
        (&json!("deposit"), &json!("money"))
    );
    assert_eq!(deposited["data"]["reference"], "first-money");
    assert_eq!(deposited["data"]["metadata"]["note"], "rent");
    let events = |told: Vec<Value>| -> Vec<String> {
        let word = |said: &Value| said["event"].as_str().unwrap().to_owned();
        told.iter().map(word).collect()
    };
    let both = desk.change(|change| {
        change.status = Some(Status::Frozen);
        change.status_reason = Some(StatusReason::Lost);
        change.webhook_url = Some(Some("https://acme.example/hooks".into()));
    });
    assert_eq!(both[0]["data"]["status"], "frozen");
    assert_eq!(both[0]["data"]["status_reason"], "LOST");
    assert_eq!(both[0]["data"]["card_last_four"], "4242");
    assert_eq!(events(both), ["card.status_changed", "card.updated"]);
    let told = desk.change(|change| {
        change.metadata = Some((r#"{"name":"X","n":1.10}"#.into(), Policy::default()));
    });
    assert_eq!(events(told), ["card.metadata_updated"]);
    assert!(
        desk.shell.told.last[0]
            .payload
            .contains(r#"{"name":"X","n":1.10}"#)
    );
    let pin = CardChange::SetPin(PinVerifier([9; 32]));
    let told = desk.change(|change| change.card = Some(Box::new(pin)));
    assert_eq!(events(told), ["card.pin_changed"]);
    let token = |id: &str, at: Timestamp| DeviceToken {
        id: id.into(),
        wallet: Wallet::Apple,
        device: "phone".into(),
        last_four: *b"1111",
        sealed: sealed(),
        status: TokenStatus::Active,
        created_at: at,
        updated_at: at,
    };
    let told = desk.change(|change| change.status = Some(Status::Active));
    assert_eq!(events(told), ["card.status_changed"]);
    for (id, expected) in [
        ("tok_1", &["token.created"][..]),
        ("tok_2", &["token.status_changed", "token.created"]),
    ] {
        let add = CardChange::AddToken(token(id, desk.shell.now));
        let told = desk.change(|change| change.card = Some(Box::new(add)));
        assert_eq!(events(told), expected, "{id}");
    }
    let reseal = CardChange::Reseal {
        from: sealed(),
        to: sealed(),
    };
    assert!(
        desk.change(|change| change.card = Some(Box::new(reseal)))
            .is_empty()
    );
}

#[test]
fn holders_and_programmes() {
    let now = Timestamp::from_micros(5);
    let mut profile = Map::new();
    profile.insert("phone".into(), "+573001234567".into());
    let ana = Identity::new(("acme", "ana"), IdentityKind::Individual, &profile, now).unwrap();
    let document = |shelf, text: &str| RegistryEvent::DocumentSet {
        shelf,
        name: HOLDER.into(),
        text: Some(text.into()),
        at: now,
    };
    let told = told_of(Body::Registry(vec![
        RegistryEvent::IdentityRegistered(Arc::new(ana)),
        document(
            Shelf::Verification,
            r#"{"level":"basic","status":"approved","secret":"no"}"#,
        ),
        document(Shelf::WebhookSecrets, r#"{"secret":"whsec_x"}"#),
    ]));
    let words: Vec<_> = told.iter().map(|event| event.event.as_str()).collect();
    assert_eq!(words, ["identity.created", "compliance.updated"]);
    for event in &told {
        assert_eq!(event.origin, "acme");
        assert_eq!(event.holder_urn.as_deref(), Some(HOLDER));
        assert_eq!(event.account, None);
        assert!(!event.payload.contains("3001234567"), "{}", event.payload);
        assert!(!event.payload.contains("secret"), "{}", event.payload);
    }
    let said: Value = serde_json::from_str(&told[1].payload).unwrap();
    assert_eq!(
        said["data"],
        json!({ "level": "basic", "status": "approved" })
    );
}
