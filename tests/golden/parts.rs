//! The smaller parts.

use cardwright::domain::{
    account::{Account, Medium, Status, StatusReason},
    card::{CardChange, CardFile, DeviceToken, PinVerifier, Sealed, TokenStatus, Wallet},
    command::{Authorize, Purpose, Transfer},
    decision::Decision,
    event::{LedgerAfter, Movement},
    funds::Balance,
    hold::{Authorization, FeeBasis, FeeCategory, FeeLine, Leg, Refund, TransactionType},
    ids::{AccountNo, ActorId, AuthorizationId, LedgerNo, TransferId},
    merchant::{Merchant, TransactionMedium},
    money::{Amount, Decimal, LocalAmount},
    policy::Policy,
    posting::{House, Place, Posting},
    time::{Month, Timestamp},
};

use crate::books::{asset, currency};

pub(super) fn time(n: i64) -> Timestamp {
    Timestamp::from_micros(1_768_000_000_000_000 + n)
}

pub(super) const fn actor(n: u64) -> ActorId {
    ActorId(n)
}

pub(super) fn amount(minor: i128) -> Amount {
    Amount::from_minor(minor).unwrap()
}

/// The largest amount that is counted.
pub(super) fn largest() -> Amount {
    amount(i128::MAX)
}

pub(super) const fn id(number: u32) -> AuthorizationId {
    AuthorizationId {
        actor: actor(2),
        number,
    }
}

pub(super) fn card(status: Status, status_reason: Option<StatusReason>) -> Account {
    Account {
        card: None,
        no: AccountNo(10),
        medium: Medium::Card {
            programme: "card-gold".into(),
            last_four: *b"4242",
            expiry: Month {
                year: 2030,
                month: 11,
            },
        },
        holder_urn: "did:bloque:sandbox:demo".into(),
        ledger: LedgerNo(11),
        status,
        status_reason,
        webhook_url: Some("https://example.com/hook".into()),
        metadata: r#"{"default_asset":"DUSD/6"}"#.into(),
        policy: Policy {
            default_asset: Some(asset("DUSD/6")),
            fallback_asset: Some(asset("KSM/12")),
            currency_assets: vec![
                (currency("COP"), vec![asset("COPM/2"), asset("DUSD/6")]),
                (currency("JPY"), vec![asset("YEN/0")]),
            ],
            rules: None,
        },
        usage: None,
        created_at: time(12),
        updated_at: time(13),
    }
}

pub(super) fn pocket() -> Account {
    Account {
        card: None,
        no: AccountNo(14),
        medium: Medium::Virtual,
        holder_urn: "did:bloque:sandbox:é".into(),
        ledger: LedgerNo(15),
        status: Status::Active,
        status_reason: None,
        webhook_url: None,
        metadata: "{}".into(),
        policy: Policy::default(),
        usage: None,
        created_at: time(16),
        updated_at: time(17),
    }
}

pub(super) fn transfer() -> Transfer {
    Transfer {
        id: TransferId(20),
        source: AccountNo(21),
        source_urn: "did:source".into(),
        source_actor: actor(22),
        destination: AccountNo(23),
        destination_urn: "did:destination".into(),
        destination_actor: actor(24),
        asset: asset("COPM/2"),
        amount: amount(25),
        reference: "transfer-reference".into(),
        metadata: r#"{"transfer":26}"#.into(),
        purpose: Purpose::Transfer,
    }
}

pub(super) fn balance(n: i128) -> Balance {
    Balance {
        current: -n,
        pending: n + 1,
        incoming: n + 2,
        outgoing: i128::MIN,
    }
}

/// Every kind of place.
pub(super) fn movement() -> Movement {
    let posting = |source, destination, minor| Posting {
        source,
        destination,
        asset: asset("DUSD/6"),
        amount: amount(minor),
    };
    let house = Place::House;
    Movement {
        postings: vec![
            posting(house(House::World), Place::Spendable(LedgerNo(30)), 31),
            posting(
                Place::Spendable(LedgerNo(30)),
                Place::Held(LedgerNo(32)),
                33,
            ),
            posting(Place::Held(LedgerNo(34)), house(House::Settlement), 35),
            posting(
                house(House::Settlement),
                house(House::Treasury("did:fees".into())),
                36,
            ),
            posting(house(House::Transit), house(House::Suspense), 37),
        ],
        after: vec![LedgerAfter {
            ledger: LedgerNo(38),
            balances: vec![
                (asset("DUSD/6"), balance(39)),
                (asset("KSM/12"), balance(41)),
            ],
        }],
    }
}

pub(super) fn request(kind: TransactionType) -> Authorize {
    Authorize {
        account: AccountNo(10),
        transaction_id: "ctx-50".into(),
        kind,
        local: LocalAmount {
            minor: amount(5_000),
            currency: currency("USD"),
        },
        usd_amount: Some(Decimal {
            mantissa: -51,
            scale: 2,
        }),
        merchant: Merchant {
            id: Some("m-52".into()),
            name: Some("AMAZON.COM".into()),
            mcc: "5411".parse().ok(),
            city: Some("Seattle".into()),
            country: Some("USA".into()),
            address: Some("53 Main Street".into()),
            terminal_id: Some("t-54".into()),
        },
        medium: TransactionMedium::from_packed(
            "entry_mode\u{1f}CREDENTIAL_ON_FILE\u{1e}network\u{1f}VISA\u{1e}".into(),
        ),
        allow_partial: true,
        capture: false,
    }
}

pub(super) fn bare_request() -> Authorize {
    Authorize {
        usd_amount: None,
        merchant: Merchant::default(),
        medium: TransactionMedium::default(),
        allow_partial: false,
        capture: true,
        ..request(TransactionType::Withdrawal)
    }
}

pub(super) fn authorization() -> Authorization {
    let leg = |n: i128| Leg {
        account: AccountNo(10),
        ledger: LedgerNo(11),
        amount: amount(60 + n),
        captured: amount(61 + n),
        released: amount(62 + n),
        excess: amount(63 + n),
        refunded: amount(64 + n),
    };
    let fee = |basis, n: i128| FeeLine {
        name: format!("fee-{n}").into(),
        treasury: "did:fees".into(),
        basis,
        value: Decimal {
            mantissa: 144 + n,
            scale: 4,
        },
        amount: amount(70 + n),
        charged: amount(71 + n),
        returned: amount(72 + n),
        category: FeeCategory::Interchange,
        payee: None,
    };
    let refund = |lsn, is_reversed| Refund {
        lsn,
        local: amount(80),
        legs: vec![amount(81), amount(82)],
        fees: vec![amount(83), amount(84)],
        surcharges: Vec::new(),
        in_suspense: vec![false, true],
        is_reversed,
    };
    Authorization {
        id: id(59),
        account: AccountNo(10),
        transaction_id: "ctx-50".into(),
        kind: TransactionType::Purchase,
        mcc: None,
        currency: currency("USD"),
        requested: amount(90),
        local: amount(91),
        local_captured: amount(92),
        local_released: amount(93),
        local_excess: amount(94),
        local_refunded: amount(95),
        asset: asset("DUSD/6"),
        rate: Decimal {
            mantissa: 96,
            scale: 1,
        },
        exact_rate: None,
        legs: vec![leg(0), leg(1_000)],
        fees: vec![fee(FeeBasis::Percentage, 0), fee(FeeBasis::Flat, 100)],
        is_partial: true,
        is_forced: false,
        has_expired: true,
        expires_at: time(97),
        created_at: time(98),
        surcharges: Vec::new(),
        counted: Vec::new(),
        refunds: vec![refund(800, false), refund(0, true)],
        decision: Decision::NotAsked,
        first_lsn: 99,
        last_lsn: 101,
    }
}

/// A card with data of its own.
pub(super) fn card_with_file() -> Account {
    let sealed = |key_id, byte| Sealed {
        key_id,
        bytes: vec![byte; 4],
    };
    let token = |id: &str, wallet, status| DeviceToken {
        id: id.into(),
        wallet,
        device: "device-206".into(),
        last_four: *b"2070",
        sealed: sealed(208, 209),
        status,
        created_at: time(210),
        updated_at: time(211),
    };
    let file = CardFile {
        sealed: sealed(212, 213),
        fingerprint: [214; 16],
        pin: Some(PinVerifier([215; 32])),
        tokens: vec![
            token("tok_1", Wallet::Apple, TokenStatus::Deactivated),
            token("tok_2", Wallet::Google, TokenStatus::Issued),
            token("tok_3", Wallet::Apple, TokenStatus::Active),
            token("tok_4", Wallet::Google, TokenStatus::Suspended),
        ],
    };
    Account {
        card: Some(Box::new(file)),
        ..card(Status::Active, None)
    }
}

/// Every change of such data.
pub(super) fn card_changes() -> Vec<CardChange> {
    let file = card_with_file().card.unwrap();
    let sealed = Sealed {
        key_id: 216,
        bytes: vec![217; 3],
    };
    vec![
        CardChange::Reseal {
            from: file.sealed.clone(),
            to: sealed.clone(),
        },
        CardChange::SetPin(PinVerifier([218; 32])),
        CardChange::AddToken(file.tokens[0].clone()),
        CardChange::SetTokenStatus {
            id: "tok_2".into(),
            status: TokenStatus::Active,
        },
        CardChange::ResealTokens(vec![("tok_3".into(), sealed)]),
    ]
}
