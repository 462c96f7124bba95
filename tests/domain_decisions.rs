//! Purchases that the programme is asked about: a yes leads to what the rules alone would have led to, a
//! no to what was there before, to the unit, on random houses, cards and histories; and what hangs on an
//! answer beside money, by example.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests may"
)]

mod books;
#[allow(dead_code, reason = "the houses and cards of it, not its model")]
mod rules;

use std::sync::Arc;

use cardwright::{
    domain::{
        account::Medium,
        apply::{Stamp, apply},
        command::{Authorize, Command, Context, MoveMoney, OpenAccount, StepRequest},
        decide::decide,
        decision::{Conclusion, Decider, Decision, Ruling},
        event::{Event, StepKind, Stepped},
        group::Group,
        hold::{Authorization, State, TransactionType},
        ids::{AccountNo, ActorId, AuthorizationId, LedgerNo},
        merchant::{Merchant, TransactionMedium},
        money::{Amount, LocalAmount},
        outcome::{DeclineReason, Rejection},
        policy::{
            Policy, Rules,
            controls::{Controls, Limit, Window},
            origin::OriginTerms,
        },
        time::Month,
        trail::Trail,
    },
    wire::{decode_group, encode_group},
};
use proptest::prelude::*;

use books::{
    asset, currency,
    shell::{Shell, balances},
    terms,
};
use rules::{
    cases::case,
    play::{Play, op},
};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_500,
        failure_persistence: None,
        max_shrink_iters: 4_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_yes_is_what_the_rules_say_and_a_no_leaves_no_trace(
        case in case(),
        ops in prop::collection::vec(op(10), 1..30),
        probes in prop::collection::vec(op(10), 1..6),
    ) {
        let mut play = Play::new(&case);
        for op in &ops {
            play.step(op);
        }
        for probe in &probes {
            let request = play.request(probe);
            hold_the_law(&play.shell, &request);
        }
    }
}

/// A group some moments later, each moment with its own place in the log.
#[derive(Clone)]
struct Later<'a> {
    shell: &'a Shell,
    group: Group,
    asks: Option<Ruling>,
    moments: i64,
}

impl Later<'_> {
    fn decide(&self, command: &Command) -> Result<Vec<Event>, Rejection> {
        let origin = OriginTerms {
            asks: self.asks,
            ..self.shell.origin.clone()
        };
        let now = self.shell.now.plus_seconds(1 + self.moments);
        let context = Context {
            origin: &origin,
            rates: &self.shell.rates,
            lists: &self.shell.lists,
            ..Context::plain(now, &self.shell.terms)
        };
        decide(&self.group, command, &context)
    }

    fn run(mut self, command: &Command) -> (Self, Vec<Event>) {
        let events = self.decide(command).unwrap();
        let stamp = Stamp {
            lsn: self.shell.lsn + 1 + u64::try_from(self.moments).unwrap(),
            time: self.shell.now.plus_seconds(1 + self.moments),
        };
        apply(&mut self.group, &events, stamp);
        self.moments += 1;
        let bytes = encode_group(&self.group, &Trail::default());
        assert_eq!(decode_group(&bytes).unwrap().0, self.group, "it reads back");
        (self, events)
    }
}

fn conclude(id: AuthorizationId, verdict: Ruling) -> Command {
    let ended = Conclusion {
        verdict,
        by: Decider::Programme,
        reason: None,
        latency_us: 1,
    };
    Command::Conclude(id, Box::new(ended))
}

fn approved(events: &[Event]) -> Option<&Authorization> {
    events
        .iter()
        .find_map(|event| Some(&*event.approved()?.authorization))
}

fn stepped(events: &[Event]) -> &Stepped {
    events.iter().find_map(Event::stepped).unwrap()
}

/// What of an authorization has nothing to do with when and after what it was made.
fn timeless(known: &Authorization) -> Authorization {
    Authorization {
        id: AuthorizationId {
            actor: known.id.actor,
            number: 0,
        },
        decision: Decision::NotAsked,
        expires_at: known.created_at,
        created_at: Default::default(),
        first_lsn: 0,
        last_lsn: 0,
        ..known.clone()
    }
}

fn without_times(known: &Authorization) -> Authorization {
    Authorization {
        expires_at: Default::default(),
        ..timeless(known)
    }
}

fn hold_the_law(shell: &Shell, request: &Arc<Authorize>) {
    let before = Later {
        shell,
        group: shell.groups[&ActorId(1)].clone(),
        asks: None,
        moments: 0,
    };
    let asking = Later {
        asks: Some(Ruling::Declined),
        ..before.clone()
    };
    let purchase = Command::Authorize(request.clone());
    let plain = before.decide(&purchase);
    let asked = asking.decide(&purchase);
    let Some(by_rules) = plain.as_ref().ok().and_then(|events| approved(events)) else {
        assert_eq!(
            asked, plain,
            "what the rules decline or refuse is nobody's to decide"
        );
        return;
    };
    let id = by_rules.id;
    let (held, events) = asking.run(&purchase);
    let hold = approved(&events).unwrap();
    assert!(hold.decision.is_open() && hold.is_open(), "{hold:?}");
    assert_eq!(
        (hold.state(), hold.captured()),
        (State::Pending, Amount::ZERO)
    );
    nothing_may_follow(&held, id);

    // Yes.
    let (yes, events) = held.clone().run(&conclude(id, Ruling::Approved));
    let (by_rules_alone, _) = before.clone().run(&purchase);
    let ended = stepped(&events);
    assert_eq!(ended.kind, StepKind::Concluded(Ruling::Approved));
    assert_eq!(without_times(&ended.authorization), without_times(by_rules));
    assert_eq!(balances(&yes.group), balances(&by_rules_alone.group));
    assert_eq!(
        yes.group.outgoing.len(),
        by_rules_alone.group.outgoing.len()
    );
    assert_eq!(yes.group.open.contains_key(&id), by_rules.is_open());
    refused_twice(&yes, id);

    leaves_no_trace(held, &before, (id, &purchase, by_rules));
}

/// No.
fn leaves_no_trace(
    held: Later<'_>,
    before: &Later<'_>,
    (id, purchase, by_rules): (AuthorizationId, &Command, &Authorization),
) {
    let (no, events) = held.run(&conclude(id, Ruling::Declined));
    let ended = stepped(&events);
    assert_eq!(ended.authorization.state(), State::Declined);
    assert_eq!(ended.authorization.held(), Amount::ZERO);
    let has = |group: &Group| {
        let mut all = balances(group);
        all.retain(|(_, _, balance)| *balance != Default::default());
        all
    };
    assert_eq!(
        has(&no.group),
        has(&before.group),
        "all money is where it was"
    );
    assert!(no.group.outgoing.len() == before.group.outgoing.len());
    assert!(!no.group.open.contains_key(&id));
    refused_twice(&no, id);
    // The moment of both is the same, so that windows are too.
    let again = Later {
        asks: None,
        moments: 0,
        ..no
    }
    .decide(purchase)
    .unwrap();
    let again = approved(&again).map(without_times);
    assert_eq!(
        again,
        Some(without_times(by_rules)),
        "the next purchase is decided as this was"
    );
}

/// Until it is decided.
fn nothing_may_follow(held: &Later<'_>, id: AuthorizationId) {
    let step = || StepRequest {
        authorization: id,
        transaction_id: "step".into(),
        local: None,
        is_final: None,
    };
    for command in [
        Command::Increment(step()),
        Command::Capture(step()),
        Command::Reverse(step()),
        Command::Refund(step()),
    ] {
        assert_eq!(
            held.decide(&command),
            Err(Rejection::BeingDecided),
            "{command:?}"
        );
    }
    let much_later = Later {
        moments: 1 << 30,
        ..held.clone()
    };
    let expired = much_later.decide(&Command::Expire(id));
    assert!(
        matches!(expired, Err(Rejection::StateForbids { .. })),
        "{expired:?}"
    );
}

fn refused_twice(later: &Later<'_>, id: AuthorizationId) {
    for verdict in [Ruling::Approved, Ruling::Declined] {
        let again = later.decide(&conclude(id, verdict));
        assert!(
            matches!(
                again,
                Err(Rejection::AuthorizationNotFound | Rejection::StateForbids { .. })
            ),
            "{again:?}"
        );
    }
}

const GROUP: ActorId = ActorId(1);
const CARD: AccountNo = AccountNo(1);

fn minor(minor: i128) -> Amount {
    Amount::from_minor(minor).unwrap()
}

/// A card with 100 USD under `controls`, whose programme is asked.
fn asked_card(controls: Controls) -> Shell {
    let mut shell = Shell::new(terms());
    shell.origin.asks = Some(Ruling::Declined);
    let open = OpenAccount {
        no: CARD,
        medium: Medium::Card {
            programme: "card".into(),
            last_four: *b"0001",
            expiry: Month {
                year: 2030,
                month: 1,
            },
        },
        holder_urn: "did:bloque:sandbox:demo".into(),
        ledger: LedgerNo(1),
        webhook_url: None,
        metadata: "{}".into(),
        policy: Policy {
            rules: Some(Box::new(Rules {
                controls,
                ..Rules::NONE
            })),
            ..Policy::default()
        },
        card: None,
    };
    shell
        .run(GROUP, &Command::OpenAccount(Box::new(open)))
        .unwrap();
    let funds = MoveMoney {
        account: CARD,
        asset: asset("DUSD/6"),
        amount: minor(100_000_000),
        reference: "funds".into(),
        metadata: "{}".into(),
    };
    shell.run(GROUP, &Command::Deposit(funds)).unwrap();
    shell
}

fn at(merchant: &str, cents: i128, capture: bool) -> Command {
    Command::Authorize(Arc::new(Authorize {
        account: CARD,
        transaction_id: "tx".into(),
        kind: TransactionType::Purchase,
        local: LocalAmount {
            minor: minor(cents),
            currency: currency("USD"),
        },
        usd_amount: None,
        merchant: Merchant {
            id: Some(merchant.into()),
            ..Merchant::default()
        },
        medium: TransactionMedium::default(),
        allow_partial: false,
        capture,
    }))
}

/// The authorization, or why there is none.
fn buy(shell: &mut Shell, merchant: &str, cents: i128) -> Result<AuthorizationId, DeclineReason> {
    let events = shell.run(GROUP, &at(merchant, cents, false)).unwrap();
    match approved(&events) {
        Some(known) => Ok(known.id),
        None => Err(events
            .iter()
            .find_map(|event| Some(event.declined()?.reason))
            .unwrap()),
    }
}

fn end(shell: &mut Shell, id: AuthorizationId, verdict: Ruling) {
    shell.run(GROUP, &conclude(id, verdict)).unwrap();
}

#[test]
fn a_merchant_lock_hangs_on_the_answer() {
    let locked = || {
        asked_card(Controls {
            is_merchant_locked: true,
            ..Controls::NONE
        })
    };
    let elsewhere = Err(DeclineReason::MerchantNotAllowed);

    let mut shell = locked();
    let first = buy(&mut shell, "shop-1", 100).unwrap();
    assert_eq!(
        buy(&mut shell, "shop-2", 100),
        elsewhere,
        "two at once are not both approved"
    );
    end(&mut shell, first, Ruling::Declined);
    let other = buy(&mut shell, "shop-2", 100).unwrap();
    end(&mut shell, other, Ruling::Approved);
    assert_eq!(buy(&mut shell, "shop-1", 100), elsewhere);

    // The second purchase at the first's shop was approved: the card stays there without the first.
    let mut shell = locked();
    let first = buy(&mut shell, "shop-1", 100).unwrap();
    let second = buy(&mut shell, "shop-1", 100).unwrap();
    end(&mut shell, second, Ruling::Approved);
    end(&mut shell, first, Ruling::Declined);
    assert_eq!(buy(&mut shell, "shop-2", 100), elsewhere);

    // It is still being asked about: the lock hangs on it alone.
    let mut shell = locked();
    let first = buy(&mut shell, "shop-1", 100).unwrap();
    let second = buy(&mut shell, "shop-1", 100).unwrap();
    end(&mut shell, first, Ruling::Declined);
    assert_eq!(buy(&mut shell, "shop-2", 100), elsewhere);
    end(&mut shell, second, Ruling::Declined);
    buy(&mut shell, "shop-2", 100).unwrap();

    // The programme is no longer asked: what it was asked about does not unlock what is approved since.
    let mut shell = locked();
    let first = buy(&mut shell, "shop-1", 100).unwrap();
    shell.origin.asks = None;
    buy(&mut shell, "shop-1", 100).unwrap();
    end(&mut shell, first, Ruling::Declined);
    assert_eq!(buy(&mut shell, "shop-2", 100), elsewhere);
}

#[test]
fn a_single_use_card_is_used_by_a_yes_alone() {
    let mut shell = asked_card(Controls {
        is_single_use: true,
        ..Controls::NONE
    });
    for (verdict, then) in [
        (Ruling::Declined, None),
        (Ruling::Approved, Some(DeclineReason::SingleUseSpent)),
    ] {
        let events = shell.run(GROUP, &at("shop", 100, true)).unwrap();
        let hold = approved(&events).unwrap().clone();
        assert_eq!(
            hold.captured(),
            Amount::ZERO,
            "nothing is captured before the answer"
        );
        let events = shell.run(GROUP, &conclude(hold.id, verdict)).unwrap();
        let taken = stepped(&events).authorization.captured();
        let expected = if then.is_some() {
            hold.amount()
        } else {
            Amount::ZERO
        };
        assert_eq!(taken, expected);
        assert_eq!(buy(&mut shell, "shop", 100).err(), then);
        let open: Vec<_> = shell.groups[&GROUP].open.keys().copied().collect();
        for id in open {
            end(&mut shell, id, Ruling::Declined);
        }
    }
    shell.check_fees_and_settlement();
}

#[test]
fn limits_count_what_is_being_asked_and_get_it_back() {
    let limit = Limit {
        window: Window::Day,
        amount: Some(minor(1_000)),
        count: Some(2),
    };
    let mut shell = asked_card(Controls {
        limits: vec![limit],
        ..Controls::NONE
    });
    let first = buy(&mut shell, "shop", 600).unwrap();
    assert_eq!(
        buy(&mut shell, "shop", 600),
        Err(DeclineReason::AmountLimitExceeded)
    );
    end(&mut shell, first, Ruling::Declined);
    let second = buy(&mut shell, "shop", 600).unwrap();
    let third = buy(&mut shell, "shop", 300).unwrap();
    assert_eq!(
        buy(&mut shell, "shop", 1),
        Err(DeclineReason::CountLimitExceeded)
    );
    end(&mut shell, third, Ruling::Declined);
    end(&mut shell, second, Ruling::Approved);
    buy(&mut shell, "shop", 400).unwrap();
}

#[test]
fn a_purchase_of_nothing_waits_for_its_answer_too() {
    let mut shell = asked_card(Controls::NONE);
    for (verdict, state) in [
        (Ruling::Approved, State::Captured),
        (Ruling::Declined, State::Declined),
    ] {
        let id = buy(&mut shell, "shop", 0).unwrap();
        assert!(
            shell.groups[&GROUP].open.contains_key(&id),
            "it is found after a crash"
        );
        end(&mut shell, id, verdict);
        assert_eq!(shell.recalled[&id].state(), state);
        assert!(shell.groups[&GROUP].open.is_empty());
    }
}
