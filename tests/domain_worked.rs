//! The documents' own numbers, one test each, with where they stand.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

mod books;

use std::sync::Arc;

use books::{asset, currency, shell::Shell, terms};
use cardwright::domain::{
    account::{Medium, Status},
    command::{Authorize, ChangeAccount, Command, MoveMoney, OpenAccount, StepAmount, StepRequest},
    event::Stepped,
    hold::{Authorization, FeeCategory, TransactionType},
    ids::{AccountNo, ActorId, LedgerNo, user_id},
    merchant::{Merchant, TransactionMedium},
    money::{Amount, Asset, LocalAmount},
    policy::{
        Policy,
        fees::{FeeRule, FeeTerm},
        metadata,
    },
    posting::House,
    rates::{Quote, RateTable, Unit},
    time::Month,
};
use serde_json::{Value, json};

const CARD: u64 = 1;
const FOOD: u64 = 2;
const MAIN: u64 = 3;
const TRAVEL: u64 = 4;
const HERE: ActorId = ActorId(1);

const HOLDER: &str = "did:bloque:sandbox:demo";

fn urn(no: u64) -> String {
    let (user, id) = (user_id(HOLDER), AccountNo(no).virtual_id());
    format!("did:bloque:account:virtual:{user}:{id}")
}

/// A house with the seeds' base fees, the pockets, and one card with this metadata.
struct Desk {
    shell: Shell,
}

impl Desk {
    fn new(card: &Value) -> Self {
        Self::with(&[], card)
    }

    /// With more pockets: number, ledger account, metadata.
    fn with(pockets: &[(u64, u64, Value)], card: &Value) -> Self {
        let mut terms = terms();
        terms.fees.push(FeeTerm {
            category: FeeCategory::Fx,
            rule: Some(FeeRule::FxConversion),
            ..FeeTerm::percentage("fx", "urn:bloque:treasury:fx", "0.02".parse().unwrap())
        });
        let mut desk = Self {
            shell: Shell::new(terms),
        };
        for pocket in [FOOD, MAIN, TRAVEL] {
            desk.open(pocket, pocket, &json!({}));
        }
        for (no, ledger, metadata) in pockets {
            desk.open(*no, *ledger, metadata);
        }
        desk.open(CARD, CARD, card);
        desk
    }

    fn open(&mut self, no: u64, ledger: u64, metadata: &Value) {
        let policy: Policy =
            metadata::parse(metadata.as_object().unwrap(), &self.shell.terms).unwrap();
        let expiry = Month {
            year: 2030,
            month: 12,
        };
        let card = Medium::Card {
            programme: "card".into(),
            last_four: *b"4242",
            expiry,
        };
        let open = OpenAccount {
            card: None,
            no: AccountNo(no),
            medium: if no == CARD { card } else { Medium::Virtual },
            holder_urn: HOLDER.into(),
            ledger: LedgerNo(ledger),
            webhook_url: None,
            metadata: metadata.to_string(),
            policy,
        };
        let open = Command::OpenAccount(Box::new(open));
        self.shell.run(HERE, &open).unwrap();
    }

    /// The origin's metadata.
    fn origin(mut self, metadata: &Value) -> Self {
        let metadata = metadata.as_object().unwrap();
        let parsed = cardwright::domain::policy::origin::parse(metadata, &self.shell.terms);
        self.shell.origin = parsed.unwrap();
        self
    }

    /// Rates as `USD COP 4000`: one dollar is 4,000 pesos.
    fn rates(mut self, lines: &[&str]) -> Self {
        let quote = |line: &&str| {
            let words: Vec<_> = line.split(' ').collect();
            Quote {
                base: Unit::from_symbol(words[0]).unwrap(),
                quote: Unit::from_symbol(words[1]).unwrap(),
                rate: words[2].parse().unwrap(),
                at: self.shell.now,
                source: "test".into(),
            }
        };
        let quotes: Vec<_> = lines.iter().map(quote).collect();
        self.shell.rates = RateTable::default().with(&quotes);
        self
    }

    fn fund(mut self, no: u64, of: &str, minor: i128) -> Self {
        let deposit = MoveMoney {
            account: AccountNo(no),
            asset: asset(of),
            amount: amount(minor),
            reference: "ref".into(),
            metadata: "{}".into(),
        };
        self.shell.run(HERE, &Command::Deposit(deposit)).unwrap();
        self
    }

    fn pay(&mut self, local: &str) -> Result<Authorization, &'static str> {
        self.pay_with(local, "5411", None)
    }

    fn pay_with(
        &mut self,
        local: &str,
        mcc: &str,
        wallet: Option<&str>,
    ) -> Result<Authorization, &'static str> {
        let (text, code) = local.split_once(' ').unwrap();
        let mut medium = TransactionMedium::default();
        if let Some(wallet) = wallet {
            medium.add("tokenization_wallet_name", wallet);
        }
        let request = Authorize {
            account: AccountNo(CARD),
            transaction_id: "tx".into(),
            kind: TransactionType::Purchase,
            local: LocalAmount::parse(text, currency(code)).unwrap(),
            usd_amount: None,
            merchant: Merchant {
                mcc: Some(mcc.parse().unwrap()),
                ..Merchant::default()
            },
            medium,
            allow_partial: false,
            capture: false,
        };
        let events = self.shell.run(HERE, &Command::Authorize(Arc::new(request)));
        let events = events.unwrap();
        let declined = events[0].declined().map(|declined| declined.reason.word());
        match events[0].approved() {
            Some(approved) => Ok((*approved.authorization).clone()),
            None => Err(declined.unwrap()),
        }
    }

    fn step(
        &mut self,
        known: &Authorization,
        text: Option<&str>,
        command: fn(StepRequest) -> Command,
    ) -> Stepped {
        let step = StepRequest {
            authorization: known.id,
            transaction_id: "step".into(),
            local: text.map(|text| StepAmount {
                value: text.parse().unwrap(),
                currency: None,
            }),
            is_final: None,
        };
        let events = self.shell.run(HERE, &command(step)).unwrap();
        events[0].stepped().unwrap().clone()
    }

    fn has(&self, no: u64, of: &str) -> (i128, i128) {
        let ledger = self.shell.groups[&HERE].ledger(LedgerNo(no)).unwrap();
        let balance = ledger.balance(asset(of));
        (balance.current, balance.pending)
    }

    fn status(&mut self, no: u64, status: Status) {
        let change = ChangeAccount {
            card: None,
            account: AccountNo(no),
            status: Some(status),
            status_reason: None,
            metadata: None,
            webhook_url: None,
        };
        let change = Command::ChangeAccount(Box::new(change));
        self.shell.run(HERE, &change).unwrap();
    }
}

fn amount(minor: i128) -> Amount {
    Amount::from_minor(minor).unwrap()
}

fn dollars() -> Desk {
    Desk::new(&json!({})).fund(CARD, "DUSD/6", 100_000_000_000)
}

fn fee(known: &Authorization, name: &str) -> Option<(String, i128)> {
    let fee = known.fees.iter().find(|fee| &*fee.name == name)?;
    Some((fee.value.to_string(), fee.amount.minor()))
}

/// Source: Bloque docs, Card Webhooks, purchase and refund examples.
#[test]
fn fifty_dollars_and_half_of_it_back() {
    let mut desk = dollars();
    let known = desk.pay("50.00 USD").unwrap();
    assert_eq!(known.amount(), amount(50_000_000));
    assert_eq!(known.asset, asset("DUSD/6"));
    assert_eq!(known.rate.to_string(), "1");
    assert_eq!(fee(&known, "interchange"), Some(("0.0144".into(), 720_000)));
    assert_eq!(
        known.fees.len(),
        1,
        "nothing is converted, so there is no fx fee"
    );
    let captured = desk.step(&known, None, Command::Capture);
    assert_eq!(captured.fees, [amount(720_000)]);
    let settlement = desk.shell.house(House::Settlement, asset("DUSD/6"));
    assert_eq!(settlement, 49_280_000.into());
    let refunded = desk.step(&known, Some("25.00"), Command::Refund);
    assert_eq!(refunded.amount, amount(25_000_000));
    assert_eq!(refunded.fees, [amount(360_000)]);
}

/// Source: Bloque docs, Resolution Priority (Merge by Name).
#[test]
fn three_layers_merge_by_name() {
    let fee_of = |name: &str, value: f64, category: &str| {
        json!({"fee_name": name, "account_urn": "urn:bloque:treasury:x", "type": "percentage",
               "value": value, "category": category})
    };
    let mut fx = fee_of("fx", 0.015, "fx");
    fx["rule"] = "fx_conversion".into();
    let mut desk = Desk::new(&json!({"spending_fees": [fx]}))
        .origin(&json!({"spending_fees": [fee_of("premium", 0.005, "custom")]}))
        .rates(&["USD COP 4000"])
        .fund(CARD, "DUSD/6", 100_000_000);
    // 4000 × 0.985 = 3940 pesos for a dollar.
    let known = desk.pay("39400.00 COP").unwrap();
    assert_eq!(known.amount(), amount(10_000_000));
    assert_eq!(fee(&known, "interchange"), Some(("0.0144".into(), 144_000)));
    assert_eq!(fee(&known, "fx"), Some(("0.015".into(), 150_000)));
    assert_eq!(fee(&known, "premium"), Some(("0.005".into(), 50_000)));
    assert_eq!(known.fees.len(), 3);
}

/// Source: Bloque docs, FX Category and Conversion Spread: 2 % is the rate multiplied by 0.98.
#[test]
fn two_percent_is_the_rate_times_0_98() {
    let mut desk = dollars().rates(&["USD COP 4000"]);
    let known = desk.pay("39200.00 COP").unwrap();
    assert_eq!(known.rate.to_string(), "3920");
    assert_eq!(known.amount(), amount(10_000_000));
    assert_eq!(fee(&known, "fx"), Some(("0.02".into(), 200_000)));
    // A hundredth of a peso more is rounded up to the next smallest unit.
    let known = desk.pay("39200.01 COP").unwrap();
    assert_eq!(known.amount(), amount(10_000_003));
}

/// Source: Bloque docs, the same: "If no fx category fees are configured, the default 2% spread is
/// used"; one that is configured and does not apply is no reason for it.
#[test]
fn without_any_fx_fee_the_spread_is_two_percent() {
    let mut desk = dollars().rates(&["USD COP 4000"]);
    desk.shell.terms.fees.retain(|fee| &*fee.name != "fx");
    let known = desk.pay("39200.00 COP").unwrap();
    assert_eq!(known.amount(), amount(10_000_000));
    assert_eq!(
        fee(&known, "fx"),
        None,
        "a spread that nobody earns is the settlement's"
    );
    desk.shell.terms.fees.push(FeeTerm {
        category: FeeCategory::Fx,
        rule: Some(FeeRule::Wallet("apple".into())),
        ..FeeTerm::percentage("fx", "t", "0.5".parse().unwrap())
    });
    let known = desk.pay("40000.00 COP").unwrap();
    assert_eq!(known.amount(), amount(10_000_000));
}

/// Source: Bloque docs, the same: "Multiple fx fees are summed".
#[test]
fn two_fx_fees_sum() {
    let high = json!({"spending_fees": [{
        "fee_name": "high_ticket_fx", "account_urn": "urn:bloque:treasury:fx",
        "type": "percentage", "value": 0.035, "category": "fx",
        "rule": "amount_range_usd", "rule_params": {"min": 500, "max": 5000}
    }]});
    let mut desk = dollars().origin(&high).rates(&["USD COP 4000"]);
    // 1,000 dollars at mid: 4000 × (1 − 0.055) = 3780.
    let known = desk.pay("4000000.00 COP").unwrap();
    assert_eq!(known.rate.to_string(), "3780");
    assert_eq!(known.amount(), amount(1_058_201_059));
    assert_eq!(fee(&known, "fx").unwrap().1, 21_164_021);
    assert_eq!(fee(&known, "high_ticket_fx").unwrap().1, 37_037_037);
    // 400 dollars: only the base fee.
    let known = desk.pay("1600000.00 COP").unwrap();
    assert_eq!(known.rate.to_string(), "3920");
}

/// Source: Bloque docs, Conditional Fee Rules; DESIGN: the ends are included.
#[test]
fn a_range_of_dollars_includes_its_ends() {
    let rule = json!({"spending_fees": [{
        "fee_name": "high", "account_urn": "urn:bloque:treasury:fx", "type": "percentage",
        "value": 0.035, "rule": "amount_range_usd", "rule_params": {"min": 500, "max": 5000}
    }]});
    let mut desk = dollars().origin(&rule);
    for (local, expect) in [
        ("499.99 USD", None),
        ("500.00 USD", Some(17_500_000)),
        ("5000.00 USD", Some(175_000_000)),
        ("5000.01 USD", None),
    ] {
        let known = desk.pay(local).unwrap();
        assert_eq!(fee(&known, "high").map(|fee| fee.1), expect, "{local}");
    }
}

/// Source: Bloque docs, Conditional Fee Rules: case-insensitive partial match.
#[test]
fn a_wallet_is_known_by_part_of_its_name() {
    let rule = json!({"spending_fees": [{
        "fee_name": "apple_wallet", "account_urn": "urn:bloque:treasury:wallet",
        "type": "percentage", "value": 0.01, "rule": "wallet",
        "rule_params": {"wallet_name": "Apple"}
    }]});
    let mut desk = dollars().origin(&rule);
    for (wallet, expect) in [
        (Some("apple pay"), Some(100_000)),
        (Some("APPLE"), Some(100_000)),
        (Some("Google Pay"), None),
        (None, None),
    ] {
        let known = desk.pay_with("10.00 USD", "5411", wallet).unwrap();
        let got = fee(&known, "apple_wallet").map(|fee| fee.1);
        assert_eq!(got, expect, "{wallet:?}");
    }
}

/// Source: Bloque SDK 0.10, `cashback_programs`: 34.70 rounds up 0.30, 3 % of it is 1.041; fees stay
/// on the purchase; they go to the pockets at capture and come back with a refund.
#[test]
fn cashback_is_on_top_and_comes_back() {
    let mut desk = Desk::new(&json!({"cashback_programs": [
        {"program_name": "up", "type": "round_up", "target_pocket_urn": urn(FOOD)},
        {"program_name": "save", "type": "extra_savings", "target_pocket_urn": urn(MAIN),
         "fee_type": "percentage", "value": 0.03},
    ]}))
    .fund(CARD, "DUSD/6", 100_000_000);
    let known = desk.pay("34.70 USD").unwrap();
    let parts: Vec<_> = known
        .surcharges
        .iter()
        .map(|part| part.local.to_string())
        .collect();
    assert_eq!(parts, ["0.3", "1.041"]);
    assert_eq!(known.amount(), amount(34_700_000));
    assert_eq!(known.surcharged(), amount(1_341_000));
    assert_eq!(fee(&known, "interchange").unwrap().1, 499_680);
    assert_eq!(desk.has(CARD, "DUSD/6"), (63_959_000, 36_041_000));
    desk.step(&known, None, Command::Capture);
    assert_eq!(desk.has(FOOD, "DUSD/6"), (300_000, 0));
    assert_eq!(desk.has(MAIN, "DUSD/6"), (1_041_000, 0));
    desk.step(&known, Some("17.35"), Command::Refund);
    assert_eq!(desk.has(FOOD, "DUSD/6"), (150_000, 0));
    assert_eq!(desk.has(MAIN, "DUSD/6"), (520_500, 0));
    assert_eq!(
        desk.has(CARD, "DUSD/6").0,
        63_959_000 + 17_350_000 + 670_500
    );
    desk.step(&known, None, Command::Refund);
    assert_eq!(desk.has(CARD, "DUSD/6"), (100_000_000, 0));
    assert_eq!(desk.has(MAIN, "DUSD/6"), (0, 0));
}

/// Source: DESIGN, How a purchase is priced, 1: the map, then the default, then the fallback.
#[test]
fn the_map_then_the_default_then_the_fallback() {
    let card = json!({
        "default_asset": "COPM/2", "fallback_asset": "KSM/12",
        "currency_asset_map": {"USD": ["UNIT/0", "DUSD/6"]},
    });
    let rates = ["USD COP 4000", "KSM USD 20"];
    let funds: [(&str, i128); 4] = [
        ("UNIT/0", 100),
        ("DUSD/6", 100_000_000),
        ("COPM/2", 100_000_000),
        ("KSM/12", 100_000_000_000_000),
    ];
    for (empty, expect) in [(0, "UNIT/0"), (1, "DUSD/6"), (2, "COPM/2"), (3, "KSM/12")] {
        let mut desk = Desk::new(&card).rates(&rates);
        for (of, minor) in &funds[empty..] {
            desk = desk.fund(CARD, of, *minor);
        }
        let known = desk.pay("10.00 USD").unwrap();
        assert_eq!(known.asset, asset(expect), "without the first {empty}");
    }
    let mut desk = Desk::new(&card).rates(&rates);
    assert_eq!(desk.pay("10.00 USD"), Err("insufficient_funds"));
}

/// Source: DESIGN, the same: no rate for any is another answer than no cover.
#[test]
fn no_rate_and_no_cover_are_told_apart() {
    let mut desk = dollars();
    assert_eq!(desk.pay("10.00 EUR"), Err("currency_not_supported"));
    let mut desk = desk.rates(&["EUR USD 1.1"]);
    assert!(desk.pay("10.00 EUR").is_ok());
    assert_eq!(desk.pay("1000000.00 EUR"), Err("insufficient_funds"));
}

fn smart(lists: &Value) -> Desk {
    Desk::new(&json!({
        "spending_control": "smart", "priority_mcc": [urn(FOOD), urn(MAIN)],
        "mcc_whitelist": lists,
    }))
    .fund(FOOD, "DUSD/6", 30_000_000)
    .fund(MAIN, "DUSD/6", 100_000_000)
}

/// Source: Bloque docs, How routing works.
#[test]
fn food_is_paid_by_food_first_and_the_rest_by_main() {
    let mut desk = smart(&json!({urn(FOOD): ["5411", "5812"]}));
    let known = desk.pay_with("50.00 USD", "5411", None).unwrap();
    let legs = |known: &Authorization| -> Vec<(u64, i128)> {
        let leg = |leg: &cardwright::domain::hold::Leg| (leg.ledger.0, leg.amount.minor());
        known.legs.iter().map(leg).collect()
    };
    assert_eq!(legs(&known), [(FOOD, 30_000_000), (MAIN, 20_000_000)]);
    desk.step(&known, None, Command::Capture);
    desk.step(&known, Some("25.00"), Command::Refund);
    assert_eq!(desk.has(FOOD, "DUSD/6"), (15_000_000, 0));
    assert_eq!(desk.has(MAIN, "DUSD/6"), (90_000_000, 0));
    desk.status(FOOD, Status::Frozen);
    desk.step(&known, Some("10.00"), Command::Refund);
    assert_eq!(
        desk.has(FOOD, "DUSD/6"),
        (21_000_000, 0),
        "frozen money is still its own"
    );
    desk.status(FOOD, Status::Deleted);
    let refunded = desk.step(&known, None, Command::Refund);
    assert_eq!(refunded.suspended, amount(9_000_000));
    assert_eq!(desk.has(FOOD, "DUSD/6"), (21_000_000, 0));
    assert_eq!(desk.has(MAIN, "DUSD/6"), (100_000_000, 0));
    let other = desk.pay_with("50.00 USD", "7011", None).unwrap();
    assert_eq!(legs(&other), [(MAIN, 50_000_000)], "travel is not food");
}

/// A purchase there would be declined: so is the merchant's question whether the card is good.
#[test]
fn a_verification_wants_a_pocket_that_might_pay() {
    let card = json!({
        "spending_control": "smart", "priority_mcc": [urn(FOOD)],
        "mcc_whitelist": {urn(FOOD): ["5411"]},
    });
    let mut desk = Desk::new(&card);
    assert!(
        desk.pay_with("0.00 USD", "5411", None).is_ok(),
        "even while it is empty"
    );
    assert_eq!(
        desk.pay_with("0.00 USD", "7011", None),
        Err("insufficient_funds")
    );
}

/// A limit counts what is authorized: what an increment draws from a pocket counts there too.
#[test]
fn an_increment_counts_against_its_pockets_limits() {
    let limit = json!({"controls": {"limits": [{"window": "lifetime", "amount": "100.00"}]}});
    let card = json!({"spending_control": "smart", "priority_mcc": [urn(8)]});
    let mut desk = Desk::with(&[(8, 8, limit)], &card).fund(8, "DUSD/6", 1_000_000_000);
    let known = desk.pay("60.00 USD").unwrap();
    let word = |stepped: &Stepped| format!("{:?}", stepped.kind);
    let first = desk.step(&known, Some("40.00"), Command::Increment);
    assert_eq!(word(&first), "Increment");
    let second = desk.step(&known, Some("40.00"), Command::Increment);
    assert_eq!(word(&second), "IncrementDeclined(InsufficientFunds)");
    desk.step(&known, None, Command::Reverse);
    assert!(
        desk.pay("100.00 USD").is_ok(),
        "what is released is given back"
    );
}

/// Two faces of one money fill one place in the overflow: what the next pocket is to pay is what is
/// left after them once.
#[test]
fn shared_money_leaves_the_next_pocket_its_whole_part() {
    let limit = json!({"controls": {"limits": [{"window": "transaction", "amount": "60.00"}]}});
    let card = json!({
        "spending_control": "smart", "priority_mcc": [urn(FOOD), urn(7), urn(8)],
    });
    let desk = Desk::with(&[(7, FOOD, json!({})), (8, 8, limit)], &card);
    let mut desk = desk
        .fund(FOOD, "DUSD/6", 50_000_000)
        .fund(8, "DUSD/6", 100_000_000);
    assert!(desk.pay("110.00 USD").is_ok(), "60 from the limited pocket");
    let mut desk = desk
        .fund(FOOD, "DUSD/6", 50_000_000)
        .fund(8, "DUSD/6", 100_000_000);
    assert_eq!(
        desk.pay("120.00 USD"),
        Err("insufficient_funds"),
        "70 is past its limit"
    );
}

/// Percentages of several layers, each below one, may be more than a whole together: rounded down on
/// a tiny debit they pass, and then no clearing may make the settlement negative.
#[test]
fn fees_never_take_more_than_what_is_captured() {
    let nearly = |name: &str| {
        json!({"spending_fees": [{"fee_name": name, "account_urn": "urn:bloque:treasury:x",
            "type": "percentage", "value": 0.9}]})
    };
    let mut card = nearly("card");
    card["default_asset"] = "UNIT/0".into();
    let mut desk = Desk::new(&card)
        .origin(&nearly("origin"))
        .fund(CARD, "UNIT/0", 1_000);
    let unit: Asset = asset("UNIT/0");
    let known = desk.pay("1.00 USD").unwrap();
    assert_eq!(
        known
            .fees
            .iter()
            .map(|fee| fee.amount.minor())
            .sum::<i128>(),
        0
    );
    let more = desk.step(&known, Some("99.00"), Command::Increment);
    assert_eq!(
        format!("{:?}", more.kind),
        "IncrementDeclined(FeesExceedAmount)"
    );
    let captured = desk.step(&known, Some("100.00"), Command::Capture);
    assert_eq!(captured.amount, amount(100));
    assert_eq!(
        captured.fees.iter().map(|fee| fee.minor()).sum::<i128>(),
        99
    );
    assert_eq!(desk.shell.house(House::Settlement, unit), 1.into());
    desk.step(&known, None, Command::Refund);
    assert_eq!(desk.has(CARD, "UNIT/0"), (1_000, 0));
    assert_eq!(desk.shell.house(House::Settlement, unit), 0.into());
}
