//! Records and the events in them.

use super::{stored, stored_kinds};
use crate::{
    domain::{
        command::{ChangeAccount, MoveMoney, Purpose, Transfer},
        event::{Approved, Declined, Event, LedgerAfter, Movement, OverCapture, StepKind, Stepped},
        explanation::{Candidate, Conversion, Explanation, Source},
        identity::Identity,
        lists::List,
        policy::controls::{Calendar, Effects, Refused, Scope},
        posting::{House, Place, Posting},
        rates::Quote,
        registry::{ApiKey, NO_METADATA, Origin, RegistryEvent},
    },
    wire::{Body, Entry},
};

stored! {
    Entry { time, actor, sequence, links, keys, fingerprint, body }
    Posting { source, destination, asset, amount }
    LedgerAfter { ledger, balances }
    Movement { postings, after }
    MoveMoney { account, asset, amount, reference, metadata }
    ChangeAccount { account, status, status_reason, metadata, webhook_url }
        + since 2 { card = None }
    Transfer {
        id, source, source_urn, source_actor, destination, destination_urn, destination_actor,
        asset, amount, reference, metadata,
    } + since 2 { purpose = Purpose::Transfer }
    Approved { request, authorization, movement }
        + since 2 { effects = None, explanation = Explanation::default() }
    Declined { id, request, reason, movement } + since 2 { explanation = Explanation::default() }
    Explanation { refused, candidates, usd }
    Candidate { asset, verdict, conversion, required, sources }
    Conversion { mid, spread, at, source }
    Source { account, available, taken, passed_over }
    Refused { scope, control, limit, left, currency }
    Effects { calendar, rolling_seconds, locks_merchant, unlocks_merchant, spends_card }
    Calendar { day, week, month, year, weekday, minute }
    OverCapture { tolerated, adjusted }
    Stepped {
        kind, transaction_id, account, local, amount, over, fees, suspended, authorization,
        movement,
    } + since 2 { surcharges = Vec::new(), effects = None }
    Origin { name, created_at }
        + since 2 { metadata = NO_METADATA.to_owned(), webhook_secret = None }
    Quote { base, quote, rate, at, source }
    List { codes, etag, at }
    ApiKey { id, origin, name, hash, scopes, created_at, revoked_at }
        + since 2 {
            expires_at = None, domains = Vec::new(), metadata = NO_METADATA.to_owned(),
            generation = 0,
        }
    Identity { origin, alias, kind, status, profile, metadata, created_at, updated_at }
}

stored_kinds! {
    Body { 0 => Group { 0: events }, 1 => Registry { 0: events } }
    Place { 0 => Spendable { 0: ledger }, 1 => Held { 0: ledger }, 2 => House { 0: house } }
    House {
        0 => World {}, 1 => Settlement {}, 2 => Treasury { 0: urn }, 3 => Transit {},
        4 => Suspense {},
    }
    StepKind {
        0 => Increment {}, 1 => IncrementDeclined { 0: reason }, 2 => Capture {}, 3 => Reversal {},
        4 => Expiry {}, 5 => Refund {}, 6 => RefundReversal {},
        7 => Concluded { 0: verdict },
    }
    Event {
        0 => AccountOpened { 0: account },
        1 => AccountChanged { change: change, account: account },
        2 => Deposited { 0: deposit, 1: movement },
        3 => Withdrawn { 0: withdrawal, 1: movement },
        4 => TransferredWithin { 0: transfer, 1: movement },
        5 => TransferSent { 0: transfer, 1: movement },
        6 => TransferReceived { 0: transfer, 1: movement },
        7 => TransferSettled { 0: id },
        8 => TransferReturned { 0: transfer, 1: movement },
        9 => AuthorizationApproved { 0: approved },
        10 => AuthorizationDeclined { 0: declined },
        11 => AuthorizationStepped { 0: stepped },
        12 => Absorbed { 0: absorption },
        13 => Booked { 0: booked },
    }
    Scope { 0 => Account { 0: account }, 1 => Origin {} }
    RegistryEvent {
        0 => OriginOpened { 0: origin },
        1 => KeyIssued { 0: key },
        2 => KeyRevoked { id: id, at: at },
        3 => RatesAccepted { quotes: quotes, at: at },
        4 => OriginMetadataChanged { origin: origin, metadata: metadata, at: at },
        5 => ListFetched { url: url, list: list },
        6 => SigningKeyMade { key: key, at: at },
        7 => IdentityRegistered { 0: identity },
        8 => IdentityChanged { 0: identity },
        9 => KeyRotated { id: id, hash: hash, at: at },
        10 => WebhookSecretSet { origin: origin, secret: secret, at: at },
        11 => DocumentSet { shelf: shelf, name: name, text: text, at: at },
    }
}
