//! Plays random operations to the domain and to the model, and compares.

mod asks;
mod said;

use std::collections::BTreeMap;

use cardwright::domain::{
    account::{Medium, Status},
    command::{Command, MoveMoney, OpenAccount, StepAmount, StepRequest, Transfer},
    decision::{Conclusion, Decider, Ruling},
    hold::Authorization,
    ids::{AccountNo, ActorId, AuthorizationId, LedgerNo},
    money::{Amount, Asset, Decimal},
    policy::{Policy, fees::FeeTerm},
    posting::House,
    time::Month,
};
use num_bigint::BigInt;
use proptest::prelude::*;

use crate::{
    books::{asset, currency, shell::Shell, terms},
    model::{Agreed, Fraction, Hold, Model},
};

/// The house's terms of one case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) fees: usize,
    pub(crate) over: usize,
    /// Whether the programme is asked before an approval is final.
    pub(crate) asks: bool,
}

/// Treasury, fraction: none, one, several (two to one treasury), nearly everything.
const FEES: [&[(&str, &str, Fraction)]; 4] = [
    &[],
    &[("t1", "0.0144", (144, 10_000))],
    &[
        ("t1", "0.0144", (144, 10_000)),
        ("t1", "0.003", (3, 1_000)),
        ("t2", "0.5", (5, 10)),
    ],
    &[("t1", "0.9", (9, 10)), ("t2", "0.0999", (999, 10_000))],
];

const OVER: [(&str, Fraction); 3] = [("0", (0, 1)), ("0.1", (1, 10)), ("0.25", (25, 100))];

const HOLD_SECONDS: i64 = 3 * 86_400;

pub(crate) fn setting() -> impl Strategy<Value = Setting> {
    let asks = prop::bool::weighted(0.3);
    (0..FEES.len(), 0..OVER.len(), asks).prop_map(|(fees, over, asks)| Setting { fees, over, asks })
}

/// How much.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Size {
    /// Not said.
    Nothing,
    Zero,
    /// Smallest units of the currency.
    Cents(u32),
    /// Whole units, up to 30 digits.
    Huge(u128),
    /// Quarters of what is there.
    Part(u8),
    /// One decimal place too many.
    TooPrecise(u32),
    Negative(u32),
    /// In another currency.
    Foreign(u32),
}

/// One operation, to be read against the state it meets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    pub(crate) verb: u8,
    pub(crate) a: u8,
    pub(crate) b: u8,
    pub(crate) size: Size,
    pub(crate) flags: u8,
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    let size = prop_oneof![
        3 => Just(Size::Nothing),
        1 => Just(Size::Zero),
        12 => (1_u32..20_000).prop_map(Size::Cents),
        2 => (1_u128..=10_u128.pow(30)).prop_map(Size::Huge),
        1 => (0_u32..31).prop_map(|digits| Size::Huge(10_u128.pow(digits))),
        6 => (1_u8..6).prop_map(Size::Part),
        1 => (1_u32..20_000).prop_map(Size::TooPrecise),
        1 => (1_u32..20_000).prop_map(Size::Negative),
        1 => (1_u32..20_000).prop_map(Size::Foreign),
    ];
    (any::<u8>(), any::<u8>(), any::<u8>(), size, any::<u8>()).prop_map(
        |(verb, a, b, size, flags)| Op {
            verb,
            a,
            b,
            size,
            flags,
        },
    )
}

/// Both sides, and the names in play.
pub(crate) struct Play {
    pub(crate) shell: Shell,
    pub(crate) answers: Vec<String>,
    model: Model,
    accounts: Vec<(ActorId, AccountNo)>,
    transfers: Vec<Transfer>,
}

impl Play {
    pub(crate) fn new(setting: Setting) -> Self {
        let mut terms = terms();
        let (over, over_fraction) = OVER[setting.over];
        let fees = FEES[setting.fees];
        let term = |(treasury, text, _): &(&str, &str, Fraction)| {
            FeeTerm::percentage(&format!("fee {text}"), treasury, text.parse().unwrap())
        };
        terms.fees = fees.iter().map(term).collect();
        terms.over_capture = over.parse().unwrap();
        terms.hold_seconds = HOLD_SECONDS;
        terms.hold_seconds_by_mcc.clear();
        let model = Model::new(Agreed {
            assets: terms
                .assets
                .iter()
                .map(|term| (term.asset, term.pegged))
                .collect(),
            default_asset: terms.default_asset,
            fees: fees
                .iter()
                .map(|(to, _, part)| ((*to).to_owned(), *part))
                .collect(),
            over_capture: over_fraction,
            hold_seconds: HOLD_SECONDS,
            asks: setting.asks,
        });
        let mut shell = Shell::new(terms);
        shell.origin.asks = setting.asks.then_some(Ruling::Declined);
        let mut play = Self {
            shell,
            answers: Vec::new(),
            model,
            accounts: Vec::new(),
            transfers: Vec::new(),
        };
        play.open_everybody();
        play
    }

    /// Cards and pockets in three groups: of their own money and of shared money, of fine and coarse
    /// assets, one that expires soon.
    fn open_everybody(&mut self) {
        let list = |text: &str| text.split(',').map(asset).collect::<Vec<_>>();
        let mapped = |code, assets| (currency(code), list(assets));
        let wide = Policy {
            default_asset: Some(asset("DUSD/6")),
            fallback_asset: Some(asset("FINE/18")),
            currency_assets: vec![
                mapped("JPY", "YEN/0"),
                mapped("USD", "UNIT/0,DUSD/6,KSM/12"),
            ],
            rules: None,
        };
        let other = Policy {
            default_asset: Some(asset("COPM/2")),
            fallback_asset: None,
            currency_assets: vec![mapped("BHD", "BHDX/1"), mapped("USD", "FINE/18,UNIT/0")],
            rules: None,
        };
        let fine = Policy {
            default_asset: Some(asset("FINE/18")),
            ..Policy::default()
        };
        let plain = Policy::default;
        let all = [
            (1, 1, 1, Some(2030), wide),
            (1, 2, 2, None, plain()),
            (1, 3, 1, Some(2030), other),
            (2, 11, 11, Some(2026), plain()),
            (2, 12, 11, None, fine.clone()),
            (3, 21, 21, Some(2030), fine),
        ];
        for (group, no, ledger, expiry, policy) in all {
            self.open(ActorId(group), no, ledger, expiry, policy);
        }
    }

    fn open(&mut self, group: ActorId, no: u64, ledger: u64, expiry: Option<u16>, policy: Policy) {
        let card = |year| Medium::Card {
            programme: "card".into(),
            last_four: *b"0000",
            expiry: Month { year, month: 1 },
        };
        let command = Command::OpenAccount(Box::new(OpenAccount {
            card: None,
            no: AccountNo(no),
            medium: expiry.map_or(Medium::Virtual, card),
            holder_urn: "did:bloque:sandbox:demo".into(),
            ledger: LedgerNo(ledger),
            webhook_url: None,
            metadata: "{}".into(),
            policy,
        }));
        let said = self.ask(group, &command);
        if said == "opened" {
            self.accounts.push((group, AccountNo(no)));
        }
    }

    /// Gives every account some of every asset.
    pub(crate) fn fund_everybody(&mut self) {
        for (group, account) in self.accounts.clone() {
            for term in self.shell.terms.assets.clone() {
                let hundred = 100 * 10_i128.pow(u32::from(term.asset.decimals()));
                self.ask(
                    group,
                    &Command::Deposit(MoveMoney {
                        account,
                        asset: term.asset,
                        amount: Amount::from_minor(hundred).unwrap(),
                        reference: "ref".into(),
                        metadata: "{}".into(),
                    }),
                );
            }
        }
    }

    /// Asks both, and compares answers and books.
    pub(crate) fn ask(&mut self, group: ActorId, command: &Command) -> String {
        let result = self.shell.run(group, command);
        let lsn = self.shell.lsn + u64::from(result.is_err());
        let expected = self.model.run(group, command, self.shell.now, lsn);
        let said = said::said(&result);
        assert_eq!(said, expected, "the answer to {command:?}");
        if result.is_ok() {
            self.compare_books();
        }
        if let Some(id) = result.ok().and_then(|events| said::subject(&events[0])) {
            compare(&self.shell.recalled[&id], &self.model.holds[&id]);
        }
        self.answers.push(said.clone());
        said
    }

    fn compare_books(&self) {
        for group in self.shell.groups.values() {
            for ledger in &group.ledgers {
                for term in &self.shell.terms.assets {
                    let known = ledger.balance(term.asset);
                    let model = self.model.balance(group.id, ledger.no, term.asset);
                    let got = [known.current, known.pending, known.incoming, known.outgoing];
                    let expected = [model.current, model.pending, model.incoming, model.outgoing];
                    assert_eq!(
                        got.map(BigInt::from),
                        expected,
                        "{} of {}",
                        term.asset,
                        ledger.no
                    );
                }
            }
        }
        assert_eq!(self.shell.house, self.model.house, "the house's books");
    }

    /// Compares every authorization too.
    pub(crate) fn compare_everything(&self) {
        self.compare_books();
        let ids = |keys: Vec<&AuthorizationId>| keys.into_iter().copied().collect::<Vec<_>>();
        let known = ids(self.shell.recalled.keys().collect());
        assert_eq!(known, ids(self.model.holds.keys().collect()));
        for (id, hold) in &self.model.holds {
            compare(&self.shell.recalled[id], hold);
        }
    }

    /// Where the money is, without the running totals.
    pub(crate) fn money(&self) -> BTreeMap<String, BigInt> {
        let mut money = BTreeMap::new();
        for group in self.shell.groups.values() {
            for (ledger, asset, balance) in crate::books::shell::balances(group) {
                money.insert(format!("{ledger} {asset} current"), balance.current.into());
                money.insert(format!("{ledger} {asset} pending"), balance.pending.into());
            }
        }
        for ((house, asset), amount) in &self.shell.house {
            if *house != House::World {
                money.insert(format!("{house:?} {asset}"), amount.clone());
            }
        }
        money.retain(|_, amount| *amount != BigInt::ZERO);
        money
    }

    /// A refund of `cut` minor units, or of all that is left if that is less.
    pub(crate) fn clamp(&self, id: AuthorizationId, cut: u32) -> Option<StepAmount> {
        let known = &self.shell.recalled[&id];
        let cut = i128::from(cut) * known.local_paid().minor() / 1_000;
        let inside = cut > 0 && cut < known.local_refundable().minor();
        inside.then_some(StepAmount {
            value: Decimal {
                mantissa: cut,
                scale: known.currency.digits(),
            },
            currency: None,
        })
    }
}

/// What came of asking a programme.
pub(crate) fn conclude(id: AuthorizationId, verdict: Ruling) -> Command {
    let ended = Conclusion {
        verdict,
        by: Decider::Programme,
        reason: Some("as it says".to_owned()),
        latency_us: 1_234,
    };
    Command::Conclude(id, Box::new(ended))
}

pub(crate) fn request(authorization: AuthorizationId, local: Option<StepAmount>) -> StepRequest {
    StepRequest {
        authorization,
        transaction_id: "step".into(),
        local,
        is_final: None,
    }
}

fn compare(known: &Authorization, hold: &Hold) {
    let pairs = [
        (known.amount(), hold.amount.clone()),
        (known.held(), hold.held()),
        (known.captured(), hold.paid()),
        (known.released(), hold.released.clone()),
        (known.refunded(), hold.refunded.clone()),
        (known.local, hold.local.clone()),
        (known.local_held(), hold.local_held()),
        (known.local_paid(), hold.local_paid()),
        (known.local_refunded, hold.local_refunded.clone()),
    ];
    for (n, (known, hold)) in pairs.into_iter().enumerate() {
        assert_eq!(
            BigInt::from(known.minor()),
            hold,
            "number {n} of the authorization"
        );
    }
    for (fee, expected) in known.fees.iter().zip(&hold.fees) {
        let got = [fee.amount, fee.charged, fee.returned].map(|fee| BigInt::from(fee.minor()));
        let expected = [&expected.amount, &expected.charged, &expected.returned];
        assert_eq!(got.each_ref(), expected, "{}", fee.name);
    }
    assert_eq!(known.fees.len(), hold.fees.len());
    assert_eq!(known.state().word(), hold.state());
}

/// What of an asset a size means.
fn minor_of(size: Size, asset: Asset, there: i128) -> Amount {
    let one = 10_i128.pow(u32::from(asset.decimals()));
    let minor = match size {
        Size::Nothing => one * 100,
        Size::Zero => 0,
        Size::Cents(cents) | Size::TooPrecise(cents) => i128::from(cents) * one / 100 + 1,
        Size::Negative(cents) | Size::Foreign(cents) => i128::from(cents),
        Size::Huge(units) => i128::try_from(units).unwrap(),
        Size::Part(quarters) => there.max(0) / 4 * i128::from(quarters),
    };
    Amount::from_minor(minor).unwrap()
}

fn status_of(n: u8) -> Status {
    match n % 16 {
        0 => Status::Deleted,
        1 | 2 => Status::Disabled,
        3..=7 => Status::Frozen,
        8 => Status::CreationInProgress,
        9 => Status::CreationFailed,
        _ => Status::Active,
    }
}
