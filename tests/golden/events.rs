//! Every event.

use std::sync::Arc;

use cardwright::domain::{
    account::{Status, StatusReason},
    command::{ChangeAccount, MoveMoney},
    decision::{Conclusion, Decider, Decision, Ruling},
    documents::Shelf,
    event::{Approved, Declined, Event, Movement, OverCapture, StepKind, Stepped},
    explanation::Explanation,
    hold::TransactionType,
    identity::{Identity, IdentityKind, IdentityStatus},
    ids::AccountNo,
    lists::List,
    merchant::Mcc,
    outcome::DeclineReason,
    policy::{Policy, controls::Effects},
    rates::{Quote, Unit},
    registry::{ApiKey, Origin, RegistryEvent, Scope, Scopes, SigningKey},
};

use super::parts::{
    amount, authorization, bare_request, card, card_changes, card_with_file, id, largest, movement,
    pocket, request, time, transfer,
};
use crate::books::asset;

/// The name of a golden file and the events in its record.
#[expect(clippy::too_many_lines, reason = "one list of every event")]
pub(super) fn of_groups() -> Vec<(&'static str, Vec<Event>)> {
    let boxed = || Box::new(transfer());
    let opened = |account| Event::AccountOpened(Box::new(account));
    let reason = Some(StatusReason::Stolen);
    vec![
        (
            "record-account-opened",
            vec![opened(card(Status::CreationInProgress, reason))],
        ),
        ("record-account-opened-pocket", vec![opened(pocket())]),
        ("record-account-changed", vec![changed_in_full()]),
        ("record-card-data-changed", card_file_changed()),
        (
            "record-account-changed-to-every-status",
            changed_to_every_status(),
        ),
        (
            "record-deposited",
            vec![Event::Deposited(money(), movement())],
        ),
        (
            "record-withdrawn",
            vec![Event::Withdrawn(money(), movement())],
        ),
        (
            "record-transferred-within",
            vec![Event::TransferredWithin(boxed(), movement())],
        ),
        (
            "record-transfer-sent",
            vec![Event::TransferSent(boxed(), movement())],
        ),
        (
            "record-transfer-received",
            vec![Event::TransferReceived(boxed(), movement())],
        ),
        (
            "record-transfer-settled",
            vec![Event::TransferSettled(transfer().id)],
        ),
        (
            "record-transfer-returned",
            vec![Event::TransferReturned(boxed(), movement())],
        ),
        ("record-authorization-approved", vec![approved()]),
        ("record-authorization-approved-bare", vec![approved_bare()]),
        (
            "record-authorization-declined-for-every-reason",
            declined_for_every_reason(),
        ),
        (
            "record-authorization-declined-for-every-type",
            declined_for_every_type(),
        ),
        ("record-step-increment", vec![step(StepKind::Increment)]),
        (
            "record-step-increment-declined",
            vec![step(StepKind::IncrementDeclined(DeclineReason::CardFrozen))],
        ),
        ("record-step-capture", vec![step(StepKind::Capture)]),
        ("record-step-reversal", vec![step(StepKind::Reversal)]),
        ("record-step-expiry", vec![step(StepKind::Expiry)]),
        ("record-step-refund", vec![step(StepKind::Refund)]),
        (
            "record-step-refund-reversal",
            vec![step(StepKind::RefundReversal)],
        ),
        ("record-authorization-asked", vec![asked()]),
        (
            "record-step-concluded",
            vec![
                concluded(Ruling::Approved, Decider::Programme),
                concluded(Ruling::Declined, Decider::Abandoned),
            ],
        ),
        ("record-of-nothing", Vec::new()),
    ]
}

/// The same for the registry.
#[expect(clippy::too_many_lines, reason = "one list of every event")]
pub(super) fn of_the_registry() -> Vec<(&'static str, Vec<RegistryEvent>)> {
    let revoked = RegistryEvent::KeyRevoked {
        id: "key_1".into(),
        at: time(110),
    };
    vec![
        (
            "record-origin-opened",
            vec![RegistryEvent::OriginOpened(origin())],
        ),
        (
            "record-key-issued",
            vec![RegistryEvent::KeyIssued(key(None))],
        ),
        ("record-key-revoked", vec![revoked]),
        (
            "record-rates-accepted",
            vec![RegistryEvent::RatesAccepted {
                quotes: quotes(),
                at: time(112),
            }],
        ),
        (
            "record-origin-metadata-changed",
            vec![RegistryEvent::OriginMetadataChanged {
                origin: "sandbox".into(),
                metadata: METADATA.into(),
                at: time(113),
            }],
        ),
        (
            "record-list-fetched",
            vec![RegistryEvent::ListFetched {
                url: "https://lists.example/food.json".into(),
                list: list(),
            }],
        ),
        (
            "record-key-issued-with-end",
            vec![RegistryEvent::KeyIssued(later_key())],
        ),
        (
            "record-signing-key-made",
            vec![RegistryEvent::SigningKeyMade {
                key: SigningKey([199; 32]),
                at: time(200),
            }],
        ),
        (
            "record-identity-registered",
            vec![RegistryEvent::IdentityRegistered(identity())],
        ),
        (
            "record-identity-changed",
            vec![RegistryEvent::IdentityChanged(identity())],
        ),
        (
            "record-key-rotated",
            vec![RegistryEvent::KeyRotated {
                id: "key_1".into(),
                hash: [201; 32],
                at: time(202),
            }],
        ),
        (
            "record-document-set",
            vec![
                RegistryEvent::DocumentSet {
                    shelf: Shelf::Endpoint,
                    name: "whe_1".into(),
                    text: Some(r#"{"n":219}"#.into()),
                    at: time(220),
                },
                RegistryEvent::DocumentSet {
                    shelf: Shelf::Notice,
                    name: "sandbox".into(),
                    text: None,
                    at: time(221),
                },
            ],
        ),
        (
            "record-webhook-secret-set",
            vec![RegistryEvent::WebhookSecretSet {
                origin: "sandbox".into(),
                secret: "whsec_of_a_test".into(),
                at: time(203),
            }],
        ),
    ]
}

pub(super) fn origin() -> Origin {
    Origin {
        name: "sandbox".into(),
        created_at: time(111),
        metadata: "{}".into(),
        webhook_secret: None,
    }
}

pub(super) fn identity() -> Arc<Identity> {
    Arc::new(Identity {
        origin: "sandbox".into(),
        alias: "demo".into(),
        kind: IdentityKind::Proxy,
        status: IdentityStatus::Disabled,
        profile: r#"{"email":"a@b.example"}"#.into(),
        metadata: METADATA.into(),
        created_at: time(195),
        updated_at: time(196),
    })
}

/// A key with what came in version 2.
pub(super) fn later_key() -> ApiKey {
    ApiKey {
        expires_at: Some(time(197)),
        domains: vec!["a.example".into(), "b.example".into()],
        metadata: METADATA.into(),
        generation: 198,
        ..key(None)
    }
}

/// What an origin may say of its cards.
pub(super) const METADATA: &str = r#"{"plan":"gold"}"#;

pub(super) fn quotes() -> Vec<Quote> {
    let unit = |symbol| Unit::from_symbol(symbol).unwrap();
    let quote = |base, quote, rate: &str, at| Quote {
        base: unit(base),
        quote: unit(quote),
        rate: rate.parse().unwrap(),
        at: time(at),
        source: "https://rates.example/latest".into(),
    };
    vec![
        quote("USD", "COP", "4012.55", 114),
        quote("KSM", "USD", "0.000000000017", 115),
    ]
}

pub(super) fn list() -> List {
    let codes = [5411, 742, 9999].map(|code| Mcc::new(code).unwrap());
    List::new(codes.to_vec(), Some("\"v1\"".into()), time(116))
}

pub(super) fn key(revoked: Option<i64>) -> ApiKey {
    let mut hash = [0; 32];
    for (n, byte) in (200..).zip(&mut hash) {
        *byte = n;
    }
    ApiKey {
        id: "key_1".into(),
        origin: "sandbox".into(),
        name: "for people".into(),
        hash,
        scopes: Scopes::of(&[Scope::Operator, Scope::Ledger, Scope::Root]),
        created_at: time(112),
        revoked_at: revoked.map(time),
        expires_at: None,
        domains: Vec::new(),
        metadata: "{}".into(),
        generation: 0,
    }
}

fn money() -> MoveMoney {
    MoveMoney {
        account: AccountNo(10),
        asset: asset("ABCDEFGHIJK/18"),
        amount: largest(),
        reference: "deposit-reference".into(),
        metadata: r#"{"n":1}"#.into(),
    }
}

fn changed_in_full() -> Event {
    let change = ChangeAccount {
        card: None,
        account: AccountNo(10),
        status: Some(Status::Disabled),
        status_reason: Some(StatusReason::Lost),
        metadata: Some((
            r#"{"fallback_asset":"KSM/12"}"#.into(),
            Policy {
                fallback_asset: Some(asset("KSM/12")),
                ..Policy::default()
            },
        )),
        webhook_url: Some(None),
    };
    Event::AccountChanged {
        change: Box::new(change),
        account: Box::new(card(Status::Disabled, Some(StatusReason::Lost))),
    }
}

/// Every change of a card's own data.
fn card_file_changed() -> Vec<Event> {
    let changed = |card| {
        let change = ChangeAccount {
            card: Some(Box::new(card)),
            account: AccountNo(10),
            status: None,
            status_reason: None,
            metadata: None,
            webhook_url: None,
        };
        Event::AccountChanged {
            change: Box::new(change),
            account: Box::new(card_with_file()),
        }
    };
    let opened = Event::AccountOpened(Box::new(card_with_file()));
    let changes = card_changes().into_iter().map(changed);
    std::iter::once(opened).chain(changes).collect()
}

fn changed_to_every_status() -> Vec<Event> {
    let changed = |(n, status_reason): (usize, StatusReason)| {
        let status = Status::ALL[n % Status::ALL.len()];
        let change = ChangeAccount {
            card: None,
            account: AccountNo(14),
            status: Some(status),
            status_reason: Some(status_reason),
            metadata: None,
            webhook_url: (n % 2 == 0).then(|| Some("https://example.com".into())),
        };
        let mut account = pocket();
        account.status = status;
        account.status_reason = Some(status_reason);
        Event::AccountChanged {
            change: Box::new(change),
            account: Box::new(account),
        }
    };
    StatusReason::ALL
        .into_iter()
        .enumerate()
        .map(changed)
        .collect()
}

fn approved() -> Event {
    Event::AuthorizationApproved(Box::new(Approved {
        request: Arc::new(request(TransactionType::Purchase)),
        authorization: Arc::new(authorization()),
        movement: movement(),
        effects: None,
        explanation: Explanation::default(),
    }))
}

fn approved_bare() -> Event {
    let mut authorization = authorization();
    authorization.legs.truncate(1);
    authorization.fees.clear();
    authorization.refunds.clear();
    authorization.is_partial = false;
    authorization.is_forced = true;
    authorization.has_expired = false;
    Event::AuthorizationApproved(Box::new(Approved {
        request: Arc::new(bare_request()),
        authorization: Arc::new(authorization),
        movement: Movement::default(),
        effects: None,
        explanation: Explanation::default(),
    }))
}

fn declined_for_every_reason() -> Vec<Event> {
    let declined = |(number, reason)| {
        Event::AuthorizationDeclined(Box::new(Declined {
            id: id(number),
            request: Arc::new(bare_request()),
            reason,
            movement: Movement::default(),
            explanation: Explanation::default(),
        }))
    };
    (120..)
        .zip(DeclineReason::ALL.into_iter().take(10))
        .map(declined)
        .collect()
}

fn declined_for_every_type() -> Vec<Event> {
    let declined = |(number, kind)| {
        let mut request = bare_request();
        request.kind = kind;
        Event::AuthorizationDeclined(Box::new(Declined {
            id: id(number),
            request: Arc::new(request),
            reason: DeclineReason::CreditNotSupported,
            movement: movement(),
            explanation: Explanation::default(),
        }))
    };
    (140..).zip(TransactionType::ALL).map(declined).collect()
}

fn asked() -> Event {
    let mut authorization = authorization();
    authorization.decision = Decision::Asked {
        fallback: Ruling::Declined,
        captures: true,
    };
    Event::AuthorizationApproved(Box::new(Approved {
        request: Arc::new(bare_request()),
        authorization: Arc::new(authorization),
        movement: movement(),
        effects: None,
        explanation: Explanation::default(),
    }))
}

fn concluded(verdict: Ruling, by: Decider) -> Event {
    let mut authorization = authorization();
    authorization.decision = Decision::Concluded(Box::new(Conclusion {
        verdict,
        by,
        reason: Some("reason-158".into()),
        latency_us: 159,
    }));
    let effects = Effects {
        unlocks_merchant: verdict == Ruling::Declined,
        ..Effects::default()
    };
    Event::AuthorizationStepped(Box::new(Stepped {
        kind: StepKind::Concluded(verdict),
        transaction_id: String::new(),
        account: AccountNo(10),
        local: amount(160),
        amount: amount(161),
        over: OverCapture::default(),
        fees: Vec::new(),
        surcharges: Vec::new(),
        suspended: amount(162),
        effects: Some(Box::new(effects)),
        authorization: Arc::new(authorization),
        movement: movement(),
    }))
}

fn step(kind: StepKind) -> Event {
    Event::AuthorizationStepped(Box::new(Stepped {
        kind,
        transaction_id: "step-150".into(),
        account: AccountNo(10),
        local: amount(151),
        amount: amount(152),
        over: OverCapture {
            tolerated: amount(153),
            adjusted: amount(154),
        },
        fees: vec![amount(155), amount(156)],
        surcharges: Vec::new(),
        suspended: amount(157),
        effects: None,
        authorization: Arc::new(authorization()),
        movement: movement(),
    }))
}
