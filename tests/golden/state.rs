//! What a snapshot holds.

use std::sync::Arc;

use cardwright::{
    domain::{
        account::{Status, StatusReason},
        books::{Books, OpenTransaction},
        documents::{Documents, Shelf},
        funds::LedgerAccount,
        group::{Absorption, Branch, Group},
        identity::Identities,
        ids::{LedgerNo, TransferId},
        kept::OpenAuthorization,
        lists::Lists,
        rates::RateTable,
        registry::{Origin, Registry, SigningKey},
        trail::Trail,
    },
    wire::{Item, Key, KeyLife},
};

use super::{
    books::{balance_account, bare, booked_id, transaction},
    events::{METADATA, identity, key, later_key, list, origin, quotes},
    parts::{actor, authorization, balance, card, id, pocket, time, transfer},
};
use crate::books::asset;

fn open() -> OpenAuthorization {
    OpenAuthorization::new(&Arc::new(authorization()), 186, 187)
}

fn trail() -> Trail {
    Trail::from_anchors(vec![(4, 160), (6, 161), (7, 162)])
}

pub(super) fn registry() -> Item {
    let registry = Registry {
        sequence: 163,
        last_time: time(164),
        origins: vec![origin()],
        keys: vec![key(None), key(Some(165))],
        ..Registry::default()
    };
    Item::Registry(registry, trail())
}

/// With what came in version 2.
pub(super) fn registry_with_facts() -> Item {
    let mut identities = Identities::default();
    identities.set(identity());
    let mut lists = Lists::default();
    lists.set("https://lists.example/food.json".into(), list());
    let origin = Origin {
        metadata: METADATA.into(),
        webhook_secret: Some("whsec_of_a_test".into()),
        ..origin()
    };
    let registry = Registry {
        sequence: 193,
        last_time: time(194),
        origins: vec![origin],
        keys: vec![later_key()],
        rates: Arc::new(RateTable::default().with(&quotes())),
        lists: Arc::new(lists),
        identities,
        signing_key: Some(SigningKey([204; 32])),
        documents: documents(),
    };
    Item::Registry(registry, trail())
}

fn documents() -> Documents {
    let mut documents = Documents::default();
    let shelves = [
        Shelf::Endpoint,
        Shelf::Decision,
        Shelf::CompliancePolicy,
        Shelf::Verification,
        Shelf::Consumption,
        Shelf::Vault,
        Shelf::Notice,
        Shelf::WebhookSecrets,
    ];
    for shelf in shelves {
        documents.set(shelf, "sandbox", Some(r#"{"n":205}"#.into()));
    }
    documents
}

pub(super) fn group() -> Item {
    let ledger = |no, assets: &[&str]| LedgerAccount {
        no: LedgerNo(no),
        balances: assets
            .iter()
            .zip(170..)
            .map(|(text, n)| (asset(text), balance(n)))
            .collect(),
    };
    let group = Group {
        id: actor(2),
        sequence: 166,
        last_time: time(167),
        accounts: vec![card(Status::Frozen, Some(StatusReason::User)), pocket()],
        ledgers: vec![ledger(11, &["DUSD/6", "KSM/12"]), ledger(15, &[])],
        authorizations: 168,
        open: [(id(59), open())].into(),
        closed: [(id(1), 180), (id(2), 181)].into(),
        outgoing: [(TransferId(20), transfer())].into(),
        received: [(TransferId(182), 183), (TransferId(184), 185)].into(),
        branches: Vec::new(),
        books: None,
    };
    Item::Group(Box::new(group), trail())
}

/// A group that others came into.
pub(super) fn joined_group() -> Item {
    let branch = |actor_no, newest, joined| Branch {
        actor: actor(actor_no),
        newest,
        joined,
    };
    let mut group = Group::new(actor(2));
    group.branches = vec![branch(200, 201, 202), branch(203, 204, u64::MAX)];
    Item::Group(Box::new(group), trail())
}

/// A group of a ledger balance, with transactions.
pub(super) fn group_with_books() -> Item {
    let mut group = Group::new(actor(240));
    group.accounts = vec![balance_account()];
    group.ledgers = vec![LedgerAccount {
        no: LedgerNo(241),
        balances: vec![(bare("USD"), balance(242)), (bare("JPY"), balance(245))],
    }];
    let open = |number| OpenTransaction {
        transaction: Arc::new(transaction(number)),
        first_lsn: 248,
        last_lsn: 249,
    };
    group.books = Some(Box::new(Books {
        taken: 250,
        open: [(booked_id(251), open(251)), (booked_id(252), open(252))].into(),
        closed: [(booked_id(253), 254), (booked_id(255), u64::MAX)].into(),
    }));
    Item::Group(Box::new(group), trail())
}

pub(super) fn joined() -> Item {
    Item::Joined(vec![
        (actor(210), actor(211)),
        (actor(212), actor(u64::MAX)),
    ])
}

/// What a record holds of a group that comes into another.
pub(super) fn absorption() -> Absorption {
    let Item::Group(group, trail) = group() else {
        panic!("a group is a group");
    };
    let group = *group;
    Absorption { group, trail }
}

pub(super) fn empty_group() -> Item {
    Item::Group(Box::new(Group::new(actor(u64::MAX))), Trail::default())
}

pub(super) fn keys() -> Item {
    Item::Keys(vec![
        (Key([190, 191]), KeyLife::Permanent, 192),
        (Key([193, u64::MAX]), KeyLife::Expiring, u64::MAX),
    ])
}
