//! `kill -9` under concurrent atomic bulks across actors: after each restart every bulk is whole or absent,
//! what was acknowledged is there, every balance is exact and the books are balanced.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at a wrong index"
)]

#[path = "common/server.rs"]
mod server;

use std::{thread, time::Duration};

use serde_json::{Value, json};
use server::{Client, Reply, Rng, Server};

const ROUNDS: usize = 22;
const WORKERS: usize = 6;
const BALANCES: usize = 12;
/// Cents on each balance at the beginning.
const SEEDED: i128 = 1_000_000;
/// More than there ever is.
const TOO_MUCH: i128 = 100_000_000;

/// One movement of a bulk, in cents.
#[derive(Clone, Copy, Debug)]
struct Move {
    source: usize,
    destination: usize,
    cents: i128,
}

/// What becomes of a bulk once it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It was done at once.
    Nothing,
    Commit,
    Void,
}

/// What is known of a bulk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Nothing of it has moved.
    Absent,
    Applied,
    Held,
    Voided,
}

/// A bulk somebody asks for.
#[derive(Clone, Debug)]
struct Bulk {
    name: String,
    /// What moves money; the references of the items.
    moves: Vec<Move>,
    references: Vec<String>,
    body: Value,
    is_doomed: bool,
    then: Then,
    /// Its id, once it was answered.
    id: Option<String>,
}

struct Worker {
    number: usize,
    rng: Rng,
    count: usize,
    done: Vec<(Bulk, Known)>,
    /// What was asked and not answered: the bulk, or its commit or void.
    unanswered: Option<Bulk>,
    checked: usize,
}

impl Worker {
    fn new(number: usize, seed: u64) -> Self {
        Self {
            number,
            rng: Rng::new(seed.wrapping_add(u64::try_from(number).unwrap())),
            count: 0,
            done: Vec::new(),
            unanswered: None,
            checked: 0,
        }
    }

    fn movement(&mut self) -> Move {
        let source = self.rng.below(BALANCES);
        let destination = (source + 1 + self.rng.below(BALANCES - 1)) % BALANCES;
        Move {
            source,
            destination,
            cents: i128::try_from(self.rng.below(50)).unwrap() * 2 + 2,
        }
    }

    fn next(&mut self, balances: &[String]) -> Bulk {
        self.count += 1;
        let name = format!("w{}-{}", self.number, self.count);
        let (mut moves, mut references, mut items) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..self.rng.below(5) + 2 {
            let reference = format!("{name}-{number}");
            let first = self.movement();
            let mut item = json!({
                "precise_amount": i64::try_from(first.cents).unwrap(), "precision": 100,
                "currency": "USD", "reference": reference, "source": balances[first.source],
                "destination": balances[first.destination],
            });
            if self.rng.below(3) == 0 {
                let other = (first.source + 1 + self.rng.below(BALANCES - 1)) % BALANCES;
                let half = first.cents / 2;
                item.as_object_mut().unwrap().remove("destination");
                item["destinations"] = json!([
                    { "identifier": balances[first.destination], "distribution": "50%" },
                    { "identifier": balances[other], "distribution": "left" },
                ]);
                for destination in [first.destination, other] {
                    moves.push(Move {
                        destination,
                        cents: half,
                        ..first
                    });
                }
            } else {
                moves.push(first);
            }
            references.push(reference);
            items.push(item);
        }
        let is_doomed = self.rng.below(5) == 0;
        if is_doomed {
            let place = self.rng.below(items.len());
            items[place]["precise_amount"] = i64::try_from(TOO_MUCH).unwrap().into();
        }
        let then = match self.rng.below(6) {
            0 => Then::Commit,
            1 => Then::Void,
            _ => Then::Nothing,
        };
        let inflight = then != Then::Nothing;
        Bulk {
            body: json!({ "transactions": items, "atomic": true, "inflight": inflight }),
            name,
            moves,
            references,
            is_doomed,
            then,
            id: None,
        }
    }

    /// Asks until the server goes away.
    fn run(&mut self, client: &Client, balances: &[String]) {
        loop {
            let mut bulk = self.next(balances);
            self.unanswered = Some(bulk.clone());
            let Some(reply) = ask(client, &bulk) else {
                return;
            };
            self.unanswered = None;
            if bulk.is_doomed {
                assert_eq!(reply.status, 400, "{bulk:?} {reply:?}");
                self.done.push((bulk, Known::Absent));
                continue;
            }
            assert_eq!(reply.status, 201, "{bulk:?} {reply:?}");
            bulk.id = Some(reply.json["batch_id"].as_str().unwrap().to_owned());
            if bulk.then == Then::Nothing {
                self.done.push((bulk, Known::Applied));
                continue;
            }
            self.unanswered = Some(bulk.clone());
            let Some(reply) = step(client, &bulk) else {
                return;
            };
            self.unanswered = None;
            assert_eq!(reply.status, 200, "{bulk:?} {reply:?}");
            self.end(bulk);
        }
    }

    fn end(&mut self, bulk: Bulk) {
        let known = match bulk.then {
            Then::Nothing | Then::Commit => Known::Applied,
            Then::Void => Known::Voided,
        };
        self.done.push((bulk, known));
    }

    /// After a crash: what was acknowledged is there; what was not is whole or absent. Then it is asked once
    /// more, under the same key.
    fn check(&mut self, client: &Client) -> usize {
        for (bulk, known) in &self.done[self.checked..] {
            let found = state(client, bulk);
            assert_eq!(found, Some(*known), "acknowledged: {bulk:?}");
        }
        self.checked = self.done.len();
        let Some(mut bulk) = self.unanswered.take() else {
            return 0;
        };
        if bulk.id.is_some() {
            // The step was not answered: it may have been made of some parts, and is made of all now.
            let reply = step(client, &bulk).unwrap();
            let is_made = reply.status == 200 || reply.status == 409;
            assert!(is_made, "{bulk:?} {reply:?}");
            self.end(bulk);
            return 0;
        }
        let Some(found) = state(client, &bulk) else {
            panic!("half there: {bulk:?}");
        };
        let reply = ask(client, &bulk).unwrap();
        let now = state(client, &bulk);
        match found {
            Known::Absent => {
                let is_done = reply.status == 201;
                assert!(!(is_done && bulk.is_doomed), "{bulk:?} {reply:?}");
                assert!(
                    is_done || matches!(reply.status, 400 | 409),
                    "{bulk:?} {reply:?}"
                );
                assert_eq!(
                    now,
                    Some(if is_done { begun(&bulk) } else { Known::Absent })
                );
            }
            Known::Applied | Known::Held => {
                assert!(!bulk.is_doomed && reply.is_replay(), "{bulk:?} {reply:?}");
                assert_eq!((reply.status, now), (201, Some(found)));
            }
            Known::Voided => panic!("nobody asked for that: {bulk:?}"),
        }
        let was_whole = usize::from(found != Known::Absent);
        if reply.status == 201 {
            bulk.id = Some(reply.json["batch_id"].as_str().unwrap().to_owned());
            if bulk.then != Then::Nothing {
                assert_eq!(step(client, &bulk).unwrap().status, 200);
            }
            self.end(bulk);
        } else {
            self.done.push((bulk, Known::Absent));
        }
        was_whole
    }
}

const fn begun(bulk: &Bulk) -> Known {
    match bulk.then {
        Then::Nothing => Known::Applied,
        Then::Commit | Then::Void => Known::Held,
    }
}

/// An answer, or nothing if the server went away over it.
fn send(client: &Client, route: (&str, &str), key: &str, body: &Value) -> Option<Reply> {
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", key),
    ];
    let reply = client.try_send(route, &headers, body.to_string().as_bytes());
    reply.ok().filter(|reply| reply.status < 500)
}

fn ask(client: &Client, bulk: &Bulk) -> Option<Reply> {
    send(
        client,
        ("POST", "/transactions/bulk"),
        &bulk.name,
        &bulk.body,
    )
}

fn step(client: &Client, bulk: &Bulk) -> Option<Reply> {
    let path = format!("/transactions/inflight/{}", bulk.id.as_deref().unwrap());
    let word = match bulk.then {
        Then::Commit | Then::Nothing => "commit",
        Then::Void => "void",
    };
    let key = format!("{}-{word}", bulk.name);
    send(client, ("PUT", &path), &key, &json!({ "status": word }))
}

/// What all the transactions of a bulk say; none if they do not say the same.
fn state(client: &Client, bulk: &Bulk) -> Option<Known> {
    let known = |reference: &String| {
        let reply = client.get(&format!("/transactions/reference/{reference}"));
        if reply.status == 404 {
            return Known::Absent;
        }
        let told = reply.expect(200);
        match told["status"].as_str().unwrap() {
            "REJECTED" => Known::Absent,
            "APPLIED" | "COMMIT" => Known::Applied,
            "INFLIGHT" => Known::Held,
            "VOID" => Known::Voided,
            other => panic!("{other}: {told}"),
        }
    };
    let mut all: Vec<Known> = bulk.references.iter().map(known).collect();
    all.dedup();
    (all.len() == 1).then(|| all[0])
}

/// What every balance must have.
fn model(workers: &[Worker]) -> Vec<i128> {
    let mut balances = vec![SEEDED; BALANCES];
    let done = workers.iter().flat_map(|worker| &worker.done);
    for (bulk, _) in done.filter(|(_, known)| *known == Known::Applied) {
        for moved in &bulk.moves {
            balances[moved.source] -= moved.cents;
            balances[moved.destination] += moved.cents;
        }
    }
    balances
}

fn check_balances(client: &Client, balances: &[String], workers: &[Worker]) {
    let expected = model(workers);
    assert_eq!(
        expected.iter().sum::<i128>(),
        SEEDED * i128::try_from(BALANCES).unwrap()
    );
    for (id, cents) in balances.iter().zip(expected) {
        let told = client.get(&format!("/balances/{id}")).expect(200);
        assert_eq!(
            told["balance"].as_i64().map(i128::from),
            Some(cents),
            "{told}"
        );
        for name in [
            "inflight_balance",
            "inflight_debit_balance",
            "inflight_credit_balance",
        ] {
            assert_eq!(told[name], 0, "{name}: {told}");
        }
    }
    client.trial_balance();
}

/// All workers at once; how many bulks were whole though nobody was told.
fn check_all(server: &Server, workers: &mut [Worker]) -> usize {
    thread::scope(|scope| {
        let check = |worker| {
            let client = server.client();
            scope.spawn(move || Worker::check(worker, &client))
        };
        let checks: Vec<_> = workers.iter_mut().map(check).collect();
        checks.into_iter().map(|check| check.join().unwrap()).sum()
    })
}

fn begin(client: &Client) -> Vec<String> {
    let ledger = client
        .post("/ledgers", &json!({ "name": "crash" }))
        .expect(201);
    let make = |number: usize| {
        let wanted = json!({ "ledger_id": ledger["ledger_id"], "currency": "USD" });
        let made = client.post("/balances", &wanted).expect(201);
        let id = made["balance_id"].as_str().unwrap().to_owned();
        let fund = json!({
            "precise_amount": i64::try_from(SEEDED).unwrap(), "precision": 100, "currency": "USD",
            "reference": format!("fund-{number}"), "source": "@World", "destination": id,
            "allow_overdraft": true,
        });
        let funded = client.post("/transactions", &fund).expect(201);
        assert_eq!(funded["status"], "APPLIED");
        id
    };
    (0..BALANCES).map(make).collect()
}

#[test]
fn bulks_across_actors_are_whole_or_absent_after_every_crash() {
    let seed = server::seed();
    println!("CARDWRIGHT_TEST_SEED={seed}");
    let mut rng = Rng::new(seed);
    // Records wait for each other longer than usual: what was answered too early would be caught.
    let mut server = Server::with(&[
        ("CARDWRIGHT_JOURNAL__SEGMENT_MIB", "4"),
        ("CARDWRIGHT_JOURNAL__COMMIT_PAUSE_US", "4000"),
    ]);
    let balances = begin(&server.client());
    let mut workers: Vec<_> = (0..WORKERS)
        .map(|number| Worker::new(number, seed))
        .collect();
    let mut finished = 0;
    for _ in 0..ROUNDS {
        thread::scope(|scope| {
            for worker in &mut workers {
                let (client, balances) = (server.client(), &balances);
                scope.spawn(move || worker.run(&client, balances));
            }
            let delay = u64::try_from(rng.below(150)).unwrap() + 20;
            thread::sleep(Duration::from_millis(delay));
            server.kill();
        });
        for _ in 0..rng.below(2) {
            server.stumble(Duration::from_millis(u64::try_from(rng.below(80)).unwrap()));
        }
        server.restart();
        finished += check_all(&server, &mut workers);
        check_balances(&server.client(), &balances, &workers);
    }
    for worker in &mut workers {
        worker.checked = 0;
    }
    check_all(&server, &mut workers);
    let count: usize = workers.iter().map(|worker| worker.done.len()).sum();
    println!("{count} bulks in {ROUNDS} lives; {finished} were whole though not answered");
    assert!(count > 100, "there was no load: {count}");
}
