//! Random houses: fees in three layers, rates, lists, cards, pockets, programmes, limits, money.

use std::sync::Arc;

use cardwright::domain::{
    hold::{FeeBasis, FeeCategory},
    ids::{AccountNo, user_id},
    lists::List,
    merchant::Mcc,
    money::{Amount, Asset, Decimal},
    policy::{
        Pocket, Policy, Rules, Whitelist,
        cashback::{Programme, ProgrammeKind},
        controls::{Controls, Limit, Window},
        fees::{FeeRule, FeeTerm},
    },
    rates::{Quote, Unit},
    time::Timestamp,
};
use proptest::prelude::*;

use crate::books::{asset, currency};

/// Two cards, and pockets two of which share their money.
pub(crate) const CARDS: [u64; 2] = [1, 6];
/// (account, its ledger account) in the first group.
pub(crate) const FACES: [(u64, u64); 6] = [(1, 1), (2, 2), (3, 3), (4, 4), (5, 2), (6, 6)];
/// Accounts of another group that earn fees.
pub(crate) const ELSEWHERE: [u64; 2] = [21, 22];
/// Who may earn a fee beside the house.
const PAYEES: [u64; 4] = [3, 4, 21, 22];

pub(crate) const CURRENCIES: [&str; 5] = ["USD", "COP", "JPY", "BHD", "EUR"];
pub(crate) const WALLETS: [&str; 4] = ["apple pay", "APPLE", "Google Pay", "?"];
pub(crate) const CODES: [&str; 3] = ["5411", "5812", "7011"];
const ASSETS: [&str; 7] = [
    "DUSD/6", "UNIT/0", "FINE/18", "COPM/2", "YEN/0", "BHDX/1", "KSM/12",
];

/// One random house.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) fees: [Vec<FeeTerm>; 3],
    pub(crate) quotes: Vec<Quote>,
    pub(crate) list: Option<Vec<Mcc>>,
    pub(crate) cards: [Policy; 2],
    pub(crate) over_capture: Decimal,
    /// What each ledger account begins with, in decimal digits of the smallest unit.
    pub(crate) funds: Vec<u8>,
}

/// Who holds everything.
pub(crate) const HOLDER: &str = "did:bloque:sandbox:demo";

fn urn(no: u64) -> String {
    let (user, id) = (user_id(HOLDER), AccountNo(no).virtual_id());
    format!("did:bloque:account:virtual:{user}:{id}")
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn fee() -> impl Strategy<Value = FeeTerm> {
    let names = prop::sample::select(vec!["interchange", "fx", "premium", "wallet", "ticket"]);
    let percentages = prop::sample::select(vec![
        "0.0144", "0.02", "0.015", "0.005", "0.3333", "0", "0.0007", "0.9", "0.1",
    ]);
    let flats = prop::sample::select(vec![0_i128, 1, 30, 100_000, 10_i128.pow(15)]);
    let value = prop_oneof![
        4 => percentages.prop_map(|text| (FeeBasis::Percentage, decimal(text))),
        1 => flats.prop_map(|mantissa| (FeeBasis::Flat, Decimal { mantissa, scale: 0 })),
    ];
    let category = prop::sample::select(vec![
        FeeCategory::Fx,
        FeeCategory::Interchange,
        FeeCategory::Custom,
    ]);
    let end = || prop::option::of(prop::sample::select(vec!["0.5", "10", "500", "5000"]));
    let range = (end(), end()).prop_map(|(min, max)| FeeRule::AmountRangeUsd {
        min: min.map(decimal),
        max: max.map(decimal),
    });
    let rule = prop_oneof![
        4 => Just(None),
        2 => Just(Some(FeeRule::FxConversion)),
        1 => range.prop_map(Some),
        1 => prop::sample::select(vec!["Apple", "PAY"])
            .prop_map(|name| Some(FeeRule::Wallet(name.into()))),
    ];
    let earner = prop_oneof![
        2 => prop::sample::select(vec!["t1", "t2"]).prop_map(|name| (None, Arc::from(name))),
        2 => prop::sample::select(PAYEES.to_vec())
            .prop_map(|no| (Some(AccountNo(no)), Arc::from(format!("urn:{no}")))),
    ];
    (names, value, category, rule, earner).prop_map(|(name, value, category, rule, earner)| {
        let is_flat = value.0 == FeeBasis::Flat;
        FeeTerm {
            name: name.into(),
            treasury: earner.1,
            payee: earner.0,
            basis: value.0,
            value: value.1,
            // As the metadata has it: a spread is a percentage.
            category: if is_flat {
                FeeCategory::Custom
            } else {
                category
            },
            rule,
        }
    })
}

/// A layer names each fee once.
fn layer(most: usize) -> impl Strategy<Value = Vec<FeeTerm>> {
    prop::collection::vec(fee(), 0..=most).prop_map(|mut fees| {
        let mut names: Vec<Arc<str>> = Vec::new();
        fees.retain(|fee| {
            let is_new = !names.contains(&fee.name);
            names.push(fee.name.clone());
            is_new
        });
        fees
    })
}

fn quote(pair: (&'static str, &'static str)) -> impl Strategy<Value = Option<Quote>> {
    let unit = |text| Unit::from_symbol(text).unwrap();
    let made = move |mantissa: i128, scale: u8, turned: bool, is_old: bool| {
        let (base, quote) = if turned { (pair.1, pair.0) } else { pair };
        let at = if is_old {
            "2000-01-01T00:00:00Z"
        } else {
            "2026-01-15T12:00:00Z"
        };
        Quote {
            base: unit(base),
            quote: unit(quote),
            rate: Decimal { mantissa, scale },
            at: at.parse().unwrap(),
            source: "test".into(),
        }
    };
    let rate = (1_i128..1_000_000_000, 0_u8..9);
    (rate, any::<bool>(), 0_u8..20, 0_u8..4).prop_map(
        move |((mantissa, scale), turned, old, none)| {
            (none > 0).then(|| made(mantissa, scale, turned, old == 0))
        },
    )
}

fn quotes() -> impl Strategy<Value = Vec<Quote>> {
    let all = (
        quote(("USD", "COP")),
        quote(("USD", "JPY")),
        quote(("USD", "BHD")),
        quote(("EUR", "USD")),
        quote(("KSM", "USD")),
        quote(("KSM", "COP")),
    );
    all.prop_map(|(a, b, c, d, e, f)| [a, b, c, d, e, f].into_iter().flatten().collect())
}

fn an_asset() -> impl Strategy<Value = Asset> {
    prop::sample::select(ASSETS.to_vec()).prop_map(asset)
}

fn whitelist() -> impl Strategy<Value = Option<Whitelist>> {
    let codes = prop::sample::subsequence(CODES.to_vec(), 0..=CODES.len());
    prop_oneof![
        3 => Just(None),
        2 => codes.prop_map(|codes| {
            Some(Whitelist::Codes(codes.into_iter().map(|code| code.parse().unwrap()).collect()))
        }),
        1 => Just(Some(Whitelist::Url(URL.into()))),
    ]
}

pub(crate) const URL: &str = "https://lists.example/food.json";

/// The card itself and the pockets.
fn pockets(card: u64) -> impl Strategy<Value = Vec<Pocket>> {
    let faces = vec![card, 2, 3, 4, 5];
    let order = prop::sample::subsequence(faces.clone(), 0..=faces.len()).prop_shuffle();
    let smart = order.prop_flat_map(|faces| {
        let lists = prop::collection::vec(whitelist(), faces.len());
        (Just(faces), lists).prop_map(|(faces, lists)| {
            let pocket = |(no, whitelist): (u64, _)| Pocket {
                account: AccountNo(no),
                urn: urn(no).into(),
                whitelist,
            };
            faces.into_iter().zip(lists).map(pocket).collect()
        })
    });
    prop_oneof![1 => Just(Vec::new()), 3 => smart]
}

fn programmes() -> impl Strategy<Value = Vec<Programme>> {
    let savings = |basis, text: &'static str| ProgrammeKind::ExtraSavings {
        basis,
        value: decimal(text),
    };
    let kind = prop_oneof![
        prop::sample::select(vec!["0.03", "0.05", "0.00001"])
            .prop_map(move |text| savings(FeeBasis::Percentage, text)),
        prop::sample::select(vec!["0.25", "2", "0.0001"])
            .prop_map(move |text| savings(FeeBasis::Flat, text)),
        Just(ProgrammeKind::RoundUp),
    ];
    let target = prop::sample::select(vec![2_u64, 3, 4, 5]);
    let one = (kind, target).prop_map(|(kind, target)| Programme {
        name: "programme".into(),
        kind,
        target: AccountNo(target),
        target_urn: urn(target).into(),
    });
    prop_oneof![1 => Just(Vec::new()), 2 => prop::collection::vec(one, 1..4)]
}

fn controls() -> impl Strategy<Value = Controls> {
    let amount = prop::option::of(prop::sample::select(vec![100_i128, 5_000, 100_000]));
    let window = prop::sample::select(vec![Window::Transaction, Window::Lifetime]);
    let limit = (window, amount, prop::option::of(1_u32..6)).prop_map(|(window, amount, count)| {
        let amount = amount.map(|minor| Amount::from_minor(minor).unwrap());
        Limit {
            window,
            amount,
            count,
        }
    });
    let limits = prop::collection::vec(limit, 1..3).prop_map(|limits| Controls {
        limits,
        ..Controls::NONE
    });
    prop_oneof![5 => Just(Controls::NONE), 1 => limits]
}

fn policy(card: u64, fees: usize) -> impl Strategy<Value = Policy> {
    let map = prop::collection::btree_map(
        prop::sample::select(CURRENCIES.to_vec()),
        prop::collection::vec(an_asset(), 1..4),
        0..3,
    );
    let rules = (pockets(card), layer(fees), programmes(), controls());
    let rules = rules.prop_map(|(pockets, fees, cashback, controls)| Rules {
        pockets,
        fees,
        cashback,
        controls,
    });
    let assets = (
        prop::option::of(an_asset()),
        prop::option::of(an_asset()),
        map,
    );
    (assets, rules).prop_map(|((default_asset, fallback_asset, map), rules)| Policy {
        default_asset,
        fallback_asset,
        currency_assets: map
            .into_iter()
            .map(|(code, assets)| (currency(code), assets))
            .collect(),
        rules: Some(Box::new(rules)),
    })
}

pub(crate) fn case() -> impl Strategy<Value = Case> {
    let list = prop::option::of(prop::sample::subsequence(CODES.to_vec(), 0..=CODES.len()));
    let list = list.prop_map(|list| {
        list.map(|codes| {
            codes
                .into_iter()
                .map(|code| code.parse().unwrap())
                .collect()
        })
    });
    let over = prop::sample::select(vec!["0", "0.1", "0.25"]).prop_map(decimal);
    let fees = [layer(3), layer(3)];
    let funds = prop::collection::vec(0_u8..33, 8 * ASSETS.len());
    (
        fees,
        quotes(),
        list,
        (policy(1, 3), policy(6, 1)),
        over,
        funds,
    )
        .prop_map(
            |(fees, quotes, list, (first, second), over_capture, funds)| {
                let [base, origin] = fees;
                let card = first.rules().fees.clone();
                Case {
                    fees: [base, origin, card],
                    quotes,
                    list,
                    cards: [first, second],
                    over_capture,
                    funds,
                }
            },
        )
}

pub(crate) fn list(codes: Vec<Mcc>) -> List {
    List::new(codes, None, Timestamp::default())
}
