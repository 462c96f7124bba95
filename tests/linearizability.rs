//! Histories of concurrent requests on a card could have happened one after the other.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at a wrong index"
)]

#[path = "common/server.rs"]
mod server;

use std::{
    collections::BTreeSet,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use server::{Balance, Client, DUSD, Rng, Server};

/// What was asked, in dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Authorize(i64),
    /// Of the authorization that the operation of this number was.
    Reverse(usize),
    Deposit(i64),
    Withdraw(i64),
    Read,
}

/// What was answered: whether it was done, and the money before which the answer was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    done: bool,
    /// What is spendable and held after it, where the answer says so.
    money: Option<(i64, i64)>,
}

/// An operation with the moments of its request and its answer.
#[derive(Clone, Copy, Debug)]
struct Op {
    ask: Ask,
    told: Told,
    from: Duration,
    to: Duration,
}

/// A card as simple as can be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Model {
    spendable: i64,
    /// What each operation, if it is an approved authorization, still holds.
    held: Vec<i64>,
}

impl Model {
    /// Does what is asked; whether the answer fits.
    fn step(&mut self, number: usize, op: &Op) -> bool {
        let done = match op.ask {
            Ask::Authorize(amount) if self.spendable >= amount => {
                self.spendable -= amount;
                self.held[number] = amount;
                true
            }
            Ask::Withdraw(amount) if self.spendable >= amount => {
                self.spendable -= amount;
                true
            }
            Ask::Authorize(_) | Ask::Withdraw(_) => false,
            Ask::Reverse(of) => {
                let held = std::mem::take(&mut self.held[of]);
                self.spendable += held;
                held > 0
            }
            Ask::Deposit(amount) => {
                self.spendable += amount;
                true
            }
            Ask::Read => true,
        };
        let money = (self.spendable, self.held.iter().sum());
        done == op.told.done && op.told.money.is_none_or(|told| told == money)
    }
}

/// Whether some order of `ops` that respects their times gives these answers. After Wing and Gong,
/// with a memory of what failed: "Testing and Verifying Concurrent Objects", 1993; Lowe 2017.
fn is_linearizable(spendable: i64, ops: &[Op]) -> bool {
    assert!(ops.len() <= 64, "the set of done operations is one word");
    let model = Model {
        spendable,
        held: vec![0; ops.len()],
    };
    search(ops, 0, &model, &mut BTreeSet::new())
}

fn search(ops: &[Op], done: u64, model: &Model, failed: &mut BTreeSet<(u64, Model)>) -> bool {
    let left = || {
        ops.iter()
            .enumerate()
            .filter(|(number, _)| done & (1 << number) == 0)
    };
    // Whatever came after the first answer cannot be next.
    let Some(first_answer) = left().map(|(_, op)| op.to).min() else {
        return true;
    };
    if failed.contains(&(done, model.clone())) {
        return false;
    }
    for (number, op) in left().filter(|(_, op)| op.from <= first_answer) {
        let mut next = model.clone();
        if next.step(number, op) && search(ops, done | (1 << number), &next, failed) {
            return true;
        }
    }
    failed.insert((done, model.clone()));
    false
}

const CENTS: i128 = 1_000_000;

fn told(done: bool, answer: &serde_json::Value) -> Told {
    let balance = Balance::of(answer);
    let dollars = |units: i128| i64::try_from(units / CENTS).unwrap();
    Told {
        done,
        money: Some((dollars(balance.current), dollars(balance.pending))),
    }
}

/// A client of one card for one round.
struct Caller<'a> {
    client: &'a Client,
    card: &'a str,
    name: String,
}

impl Caller<'_> {
    /// Asks, and says what was answered; `of` is the transaction id that a reversal is about.
    fn ask(&self, ask: Ask, turn: usize, of: &str) -> Told {
        let id = format!("{}-{turn}", self.name);
        let money = |amount: i64| {
            json!({
                "account_urn": self.card, "asset": DUSD, "reference": id,
                "amount": format!("{amount}000000"),
            })
        };
        match ask {
            Ask::Authorize(amount) => {
                let sent = jiff::Timestamp::now().as_microsecond();
                let answer = self
                    .client
                    .authorize(&id, self.card, &amount.to_string())
                    .expect(200);
                let decided: jiff::Timestamp =
                    answer["created_at"].as_str().unwrap().parse().unwrap();
                assert!(decided.as_microsecond() >= sent, "{sent}: {answer}");
                told(answer["status"] == "approved", &answer)
            }
            Ask::Reverse(_) => {
                let reply = self.client.step(of, "reverse", &id, "");
                match reply.status {
                    200 => told(true, &reply.json),
                    409 => Told {
                        done: false,
                        money: None,
                    },
                    status => panic!("{status}: {}", reply.text),
                }
            }
            Ask::Deposit(amount) => told(
                true,
                &self.client.post("/v1/deposits", &money(amount)).expect(201),
            ),
            Ask::Withdraw(amount) => {
                let reply = self.client.post("/v1/withdrawals", &money(amount));
                match reply.status {
                    201 => told(true, &reply.json),
                    409 => Told {
                        done: false,
                        money: None,
                    },
                    status => panic!("{status}: {}", reply.text),
                }
            }
            Ask::Read => {
                let mut body = server::purchase(&id, self.card, "0");
                body["transaction_type"] = "BALANCE_INQUIRY".into();
                told(
                    true,
                    &self.client.post("/v1/authorizations", &body).expect(200),
                )
            }
        }
    }
}

const CALLERS: usize = 5;
const TURNS: usize = 6;

/// One caller's operations; what it reverses is its own, by the number that `first + turn` gives.
fn call(caller: &Caller<'_>, rng: &mut Rng, first: usize, clock: Instant) -> Vec<Op> {
    let mut ops: Vec<Op> = Vec::new();
    for turn in 0..TURNS {
        let amount = i64::try_from(rng.below(40)).unwrap() + 1;
        let own = (0..turn)
            .rev()
            .find(|turn| matches!(ops[*turn].ask, Ask::Authorize(_)));
        let ask = match (rng.below(8), own) {
            (0..=2, _) | (3, None) => Ask::Authorize(amount),
            (3 | 4, Some(own)) if ops[own].told.done => Ask::Reverse(first + own),
            (5, _) => Ask::Deposit(amount / 2 + 1),
            (6, _) => Ask::Withdraw(amount),
            _ => Ask::Read,
        };
        let of = match ask {
            Ask::Reverse(number) => format!("{}-{}", caller.name, number - first),
            Ask::Authorize(_) | Ask::Deposit(_) | Ask::Withdraw(_) | Ask::Read => String::new(),
        };
        let from = clock.elapsed();
        let told = caller.ask(ask, turn, &of);
        ops.push(Op {
            ask,
            told,
            from,
            to: clock.elapsed(),
        });
    }
    ops
}

/// A short history of one card under five callers.
fn history(clients: &[Client], card: &str, round: usize, seed: u64) -> Vec<Op> {
    let (start, clock) = (Barrier::new(CALLERS), Instant::now());
    thread::scope(|scope| {
        let run = |number: usize| {
            let (start, client) = (&start, &clients[number]);
            scope.spawn(move || {
                let salt = u64::try_from(round * CALLERS + number).unwrap();
                let mut rng = Rng::new(seed.wrapping_add(salt.wrapping_mul(0x5851_f42d)));
                let caller = Caller {
                    client,
                    card,
                    name: format!("h{round}-{number}"),
                };
                start.wait();
                call(&caller, &mut rng, number * TURNS, clock)
            })
        };
        let threads: Vec<_> = (0..CALLERS).map(run).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    })
}

#[test]
fn histories_of_a_card_are_linearizable() {
    const ROUNDS: usize = 400;
    const DOLLARS: i64 = 50;
    let seed = server::seed();
    println!("CARDWRIGHT_TEST_SEED={seed}");
    let server = Server::start();
    let clients: Vec<_> = (0..CALLERS).map(|_| server.client()).collect();
    let cards = clients[0].cards(ROUNDS, 1_000_000 * DOLLARS.unsigned_abs());
    let mut overlapping = 0;
    for (round, card) in cards.iter().enumerate() {
        let ops = history(&clients, card, round, seed);
        let overlap = |op: &&Op| {
            ops.iter()
                .filter(|other| other.from < op.to && op.from < other.to)
                .count()
                > 1
        };
        overlapping += ops.iter().filter(overlap).count();
        assert!(
            is_linearizable(DOLLARS, &ops),
            "seed {seed}, round {round}: {ops:#?}"
        );
    }
    let share = overlapping * 100 / (ROUNDS * CALLERS * TURNS);
    println!("{share} % of the operations overlapped others");
    assert!(share > 20, "hardly anything was concurrent: {share} %");
    clients[0].trial_balance();
}

/// An operation from `from` to `to` milliseconds.
fn op(ask: Ask, done: bool, money: Option<(i64, i64)>, from: u64, to: u64) -> Op {
    let told = Told { done, money };
    Op {
        ask,
        told,
        from: Duration::from_millis(from),
        to: Duration::from_millis(to),
    }
}

#[test]
fn the_checker_tells_possible_histories_from_impossible_ones() {
    let first = op(Ask::Authorize(30), true, Some((20, 30)), 0, 10);
    let second = op(Ask::Authorize(30), false, Some((20, 30)), 0, 10);
    assert!(is_linearizable(50, &[first, second]));
    // Both approved: the money was spent twice.
    let both = op(Ask::Authorize(30), true, None, 0, 10);
    assert!(!is_linearizable(50, &[first, both]));
    // A read after an answer that does not see it.
    let stale = op(Ask::Read, true, Some((50, 0)), 11, 12);
    assert!(!is_linearizable(50, &[first, stale]));
    // The same read while the request was under way is fine.
    let early = op(Ask::Read, true, Some((50, 0)), 5, 12);
    assert!(is_linearizable(50, &[first, early]));
    // Two readers that see two deposits in different orders.
    let deposits = [
        op(Ask::Deposit(1), true, None, 0, 9),
        op(Ask::Deposit(2), true, None, 0, 9),
    ];
    let reads = |a: i64, b: i64| {
        [
            op(Ask::Read, true, Some((a, 0)), 1, 2),
            op(Ask::Read, true, Some((b, 0)), 3, 4),
        ]
    };
    assert!(is_linearizable(0, &[&deposits[..], &reads(1, 3)].concat()));
    assert!(is_linearizable(0, &[&deposits[..], &reads(2, 3)].concat()));
    assert!(!is_linearizable(0, &[&deposits[..], &reads(1, 2)].concat()));
    // A decline although there was enough, and a reversal that was done twice.
    let unfair = op(Ask::Authorize(50), false, None, 0, 1);
    assert!(!is_linearizable(50, &[unfair]));
    let back = [
        op(Ask::Reverse(0), true, None, 20, 30),
        op(Ask::Reverse(0), true, None, 20, 30),
    ];
    assert!(is_linearizable(50, &[first, back[0]]));
    assert!(!is_linearizable(50, &[first, back[0], back[1]]));
}
