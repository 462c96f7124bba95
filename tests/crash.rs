//! `kill -9` at random moments under load: every acknowledged answer is still true, no other is half
//! there, and a retry has one effect, to the unit.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at a wrong index"
)]

#[path = "common/server.rs"]
mod server;

use std::{collections::BTreeSet, sync::mpsc, thread, time::Duration};

use serde_json::{Value, json};
use server::{Balance, Client, DUSD, Reply, Rng, Server, purchase};

const ROUNDS: usize = 32;
const WORKERS: usize = 8;
const CARDS: usize = 20;
/// Cents; so little that some purchases are declined.
const SEEDED: i128 = 20_000;
/// Smallest units of the asset in a cent.
const CENT: i128 = 10_000;

/// An approved authorization as the model has it, in cents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Hold {
    id: String,
    card: usize,
    amount: i128,
    captured: i128,
    reversed: i128,
    refunded: i128,
}

impl Hold {
    fn held(&self) -> i128 {
        self.amount - self.captured - self.reversed
    }

    /// What the API says of it.
    fn of(answer: &Value) -> [i128; 4] {
        [
            "held_amount",
            "captured_amount",
            "reversed_amount",
            "refunded_amount",
        ]
        .map(|name| answer[name].as_str().unwrap().parse().unwrap())
    }

    fn told(&self) -> [i128; 4] {
        [self.held(), self.captured, self.reversed, self.refunded].map(|cents| cents * CENT)
    }
}

#[derive(Clone, Debug)]
enum Kind {
    Authorize {
        card: usize,
        cents: i128,
        capture: bool,
    },
    Deposit {
        card: usize,
        cents: i128,
    },
    Step {
        hold: usize,
        step: &'static str,
        cents: i128,
        is_final: bool,
    },
}

#[derive(Clone, Debug)]
struct Request {
    path: String,
    body: Value,
    kind: Kind,
}

/// A client that remembers what it was told.
struct Worker {
    number: usize,
    rng: Rng,
    count: usize,
    holds: Vec<Hold>,
    /// What was acknowledged, with the answers.
    done: Vec<(Request, Reply)>,
    /// How many of them were checked after a crash.
    checked: usize,
    unanswered: Option<Request>,
    deposited: [i128; CARDS],
}

fn dollars(cents: i128) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

impl Worker {
    fn new(number: usize, seed: u64) -> Self {
        Self {
            number,
            rng: Rng::new(seed.wrapping_add(u64::try_from(number).unwrap())),
            count: 0,
            holds: Vec::new(),
            done: Vec::new(),
            checked: 0,
            unanswered: None,
            deposited: [0; CARDS],
        }
    }

    fn cents(&mut self, most: i128) -> i128 {
        i128::try_from(self.rng.below(usize::try_from(most).unwrap())).unwrap() + 1
    }

    fn next(&mut self, cards: &[String]) -> Request {
        self.count += 1;
        let id = format!("w{}-{}", self.number, self.count);
        let card = self.rng.below(CARDS);
        match self.rng.below(10) {
            0 => self.deposit(&id, card, &cards[card]),
            1..=3 => self.authorize(id, card, &cards[card]),
            _ => match self.step(&id) {
                Some(request) => request,
                None => self.authorize(id, card, &cards[card]),
            },
        }
    }

    fn deposit(&mut self, id: &str, card: usize, urn: &str) -> Request {
        let cents = self.cents(2_000);
        let body = json!({
            "account_urn": urn, "asset": DUSD, "amount": (cents * CENT).to_string(),
            "reference": id,
        });
        Request {
            path: "/v1/deposits".to_owned(),
            body,
            kind: Kind::Deposit { card, cents },
        }
    }

    fn authorize(&mut self, id: String, card: usize, urn: &str) -> Request {
        let cents = self.cents(3_000);
        let capture = self.rng.below(4) == 0;
        let mut body = purchase(&id, urn, &dollars(cents));
        body["capture"] = capture.into();
        let kind = Kind::Authorize {
            card,
            cents,
            capture,
        };
        Request {
            path: "/v1/authorizations".to_owned(),
            body,
            kind,
        }
    }

    /// A step that one of the newest holds allows.
    fn step(&mut self, id: &str) -> Option<Request> {
        let newest = self.holds.len().min(12);
        if newest == 0 {
            return None;
        }
        let hold = self.holds.len() - 1 - self.rng.below(newest);
        let known = self.holds[hold].clone();
        let (held, refundable) = (known.held(), known.captured - known.refunded);
        let (step, most) = match self.rng.below(8) {
            0..=2 if held > 0 => ("capture", held),
            3 | 4 if held > 0 => ("reverse", held),
            5 if held > 0 => ("increment", 500),
            _ if refundable > 0 => ("refund", refundable),
            _ => return None,
        };
        let whole = step != "increment" && self.rng.below(3) == 0;
        let cents = if whole { most } else { self.cents(most) };
        let mut is_final = step == "capture" && cents == held;
        let mut body = json!({ "transaction_id": id });
        if !whole {
            body["local_amount"] = dollars(cents).into();
            if step == "capture" && self.rng.below(4) == 0 {
                body["final"] = true.into();
                is_final = true;
            }
        }
        let path = format!("/v1/authorizations/{}/{step}", known.id);
        Some(Request {
            path,
            body,
            kind: Kind::Step {
                hold,
                step,
                cents,
                is_final,
            },
        })
    }

    /// Asks until the server is gone.
    fn run(&mut self, client: &Client, cards: &[String]) {
        loop {
            let request = self.next(cards);
            match ask(client, &request) {
                Some(reply) => self.learn(request, reply),
                None => {
                    self.unanswered = Some(request);
                    return;
                }
            }
        }
    }

    /// Takes an acknowledged answer into the model.
    fn learn(&mut self, request: Request, reply: Reply) {
        let answer = &reply.json;
        match request.kind {
            Kind::Deposit { card, cents } => {
                assert_eq!(reply.status, 201, "{reply:?}");
                self.deposited[card] += cents;
            }
            Kind::Authorize {
                card,
                cents,
                capture,
            } => {
                assert_eq!(reply.status, 200, "{reply:?}");
                if answer["status"] == "declined" {
                    assert!(Balance::of(answer).current < cents * CENT, "{answer}");
                } else {
                    let id = answer["id"].as_str().unwrap().to_owned();
                    let captured = if capture { cents } else { 0 };
                    self.holds.push(Hold {
                        id,
                        card,
                        amount: cents,
                        captured,
                        ..Hold::default()
                    });
                }
            }
            Kind::Step {
                hold,
                step,
                cents,
                is_final,
            } => {
                assert_eq!(reply.status, 200, "{request:?} {reply:?}");
                let hold = &mut self.holds[hold];
                let declined = answer["operation"]["status"] == "declined";
                match step {
                    "capture" => hold.captured += cents,
                    "reverse" => hold.reversed += cents,
                    "refund" => hold.refunded += cents,
                    _ if declined => {}
                    _ => hold.amount += cents,
                }
                if is_final {
                    hold.reversed += hold.held();
                }
                assert_eq!(Hold::of(answer), hold.told(), "{request:?} {answer}");
            }
        }
        self.done.push((request, reply));
    }

    /// After a crash: each answer is still true, and comes again.
    fn check_acknowledged(&mut self, client: &Client) {
        for (request, reply) in &self.done[self.checked..] {
            let again = client.post(&request.path, &request.body);
            assert!(again.is_replay(), "{request:?}: {again:?}");
            assert_eq!((again.status, &again.text), (reply.status, &reply.text));
        }
        self.checked = self.done.len();
    }

    fn check_holds(&self, client: &Client, last: usize) {
        for hold in self.holds.iter().rev().take(last) {
            let read = client
                .get(&format!("/v1/authorizations/{}", hold.id))
                .expect(200);
            if !self.is_in_doubt(hold) {
                assert_eq!(Hold::of(&read), hold.told(), "{hold:?} {read}");
            }
        }
    }

    fn is_in_doubt(&self, hold: &Hold) -> bool {
        let request = self.unanswered.as_ref();
        request.is_some_and(|request| request.path.contains(&hold.id))
    }

    /// Retries what was not answered; gives back by how much the card had changed before the retry.
    fn retry(&mut self, client: &Client) -> Option<(usize, Balance)> {
        let request = self.unanswered.take()?;
        let hold_before = match &request.kind {
            Kind::Step { hold, .. } => Some(self.holds[*hold].clone()),
            Kind::Authorize { .. } | Kind::Deposit { .. } => None,
        };
        let id = hold_before
            .as_ref()
            .map(|hold| format!("/v1/authorizations/{}", hold.id));
        let seen = id.map(|path| Hold::of(&client.get(&path).expect(200)));
        let before = self.totals();
        let reply = client.post(&request.path, &request.body);
        let was_there = reply.is_replay();
        let again = client.post(&request.path, &request.body);
        assert!(
            again.is_replay() && again.text == reply.text,
            "{reply:?} {again:?}"
        );
        self.learn(request, reply);
        if let (Some(hold), Some(seen)) = (hold_before, seen) {
            let after = self.holds.iter().find(|known| known.id == hold.id).unwrap();
            let expected = if was_there { after.told() } else { hold.told() };
            assert_eq!(seen, expected, "half there: {hold:?}");
        }
        let (card, changed) = difference(&before, &self.totals())?;
        was_there.then_some((card, changed))
    }

    /// What this worker's requests made of every card.
    fn totals(&self) -> Vec<Balance> {
        let mut totals = vec![Balance::default(); CARDS];
        for (card, cents) in self.deposited.iter().enumerate() {
            totals[card].incoming += cents * CENT;
        }
        for hold in &self.holds {
            let total = &mut totals[hold.card];
            total.pending += hold.held() * CENT;
            total.outgoing += hold.captured * CENT;
            total.incoming += hold.refunded * CENT;
        }
        for total in &mut totals {
            total.current = total.incoming - total.outgoing - total.pending;
        }
        totals
    }
}

fn difference(before: &[Balance], after: &[Balance]) -> Option<(usize, Balance)> {
    let card = (0..CARDS).find(|card| before[*card] != after[*card])?;
    Some((card, minus(after[card], before[card])))
}

fn minus(a: Balance, b: Balance) -> Balance {
    Balance {
        current: a.current - b.current,
        pending: a.pending - b.pending,
        incoming: a.incoming - b.incoming,
        outgoing: a.outgoing - b.outgoing,
    }
}

fn plus(a: Balance, b: Balance) -> Balance {
    minus(a, minus(Balance::default(), b))
}

/// An answer, or nothing if the server went away over it.
fn ask(client: &Client, request: &Request) -> Option<Reply> {
    let headers = [("content-type", "application/json")];
    let body = request.body.to_string();
    let reply = client
        .try_send(("POST", &request.path), &headers, body.as_bytes())
        .ok()?;
    (reply.status < 500).then_some(reply)
}

/// What every card must have.
fn model(workers: &[Worker]) -> Vec<Balance> {
    let seeded = SEEDED * CENT;
    let mut cards = vec![
        Balance {
            current: seeded,
            incoming: seeded,
            ..Balance::default()
        };
        CARDS
    ];
    for worker in workers {
        for (card, total) in worker.totals().into_iter().enumerate() {
            cards[card] = plus(cards[card], total);
        }
    }
    cards
}

fn balances(client: &Client, cards: &[String], mark: &str) -> Vec<Balance> {
    let ask = |(place, card): (usize, &String)| client.balance(&format!("b-{mark}-{place}"), card);
    cards.iter().enumerate().map(ask).collect()
}

/// One life of the server, its end, and what is left.
fn round(
    server: &mut Server,
    workers: &mut [Worker],
    cards: &[String],
    rng: &mut Rng,
    mark: usize,
) {
    thread::scope(|scope| {
        for worker in workers.iter_mut() {
            let client = server.client();
            scope.spawn(move || worker.run(&client, cards));
        }
        if rng.below(3) == 0 {
            let _ = server.client().post("/v1/snapshots", &json!({}));
        }
        thread::sleep(Duration::from_millis(
            u64::try_from(rng.below(120)).unwrap() + 5,
        ));
        server.kill();
    });
    for _ in 0..rng.below(3) {
        server.stumble(Duration::from_millis(u64::try_from(rng.below(60)).unwrap()));
    }
    server.restart();
    let client = server.client();
    for worker in workers.iter_mut() {
        worker.check_acknowledged(&client);
        worker.check_holds(&client, 30);
    }
    let mut expected = model(workers);
    let found = balances(&client, cards, &format!("{mark}-before"));
    for worker in workers.iter_mut() {
        if let Some((card, changed)) = worker.retry(&client) {
            expected[card] = plus(expected[card], changed);
        }
    }
    assert_eq!(found, expected, "after the crash");
    assert_eq!(
        balances(&client, cards, &format!("{mark}-after")),
        model(workers)
    );
    check_books(&client, workers);
}

fn check_books(client: &Client, workers: &[Worker]) {
    let books = client.trial_balance();
    let sum = |of: fn(&Balance) -> i128| model(workers).iter().map(of).sum::<i128>();
    let refunded: i128 = workers
        .iter()
        .flat_map(|worker| &worker.holds)
        .map(|h| h.refunded)
        .sum();
    let totals = &books["assets"][DUSD];
    let read = |value: &Value| {
        value
            .as_str()
            .map_or(0, |text| text.parse::<i128>().unwrap())
    };
    assert_eq!(read(&totals["held"]), sum(|card| card.pending));
    assert_eq!(read(&totals["spendable"]), sum(|card| card.current));
    let house = &totals["house"];
    assert_eq!(
        -read(&house["world"]),
        sum(|card| card.incoming) - refunded * CENT
    );
    let earned = read(&house["settlement"]) + read(&house["urn:cardwright:treasury:interchange"]);
    assert_eq!(earned, sum(|card| card.outgoing) - refunded * CENT);
}

/// Every authorization that a card lists.
fn listed(client: &Client, card: &str) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/authorizations?card={card}&limit=500{cursor}");
        let page = client.get(&path).expect(200);
        for one in page["data"].as_array().unwrap() {
            let id = one["transaction_id"].as_str().unwrap();
            if id.starts_with('w') {
                assert!(ids.insert(id.to_owned()), "listed twice: {id}");
            }
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}

fn check_end(server: &Server, workers: &mut [Worker], cards: &[String]) {
    thread::scope(|scope| {
        for worker in workers.iter_mut() {
            let client = server.client();
            scope.spawn(move || {
                worker.checked = 0;
                worker.check_acknowledged(&client);
                worker.check_holds(&client, usize::MAX);
            });
        }
    });
    let client = server.client();
    for (place, card) in cards.iter().enumerate() {
        let asked = workers
            .iter()
            .flat_map(|worker| &worker.done)
            .filter_map(|(request, _)| {
                let Kind::Authorize { card, .. } = request.kind else {
                    return None;
                };
                let id = request.body["transaction_id"].as_str()?;
                (card == place).then(|| id.to_owned())
            });
        assert_eq!(listed(&client, card), asked.collect());
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_else_is_half_there() {
    let seed = server::seed();
    println!("CARDWRIGHT_TEST_SEED={seed}");
    let mut rng = Rng::new(seed);
    // Records wait for each other longer than usual: an answer given before its record was written
    // would be caught.
    let mut server = Server::with(&[
        ("CARDWRIGHT_JOURNAL__SEGMENT_MIB", "4"),
        ("CARDWRIGHT_JOURNAL__COMMIT_PAUSE_US", "4000"),
    ]);
    let cards = server
        .client()
        .cards(CARDS, u64::try_from(SEEDED * CENT).unwrap());
    let mut workers: Vec<_> = (0..WORKERS)
        .map(|number| Worker::new(number, seed))
        .collect();
    for mark in 0..ROUNDS {
        round(&mut server, &mut workers, &cards, &mut rng, mark);
    }
    check_end(&server, &mut workers, &cards);
    let acknowledged: usize = workers.iter().map(|worker| worker.done.len()).sum();
    println!("{acknowledged} acknowledged in {ROUNDS} lives");
    assert!(acknowledged > 500, "there was no load: {acknowledged}");
}

/// Keeps the log busy, so that records wait for each other.
fn keep_busy(client: &Client, card: &str, name: &str) {
    for count in 0.. {
        let body = purchase(&format!("{name}-{count}"), card, "0.01").to_string();
        let headers = [("content-type", "application/json")];
        let sent = client.try_send(("POST", "/v1/authorizations"), &headers, body.as_bytes());
        if sent.is_err() {
            return;
        }
    }
}

/// A capture and a reversal of all of `a` race; what was answered first.
fn first_answer(server: &mut Server, card: &str, round: usize) -> Reply {
    let (told, answers) = mpsc::channel();
    thread::scope(|scope| {
        for name in 0..3 {
            let client = server.client();
            scope.spawn(move || keep_busy(&client, card, &format!("busy-{round}-{name}")));
        }
        let asked = format!("a-{round}");
        server.client().authorize(&asked, card, "1.00").expect(200);
        for step in ["capture", "reverse"] {
            let (client, told, asked) = (server.client(), told.clone(), asked.clone());
            scope.spawn(move || {
                let path = format!("/v1/authorizations/{asked}/{step}");
                let body = json!({ "transaction_id": format!("{step}-{round}") }).to_string();
                let headers = [("content-type", "application/json")];
                if let Ok(reply) = client.try_send(("POST", &path), &headers, body.as_bytes()) {
                    let _ = told.send(reply);
                }
            });
        }
        let first = answers.recv().unwrap();
        server.kill();
        first
    })
}

#[test]
fn a_refusal_too_tells_only_what_is_on_disk() {
    let mut server = Server::with(&[("CARDWRIGHT_JOURNAL__COMMIT_PAUSE_US", "100000")]);
    let card = server.client().card(1_000_000_000);
    let mut refused = 0;
    for round in 0..8 {
        let first = first_answer(&mut server, &card, round);
        let state = match first.status {
            200 => &first.json["state"],
            _ => {
                assert_eq!(first.code(409), "invalid_state");
                refused += 1;
                &first.json["error"]["details"]["state"]
            }
        };
        server.restart();
        let read = server
            .client()
            .get(&format!("/v1/authorizations/a-{round}"))
            .expect(200);
        assert_eq!(&read["state"], state, "told and lost: {first:?}");
    }
    println!("{refused} refusals came first");
    server.client().trial_balance();
}
