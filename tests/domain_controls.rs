//! Controls by example, and what is counted against limits beside a naive list of all purchases.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first fault"
)]

use cardwright::domain::{
    command::Authorize,
    country::country,
    hold::TransactionType,
    ids::{AccountNo, ActorId, AuthorizationId},
    merchant::{Mcc, Merchant, TransactionMedium},
    money::{Amount, Currency, LocalAmount},
    outcome::DeclineReason as Reason,
    policy::controls::{
        Calendar, Channel, Controls, Hours, Limit, MccRange, Rule, Scope, Shown, Usage, Window,
    },
    time::Timestamp,
};
use proptest::prelude::*;

const SCOPE: Scope = Scope::Account(AccountNo(1));

fn usd() -> Currency {
    "USD".parse().unwrap()
}

fn amount(minor: i128) -> Amount {
    Amount::from_minor(minor).unwrap()
}

fn mcc(code: u16) -> Mcc {
    Mcc::new(code).unwrap()
}

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn id(number: u32) -> AuthorizationId {
    AuthorizationId {
        actor: ActorId(1),
        number,
    }
}

/// What is shown on Saturday 21 November 2026, 10:30 UTC, by a grocer in Bogotá.
fn shown() -> Shown<'static> {
    let now = moment("2026-11-21T10:30:00Z");
    Shown {
        mcc: Some(mcc(5411)),
        merchant: Some("shop-1"),
        country: Some(*b"COL"),
        channel: Some(Channel::Pos),
        calendar: Calendar::utc(now),
        now,
    }
}

fn refusal(
    controls: &Controls,
    shown: &Shown<'_>,
    usage: Option<&Usage>,
) -> Option<(Reason, String)> {
    let (reason, refused) = controls.refuses(SCOPE, shown, usage)?;
    assert_eq!(refused.scope, SCOPE);
    Some((reason, refused.control))
}

fn refused(reason: Reason, control: &str) -> Option<(Reason, String)> {
    Some((reason, control.to_owned()))
}

fn range(from: u16, to: u16) -> MccRange {
    MccRange {
        from: mcc(from),
        to: mcc(to),
    }
}

#[test]
fn nothing_is_refused_without_controls() {
    assert!(Controls::NONE.is_none());
    let nothing = Shown {
        mcc: None,
        merchant: None,
        country: None,
        channel: None,
        ..shown()
    };
    assert_eq!(refusal(&Controls::NONE, &nothing, None), None);
}

#[test]
fn categories_are_allowed_and_denied() {
    let check = |allow: Option<&[MccRange]>, deny: &[MccRange], code: Option<u16>, expect| {
        let controls = Controls {
            mcc: Rule {
                allow: allow.map(<[_]>::to_vec),
                deny: deny.to_vec(),
            },
            ..Controls::NONE
        };
        let shown = Shown {
            mcc: code.map(mcc),
            ..shown()
        };
        assert_eq!(refusal(&controls, &shown, None), expect, "{controls:?}");
    };
    let denied = || refused(Reason::MccNotAllowed, "mcc.deny");
    let missing = || refused(Reason::MccNotAllowed, "mcc.allow");
    let food = [range(5411, 5411), range(5800, 5899)];
    check(Some(&food), &[], Some(5411), None);
    check(Some(&food), &[], Some(5800), None);
    check(Some(&food), &[], Some(5899), None);
    check(Some(&food), &[], Some(5900), missing());
    check(Some(&food), &[], None, missing());
    check(Some(&[]), &[], Some(5411), missing());
    check(None, &[range(7995, 7995)], Some(7995), denied());
    check(None, &[range(7995, 7995)], Some(7994), None);
    check(None, &[range(7995, 7995)], None, None);
    check(Some(&food), &[range(5812, 5812)], Some(5812), denied());
}

#[test]
fn merchants_countries_and_channels_are_allowed_and_denied() {
    let merchants = |allow: Option<&[&str]>, deny: &[&str]| Controls {
        merchants: Rule {
            allow: allow.map(|list| list.iter().map(|id| (*id).into()).collect()),
            deny: deny.iter().map(|id| (*id).into()).collect(),
        },
        ..Controls::NONE
    };
    let silent = Shown {
        merchant: None,
        country: None,
        channel: None,
        ..shown()
    };
    let merchant = |list| refused(Reason::MerchantNotAllowed, list);
    let only = merchants(Some(&["shop-1"]), &[]);
    assert_eq!(refusal(&only, &shown(), None), None);
    assert_eq!(refusal(&only, &silent, None), merchant("merchants.allow"));
    let other = merchants(Some(&["shop-10", "shop-"]), &[]);
    assert_eq!(refusal(&other, &shown(), None), merchant("merchants.allow"));
    let not = merchants(None, &["shop-1"]);
    assert_eq!(refusal(&not, &shown(), None), merchant("merchants.deny"));
    assert_eq!(refusal(&not, &silent, None), None);

    let countries = |allow: Option<Vec<_>>, deny: Vec<_>| Controls {
        countries: Rule { allow, deny },
        ..Controls::NONE
    };
    let country = |list| refused(Reason::CountryNotAllowed, list);
    let home = countries(Some(vec![*b"COL"]), vec![]);
    assert_eq!(refusal(&home, &shown(), None), None);
    assert_eq!(refusal(&home, &silent, None), country("countries.allow"));
    let abroad = countries(None, vec![*b"COL"]);
    assert_eq!(refusal(&abroad, &shown(), None), country("countries.deny"));
    assert_eq!(refusal(&abroad, &silent, None), None);

    let online = Controls {
        channels: vec![Channel::Ecommerce],
        ..Controls::NONE
    };
    let channel = || refused(Reason::ChannelNotAllowed, "channels");
    assert_eq!(refusal(&online, &shown(), None), channel());
    assert_eq!(refusal(&online, &silent, None), channel());
    let web = Shown {
        channel: Some(Channel::Ecommerce),
        ..shown()
    };
    assert_eq!(refusal(&online, &web, None), None);
}

#[test]
fn hours_hold_on_their_days_and_past_midnight() {
    let check = |hours: Hours, at: &str, expect: bool| {
        let now = moment(at);
        let calendar = Calendar::utc(now);
        assert_eq!(hours.holds(&calendar), expect, "{hours:?} at {at}");
        let controls = Controls {
            hours: vec![hours],
            ..Controls::NONE
        };
        let shown = Shown {
            calendar,
            now,
            ..shown()
        };
        let refusal = refusal(&controls, &shown, None);
        assert_eq!(refusal.is_none(), expect);
    };
    let hours = |days, from, until| Hours { days, from, until };
    let (monday, friday, weekdays) = (1, 1 << 4, 0b11111);
    // 21 November 2026 is a Saturday.
    let office = hours(weekdays, 8 * 60, 20 * 60);
    check(office, "2026-11-20T07:59:59Z", false);
    check(office, "2026-11-20T08:00:00Z", true);
    check(office, "2026-11-20T19:59:59Z", true);
    check(office, "2026-11-20T20:00:00Z", false);
    check(office, "2026-11-21T12:00:00Z", false);
    let night = hours(friday, 22 * 60, 2 * 60);
    check(night, "2026-11-20T21:59:59Z", false);
    check(night, "2026-11-20T23:00:00Z", true);
    check(night, "2026-11-21T01:59:59Z", true);
    check(night, "2026-11-21T02:00:00Z", false);
    check(night, "2026-11-20T01:00:00Z", false);
    let sunday_night = hours(1 << 6, 22 * 60, 2 * 60);
    check(sunday_night, "2026-11-23T01:00:00Z", true);
    let whole_day = hours(monday, 0, 1_440);
    check(whole_day, "2026-11-23T00:00:00Z", true);
    check(whole_day, "2026-11-23T23:59:59Z", true);
    check(whole_day, "2026-11-24T00:00:00Z", false);
    let round_the_clock = hours(monday, 480, 480);
    check(round_the_clock, "2026-11-23T07:59:59Z", false);
    check(round_the_clock, "2026-11-23T08:00:00Z", true);
    check(round_the_clock, "2026-11-24T07:59:59Z", true);
    check(round_the_clock, "2026-11-24T08:00:00Z", false);
}

#[test]
fn the_first_rule_in_order_gives_the_reason() {
    let mut controls = Controls {
        mcc: Rule {
            allow: Some(vec![]),
            deny: vec![],
        },
        merchants: Rule {
            allow: Some(vec![]),
            deny: vec![],
        },
        countries: Rule {
            allow: Some(vec![]),
            deny: vec![],
        },
        channels: vec![Channel::Atm],
        hours: vec![Hours {
            days: 1,
            from: 0,
            until: 1,
        }],
        is_single_use: true,
        is_merchant_locked: true,
        ..Controls::NONE
    };
    let usage = Usage {
        merchant: Some("shop-2".into()),
        is_tentative: false,
        is_spent: true,
        tallies: vec![],
    };
    let mut reasons = vec![];
    let ask = |controls: &Controls, reasons: &mut Vec<_>| {
        reasons.extend(refusal(controls, &shown(), Some(&usage)));
    };
    ask(&controls, &mut reasons);
    controls.is_single_use = false;
    ask(&controls, &mut reasons);
    controls.is_merchant_locked = false;
    ask(&controls, &mut reasons);
    controls.mcc = Rule::ANY;
    ask(&controls, &mut reasons);
    controls.merchants = Rule::ANY;
    ask(&controls, &mut reasons);
    controls.countries = Rule::ANY;
    ask(&controls, &mut reasons);
    controls.channels.clear();
    ask(&controls, &mut reasons);
    controls.hours.clear();
    ask(&controls, &mut reasons);
    let named: Vec<_> = reasons
        .iter()
        .map(|(_, control)| control.as_str())
        .collect();
    let order = [
        "single_use",
        "merchant_locked",
        "mcc.allow",
        "merchants.allow",
        "countries.allow",
        "channels",
        "hours",
    ];
    assert_eq!(named, order);
}

#[test]
fn a_merchant_lock_holds_the_first_merchant() {
    let controls = Controls {
        is_merchant_locked: true,
        ..Controls::NONE
    };
    let locked = refused(Reason::MerchantNotAllowed, "merchant_locked");
    let used = |merchant: &str| Usage {
        merchant: Some(merchant.into()),
        ..Usage::default()
    };
    let silent = Shown {
        merchant: None,
        ..shown()
    };
    assert_eq!(refusal(&controls, &shown(), None), None);
    assert_eq!(refusal(&controls, &shown(), Some(&Usage::default())), None);
    assert_eq!(refusal(&controls, &shown(), Some(&used("shop-1"))), None);
    assert_eq!(refusal(&controls, &shown(), Some(&used("shop-2"))), locked);
    assert_eq!(
        refusal(&controls, &silent, None),
        locked,
        "nothing to lock to"
    );
    assert_eq!(refusal(&controls, &silent, Some(&used("shop-1"))), locked);
}

#[test]
fn a_request_shows_its_channel_and_country() {
    let check = |kind, point: Option<&str>, country: &str, channel, code: Option<&[u8; 3]>| {
        let mut medium = TransactionMedium::default();
        if let Some(point) = point {
            assert!(medium.add("point_type", point));
        }
        let request = Authorize {
            account: AccountNo(1),
            transaction_id: "t".into(),
            kind,
            local: LocalAmount {
                minor: amount(1),
                currency: usd(),
            },
            usd_amount: None,
            merchant: Merchant {
                country: Some(country.into()),
                ..Merchant::default()
            },
            medium,
            allow_partial: false,
            capture: false,
        };
        let shown = Shown::of(&request, shown().calendar, shown().now);
        assert_eq!(shown.channel, channel, "{kind:?} {point:?}");
        assert_eq!(shown.country, code.copied(), "{country}");
    };
    let (buy, cash) = (TransactionType::Purchase, TransactionType::Withdrawal);
    check(
        buy,
        Some("ECOMMERCE"),
        "US",
        Some(Channel::Ecommerce),
        Some(b"USA"),
    );
    check(
        buy,
        Some("MOTO"),
        "USA",
        Some(Channel::Ecommerce),
        Some(b"USA"),
    );
    check(buy, Some("POS"), "col", Some(Channel::Pos), Some(b"COL"));
    check(buy, Some("ATM"), "840", Some(Channel::Atm), Some(b"USA"));
    check(buy, None, "Colombia", None, None);
    check(buy, Some("KIOSK"), "", None, None);
    check(cash, None, "US", Some(Channel::Atm), Some(b"USA"));
    check(cash, Some("POS"), "US", Some(Channel::Pos), Some(b"USA"));
    assert_eq!(country("GB"), Some(*b"GBR"));
}

fn limited(window: Window, amount: Option<i128>, count: Option<u32>) -> Controls {
    Controls {
        limits: vec![Limit {
            window,
            amount: amount.map(self::amount),
            count,
        }],
        ..Controls::NONE
    }
}

type Over = Option<(Reason, String, Option<i128>, Option<i128>)>;

fn over(controls: &Controls, value: Option<i128>, usage: Option<&Usage>, at: Timestamp) -> Over {
    let value = value.map(amount);
    let calendar = Calendar::utc(at);
    let (reason, refused) = controls.over_limit(SCOPE, value, true, usage, usd(), &calendar, at)?;
    let expect = (reason == Reason::AmountLimitExceeded).then(usd);
    assert_eq!(refused.currency, expect);
    let minor = |amount: Option<Amount>| amount.map(Amount::minor);
    Some((
        reason,
        refused.control,
        minor(refused.limit),
        minor(refused.left),
    ))
}

fn counted(entries: &[(&str, i128)]) -> Usage {
    let mut usage = Usage::default();
    for (n, (at, value)) in (1..).zip(entries) {
        let at = moment(at);
        let calendar = Calendar::utc(at);
        for currency in [None, Some(usd())] {
            usage.count(currency, amount(*value), true, &calendar, at, id(n), 86_400);
        }
    }
    usage
}

fn more(control: &str, limit: i128, left: Option<i128>) -> Over {
    let reason = Reason::AmountLimitExceeded;
    Some((reason, control.to_owned(), Some(limit), left))
}

fn often(control: &str, limit: i128) -> Over {
    let reason = Reason::CountLimitExceeded;
    Some((reason, control.to_owned(), Some(limit), Some(0)))
}

#[test]
fn a_limit_says_what_is_left_of_it() {
    let at = moment("2026-11-21T10:00:00Z");
    let one = limited(Window::Transaction, Some(500), None);
    assert_eq!(over(&one, Some(500), None, at), None);
    assert_eq!(
        over(&one, Some(501), None, at),
        more("limits.transaction.amount", 500, Some(500))
    );
    assert_eq!(
        over(&one, None, None, at),
        more("limits.transaction.amount", 500, None),
        "what cannot be valued is refused"
    );
    let total = one.over_transaction(SCOPE, Some(amount(501)), usd());
    assert_eq!(
        total.map(|(reason, _)| reason),
        Some(Reason::AmountLimitExceeded)
    );
    assert_eq!(one.over_transaction(SCOPE, Some(amount(500)), usd()), None);
}

#[test]
fn a_window_holds_what_was_counted_in_it() {
    let at = moment("2026-11-21T10:00:00Z");
    let usage = counted(&[
        ("2026-11-20T23:59:59Z", 300),
        ("2026-11-21T00:00:00Z", 100),
        ("2026-11-21T09:00:00Z", 50),
    ]);
    let day = limited(Window::Day, Some(200), Some(3));
    assert_eq!(over(&day, Some(50), Some(&usage), at), None);
    assert_eq!(
        over(&day, Some(51), Some(&usage), at),
        more("limits.day.amount", 200, Some(50))
    );
    let twice = limited(Window::Day, None, Some(2));
    assert_eq!(
        over(&twice, None, Some(&usage), at),
        often("limits.day.count", 2)
    );
    let increment = twice.over_limit(
        SCOPE,
        Some(amount(1)),
        false,
        Some(&usage),
        usd(),
        &Calendar::utc(at),
        at,
    );
    assert_eq!(increment, None, "an increment is no purchase of its own");
    let rolling = limited(Window::Rolling(3_601), Some(60), Some(2));
    assert_eq!(
        over(&rolling, Some(11), Some(&usage), at),
        more("limits.rolling_3601.amount", 60, Some(10))
    );
    let hour = limited(Window::Rolling(3_600), Some(60), None);
    assert_eq!(
        over(&hour, Some(60), Some(&usage), at),
        None,
        "the window's start is out"
    );
    let tomorrow = moment("2026-11-22T00:00:00Z");
    assert_eq!(over(&day, Some(200), Some(&usage), tomorrow), None);
    let lowered = limited(Window::Week, Some(10), None);
    assert_eq!(
        over(&lowered, Some(1), Some(&usage), at),
        more("limits.week.amount", 10, Some(0))
    );
    assert_eq!(
        over(&lowered, Some(0), Some(&usage), at),
        None,
        "nothing exceeds nothing"
    );
    let none = Usage::default();
    assert_eq!(over(&twice, None, Some(&none), at), None);
}

#[test]
fn another_currency_is_another_tally() {
    let at = moment("2026-11-21T10:00:00Z");
    let usage = counted(&[("2026-11-21T09:00:00Z", 100)]);
    let controls = limited(Window::Day, Some(100), Some(1));
    let calendar = Calendar::utc(at);
    let eur = "EUR".parse().unwrap();
    let refusal = controls.over_limit(
        SCOPE,
        Some(amount(1)),
        true,
        Some(&usage),
        eur,
        &calendar,
        at,
    );
    let (reason, _) = refusal.unwrap();
    assert_eq!(
        reason,
        Reason::CountLimitExceeded,
        "numbers have no currency"
    );
    let known: Vec<_> = controls.counted_in(eur).collect();
    assert_eq!(known, [None, Some(eur)]);
    let numbers = limited(Window::Day, None, Some(1));
    assert_eq!(numbers.counted_in(eur).collect::<Vec<_>>(), [None]);
    assert_eq!(Controls::NONE.counted_in(eur).count(), 0);
}

#[test]
fn what_is_released_is_given_back_where_it_still_counts() {
    let first = moment("2026-11-20T23:00:00Z");
    let mut usage = counted(&[("2026-11-20T23:00:00Z", 300), ("2026-11-21T01:00:00Z", 100)]);
    let now = moment("2026-11-21T02:00:00Z");
    let calendar = Calendar::utc(now);
    let used = |usage: &Usage, window| {
        let limit = limited(window, Some(1), None).limits[0];
        let amount = usage.used(&limit, usd(), &calendar, now).minor();
        (amount, usage.made(window, &calendar, now))
    };
    usage.give_back(Some(usd()), amount(200), false, first, id(1));
    assert_eq!(used(&usage, Window::Day), (100, 1));
    assert_eq!(used(&usage, Window::Week), (200, 2));
    assert_eq!(used(&usage, Window::Rolling(86_400)), (200, 2));
    assert_eq!(used(&usage, Window::Rolling(7_200)), (100, 1));
    for currency in [None, Some(usd())] {
        usage.give_back(currency, amount(100), true, first, id(1));
    }
    assert_eq!(used(&usage, Window::Day), (100, 1));
    assert_eq!(used(&usage, Window::Lifetime), (100, 1));
    assert_eq!(used(&usage, Window::Rolling(86_400)), (100, 1));
    usage.give_back("EUR".parse().ok(), amount(100), true, first, id(1));
    assert_eq!(
        used(&usage, Window::Lifetime),
        (100, 1),
        "never counted in it"
    );
}

#[test]
fn what_stands_is_shown_for_each_limit() {
    let at = moment("2026-11-21T10:00:00Z");
    let usage = counted(&[("2026-11-21T09:00:00Z", 100)]);
    let mut controls = limited(Window::Day, Some(150), Some(5));
    controls
        .limits
        .extend(limited(Window::Year, None, Some(1)).limits);
    let standing = controls.standing(Some(&usage), usd(), &Calendar::utc(at), at);
    let shown: Vec<_> = standing
        .iter()
        .map(|s| {
            (
                s.amount_used.minor(),
                s.amount_left.map(Amount::minor),
                s.count_used,
                s.count_left,
            )
        })
        .collect();
    assert_eq!(
        shown,
        [(100, Some(50), 1, Some(4)), (100, None, 1, Some(0))]
    );
}

#[test]
fn a_rolling_window_is_bounded_and_never_counts_shorter() {
    let seconds = 100_000;
    let mut usage = Usage::default();
    let start = moment("2026-11-21T00:00:00Z");
    let mut moments = vec![];
    for n in 0..20_000_u32 {
        let at = start.plus_seconds(i64::from(n) * 7);
        moments.push(at);
        usage.count(
            None,
            amount(1),
            true,
            &Calendar::utc(at),
            at,
            id(n),
            seconds,
        );
        assert!(usage.tallies[0].recent.len() <= 4_096);
        if n % 997 != 0 {
            continue;
        }
        for window in [600, 30_000, seconds] {
            let within = |window: u32| {
                let after = at.plus_seconds(-i64::from(window));
                let inside = moments.iter().filter(|moment| **moment > after);
                u32::try_from(inside.count()).unwrap()
            };
            let made = usage.made(Window::Rolling(window), &Calendar::utc(at), at);
            let (least, most) = (within(window), within(window + seconds / 1_024 + 1));
            assert!(least <= made && made <= most, "{least} <= {made} <= {most}");
        }
    }
    assert_eq!(
        usage.made(
            Window::Rolling(600),
            &Calendar::utc(moments[19_999]),
            moments[19_999]
        ),
        86,
        "what is recent is exact"
    );
}

/// One thing that happens to a naive list and to the tallies.
#[derive(Clone, Debug)]
enum Step {
    Count {
        after: i64,
        value: i128,
        is_increment: bool,
    },
    GiveBack {
        after: i64,
        which: usize,
        part: u8,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let after = prop_oneof![Just(1_i64), 1..100_i64, 1..5_000_i64];
    let count = (after.clone(), 1..1_000_i128, prop::bool::weighted(0.3)).prop_map(
        |(after, value, is_increment)| Step::Count {
            after,
            value,
            is_increment,
        },
    );
    let back = (after, any::<prop::sample::Index>(), 0..=4_u8).prop_map(|(after, which, part)| {
        Step::GiveBack {
            after,
            which: which.index(1 << 16),
            part,
        }
    });
    prop::collection::vec(prop_oneof![3 => count, 1 => back], 1..60)
}

/// One authorization of the naive list: when it was made, what it counted at which moment, what was
/// given back, and whether it is void.
struct Naive {
    id: AuthorizationId,
    at: Timestamp,
    parts: Vec<(Timestamp, i128)>,
    returned: i128,
    /// Of that, given back while the longest rolling window still held its moment.
    returned_in_time: i128,
    is_void: bool,
}

impl Naive {
    fn left(&self) -> i128 {
        self.parts.iter().map(|(_, value)| value).sum::<i128>() - self.returned
    }

    /// What it counts for after `since`, when so much of it is given back, the oldest part first.
    fn after(&self, since: Timestamp, returned: i128) -> i128 {
        let mut returned = returned;
        let mut sum = 0;
        for (at, value) in &self.parts {
            let part = returned.min(*value);
            returned -= part;
            if *at > since {
                sum += value - part;
            }
        }
        sum
    }
}

fn calendar_at(at: Timestamp, edges: &[Vec<i64>; 4]) -> Calendar {
    let start = |edges: &Vec<i64>| {
        let last = edges.iter().filter(|edge| **edge <= at.micros()).max();
        Timestamp::from_micros(last.copied().unwrap_or(0))
    };
    Calendar {
        day: start(&edges[0]),
        week: start(&edges[1]),
        month: start(&edges[2]),
        year: start(&edges[3]),
        weekday: 0,
        minute: 0,
    }
}

fn edges() -> impl Strategy<Value = Vec<i64>> {
    prop::collection::vec(0..40_000_i64, 0..12)
        .prop_map(|edges| edges.into_iter().map(|edge| 1_000_000 * edge).collect())
}

fn take(step: &Step, naive: &mut Vec<Naive>, usage: &mut Usage, now: Timestamp, at: &Calendar) {
    let longest = 3_000;
    match *step {
        Step::Count {
            value,
            is_increment,
            ..
        } => {
            let open = naive
                .last_mut()
                .filter(|last| is_increment && !last.is_void);
            let counts = open.is_none();
            let own = if let Some(open) = open {
                open.parts.push((now, value));
                open.id
            } else {
                let id = id(u32::try_from(naive.len()).unwrap() + 1);
                naive.push(Naive {
                    id,
                    at: now,
                    parts: vec![(now, value)],
                    returned: 0,
                    returned_in_time: 0,
                    is_void: false,
                });
                id
            };
            usage.count(Some(usd()), amount(value), counts, at, now, own, longest);
        }
        Step::GiveBack { which, part, .. } => {
            let count = naive.len();
            let Some(one) = naive.get_mut(which % count.max(1)) else {
                return;
            };
            let value = one.left() * i128::from(part) / 4;
            let is_void = part == 4 && !one.is_void;
            one.is_void |= is_void;
            one.returned += value;
            if one.at > now.plus_seconds(-i64::from(longest)) {
                one.returned_in_time += value;
            }
            usage.give_back(Some(usd()), amount(value), is_void, one.at, one.id);
        }
    }
}

proptest! {
    #[test]
    fn every_window_holds_what_a_naive_list_says(
        steps in steps(),
        edges in [edges(), edges(), edges(), edges()],
    ) {
        let (mut naive, mut usage) = (Vec::<Naive>::new(), Usage::default());
        let mut now = Timestamp::from_micros(1_000_000);
        for step in &steps {
            let (Step::Count { after, .. } | Step::GiveBack { after, .. }) = step;
            now = now.plus_seconds(*after);
            let calendar = calendar_at(now, &edges);
            take(step, &mut naive, &mut usage, now, &calendar);
            let windows =
                [Window::Day, Window::Week, Window::Month, Window::Year, Window::Lifetime];
            for (window, since) in windows.into_iter().zip(calendar.starts()) {
                let limit = limited(window, Some(1), None).limits[0];
                let parts = |one: &Naive| -> i128 {
                    let inside = one.parts.iter().filter(|(at, _)| *at >= since);
                    let back = if one.at >= since { one.returned } else { 0 };
                    inside.map(|(_, value)| value).sum::<i128>() - back
                };
                let sum: i128 = naive.iter().map(parts).sum();
                let made = naive.iter().filter(|one| one.at >= since && !one.is_void).count();
                prop_assert_eq!(usage.used(&limit, usd(), &calendar, now).minor(), sum);
                let counted = usage.made(window, &calendar, now);
                prop_assert_eq!(usize::try_from(counted).unwrap(), made);
            }
            for seconds in [1, 60, 1_000, 3_000] {
                let window = Window::Rolling(seconds);
                let limit = limited(window, Some(1), None).limits[0];
                let since = now.plus_seconds(-i64::from(seconds));
                let least: i128 = naive.iter().map(|one| one.after(since, one.returned)).sum();
                let most: i128 =
                    naive.iter().map(|one| one.after(since, one.returned_in_time)).sum();
                let used = usage.used(&limit, usd(), &calendar, now).minor();
                prop_assert!(least <= used && used <= most, "{least} <= {used} <= {most}");
                let made = naive.iter().filter(|one| one.at > since && !one.is_void).count();
                let counted = usage.made(window, &calendar, now);
                prop_assert_eq!(usize::try_from(counted).unwrap(), made);
            }
        }
    }
}
