//! `kill -9` while smart cards and their pockets are brought together under load: whatever was
//! acknowledged still holds, each link is there wholly or not at all, a retry has one effect, and every
//! family's money adds up to the unit.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at a wrong index"
)]

#[path = "common/server.rs"]
mod server;

use std::{sync::Mutex, thread, time::Duration};

use serde_json::{Value, json};
use server::{Balance, Client, DUSD, HOLDER, Reply, Rng, Server, purchase};

const ROUNDS: usize = 14;
/// How many families begin in each round; each lives for two.
const FAMILIES: usize = 3;
/// A card has at most 32 pockets.
const POCKETS_MAX: usize = 32;
/// Smallest units of the asset in a cent.
const CENT: i128 = 10_000;

/// What is known of a family: its cards draw on its pockets, which began apart.
#[derive(Default)]
struct Family {
    cards: Vec<String>,
    pockets: Vec<String>,
    /// Pockets that are linked to every card by an acknowledged answer.
    linked: usize,
    /// In cents.
    deposited: i128,
    held: i128,
    captured: i128,
    refunded: i128,
}

#[derive(Clone, Debug)]
enum Kind {
    Card,
    Pocket,
    Link { pockets: usize },
    Deposit { cents: i128 },
    Purchase { cents: i128 },
    Capture { hold: usize },
    Refund { hold: usize, cents: i128 },
}

#[derive(Clone, Debug)]
struct Request {
    method: &'static str,
    path: String,
    body: Value,
    key: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
struct Hold {
    id: String,
    cents: i128,
    captured: bool,
    refunded: i128,
}

/// One that asks, and remembers what it was told.
struct Worker {
    name: String,
    rng: Rng,
    count: usize,
    holds: Vec<Hold>,
    done: Vec<(Request, Reply)>,
    checked: usize,
    unanswered: Option<Request>,
}

impl Worker {
    fn new(name: String, seed: u64) -> Self {
        let rng = Rng::new(name.bytes().fold(seed, |mixed, byte| {
            mixed.wrapping_mul(31).wrapping_add(u64::from(byte))
        }));
        Self {
            name,
            rng,
            count: 0,
            holds: Vec::new(),
            done: Vec::new(),
            checked: 0,
            unanswered: None,
        }
    }

    fn request(
        &mut self,
        route: (&'static str, String),
        kind: Kind,
        body: impl FnOnce(&str) -> Value,
    ) -> Request {
        self.count += 1;
        let key = format!("{}-{}", self.name, self.count);
        Request {
            method: route.0,
            path: route.1,
            body: body(&key),
            key,
            kind,
        }
    }

    /// Makes cards and pockets and links them, in turn.
    fn link(&mut self, family: &Family) -> Request {
        let medium = |kind: &str| ("POST", format!("/api/mediums/{kind}"));
        if family.cards.len() < 2 {
            return self.request(medium("card"), Kind::Card, |_| {
                json!({ "holder_urn": HOLDER, "input": { "create": { "card_type": "VIRTUAL" } } })
            });
        }
        let all = family.pockets.len();
        let ahead = all - family.linked;
        if all == 0 || (ahead < 2 && all < POCKETS_MAX && self.rng.below(2) == 0) {
            return self.request(
                medium("virtual"),
                Kind::Pocket,
                |_| json!({ "holder_urn": HOLDER, "input": {} }),
            );
        }
        let card = self.rng.below(2);
        let pockets = family.pockets.clone();
        let path = format!("/api/accounts/{}", family.cards[card]);
        let kind = Kind::Link { pockets: all };
        self.request(("PATCH", path), kind, |_| {
            json!({ "metadata": {
                "spending_control": "smart", "priority_mcc": pockets, "mcc_whitelist": {},
            } })
        })
    }

    /// Moves money, whoever is being brought together meanwhile.
    fn spend(&mut self, family: &Family) -> Option<Request> {
        if family.pockets.is_empty() || family.cards.is_empty() {
            return None;
        }
        let cents = i128::try_from(self.rng.below(3_000)).unwrap() + 1;
        let newest = self.holds.len().saturating_sub(8);
        let open = (newest..self.holds.len()).find(|place| !self.holds[*place].captured);
        let paid = (newest..self.holds.len())
            .find(|place| self.holds[*place].captured && self.holds[*place].refunded == 0);
        let step = |place: usize, step: &str, holds: &[Hold]| {
            let id = &holds[place].id;
            ("POST", format!("/v1/authorizations/{id}/{step}"))
        };
        Some(match (self.rng.below(5), open, paid) {
            (0, ..) => {
                let pocket = family.pockets[self.rng.below(family.pockets.len())].clone();
                let route = ("POST", "/v1/deposits".to_owned());
                self.request(route, Kind::Deposit { cents }, |key| {
                    json!({ "account_urn": pocket, "asset": DUSD, "reference": key,
                            "amount": (cents * CENT).to_string() })
                })
            }
            (1 | 2, Some(hold), _) => {
                let route = step(hold, "capture", &self.holds);
                self.request(
                    route,
                    Kind::Capture { hold },
                    |key| json!({ "transaction_id": key }),
                )
            }
            (3, _, Some(hold)) => {
                let cents = (self.holds[hold].cents + 1) / 2;
                let route = step(hold, "refund", &self.holds);
                self.request(
                    route,
                    Kind::Refund { hold, cents },
                    |key| json!({ "transaction_id": key, "local_amount": dollars(cents) }),
                )
            }
            _ => {
                let card = family.cards[self.rng.below(family.cards.len())].clone();
                let route = ("POST", "/v1/authorizations".to_owned());
                self.request(route, Kind::Purchase { cents }, |key| {
                    purchase(key, &card, &dollars(cents))
                })
            }
        })
    }

    fn learn(&mut self, family: &mut Family, request: Request, reply: Reply) {
        let urn = || {
            let urn = &reply.json["result"]["account"]["urn"];
            urn.as_str().unwrap().to_owned()
        };
        match request.kind {
            Kind::Card => family.cards.push(urn()),
            Kind::Pocket => family.pockets.push(urn()),
            Kind::Link { pockets } => {
                assert_eq!(reply.status, 200, "{reply:?}");
                family.linked = family.linked.max(pockets);
            }
            Kind::Deposit { cents } => {
                assert_eq!(reply.status, 201, "{reply:?}");
                family.deposited += cents;
            }
            Kind::Purchase { cents } => {
                assert_eq!(reply.status, 200, "{reply:?}");
                if reply.json["status"] == "approved" {
                    let legs = reply.json["legs"].as_array().unwrap();
                    let amount = |leg: &Value| leg["amount"].as_str().unwrap().parse::<i128>();
                    let sum: i128 = legs.iter().map(|leg| amount(leg).unwrap()).sum();
                    assert_eq!(sum, cents * CENT, "{reply:?}");
                    family.held += cents;
                    self.holds.push(Hold {
                        id: reply.json["id"].as_str().unwrap().to_owned(),
                        cents,
                        captured: false,
                        refunded: 0,
                    });
                }
            }
            Kind::Capture { hold } => {
                assert_eq!(reply.status, 200, "{reply:?}");
                let hold = &mut self.holds[hold];
                hold.captured = true;
                family.held -= hold.cents;
                family.captured += hold.cents;
            }
            Kind::Refund { hold, cents } => {
                assert_eq!(reply.status, 200, "{reply:?}");
                self.holds[hold].refunded += cents;
                family.refunded += cents;
            }
        }
        self.done.push((request, reply));
    }

    /// After a crash: each answer comes again as it was.
    fn check_acknowledged(&mut self, client: &Client) {
        for (request, reply) in &self.done[self.checked..] {
            let again = ask(client, request).unwrap();
            assert!(again.is_replay(), "{request:?}: {again:?}");
            assert_eq!((again.status, same(&again)), (reply.status, same(reply)));
        }
        self.checked = self.done.len();
    }
}

/// The answer without the link to the card's page, which is signed anew each time.
fn same(reply: &Reply) -> Value {
    let mut json = reply.json.clone();
    if let Some(link) = json.pointer_mut("/result/account/details/card_url_details") {
        *link = Value::Null;
    }
    json
}

fn dollars(cents: i128) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// An answer, or nothing if the server went away over it. A move that is under way is tried again.
fn ask(client: &Client, request: &Request) -> Option<Reply> {
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", request.key.as_str()),
    ];
    // The network face has the transaction id for that.
    let headers = if request.path.starts_with("/v1/") {
        &headers[..1]
    } else {
        &headers[..]
    };
    let body = request.body.to_string();
    loop {
        let reply = client
            .try_send((request.method, &request.path), headers, body.as_bytes())
            .ok()?;
        if reply.status != 503 {
            assert!(reply.status < 500, "{request:?} {reply:?}");
            return Some(reply);
        }
    }
}

fn run(worker: &mut Worker, family: &Mutex<Family>, client: &Client, is_linker: bool) {
    loop {
        let request = {
            let known = family.lock().unwrap();
            if is_linker {
                Some(worker.link(&known))
            } else {
                worker.spend(&known)
            }
        };
        let Some(request) = request else {
            thread::yield_now();
            if client.try_send(("GET", "/healthz"), &[], b"").is_err() {
                return;
            }
            continue;
        };
        match ask(client, &request) {
            Some(reply) => worker.learn(&mut family.lock().unwrap(), request, reply),
            None => {
                worker.unanswered = Some(request);
                return;
            }
        }
    }
}

fn check_money(client: &Client, family: &Family) {
    if family.pockets.is_empty() {
        return;
    }
    let urns: Vec<_> = family
        .pockets
        .iter()
        .chain(&family.cards)
        .cloned()
        .collect();
    let query = urns.join("&account_urns=");
    let told = client.get(&format!("/api/accounts/balances?account_urns={query}"));
    let found = Balance::of(&told.expect(200));
    let spendable = family.deposited - family.held - family.captured + family.refunded;
    assert_eq!(
        (found.current, found.pending),
        (spendable * CENT, family.held * CENT),
        "{found:?}"
    );
    for urn in &family.pockets {
        let told = client
            .get(&format!("/api/accounts/{urn}/balance"))
            .expect(200);
        let found = Balance::of(&told);
        assert!(found.current >= 0 && found.pending >= 0, "{urn}: {told}");
    }
}

/// What a card's metadata says was linked by an acknowledged answer, or by one in doubt.
fn check_links(client: &Client, family: &Family) {
    for urn in &family.cards {
        let told = client.get(&format!("/api/accounts/{urn}")).expect(200);
        let linked = told["account"]["metadata"]["priority_mcc"].as_array();
        let linked = linked.map_or(0, Vec::len);
        assert!(linked <= family.pockets.len(), "{told}");
    }
}

/// A family and who works for it.
struct Crew {
    family: Mutex<Family>,
    linker: Worker,
    spender: Worker,
}

impl Crew {
    fn new(name: &str, seed: u64) -> Self {
        Self {
            family: Mutex::default(),
            linker: Worker::new(format!("linker-{name}"), seed),
            spender: Worker::new(format!("spender-{name}"), seed),
        }
    }

    /// After a crash: all that was acknowledged, then what was not, then the money.
    fn check(&mut self, client: &Client) {
        let mut known = self.family.lock().unwrap();
        check_links(client, &known);
        for worker in [&mut self.linker, &mut self.spender] {
            worker.check_acknowledged(client);
            if let Some(request) = worker.unanswered.take() {
                let reply = ask(client, &request).unwrap();
                worker.learn(&mut known, request, reply);
            }
        }
        check_money(client, &known);
    }
}

fn round(server: &mut Server, crews: &mut [Crew], rng: &mut Rng) {
    thread::scope(|scope| {
        for crew in crews.iter_mut() {
            let family = &crew.family;
            for (worker, is_linker) in [(&mut crew.linker, true), (&mut crew.spender, false)] {
                let client = server.client();
                scope.spawn(move || run(worker, family, &client, is_linker));
            }
        }
        if rng.below(3) == 0 {
            let _ = server.client().post("/v1/snapshots", &json!({}));
        }
        let pause = u64::try_from(rng.below(160)).unwrap() + 20;
        thread::sleep(Duration::from_millis(pause));
        server.kill();
    });
    for _ in 0..rng.below(2) {
        server.stumble(Duration::from_millis(u64::try_from(rng.below(60)).unwrap()));
    }
    server.restart();
    let client = server.client();
    for crew in crews {
        crew.check(&client);
    }
    client.trial_balance();
}

#[test]
fn families_are_brought_together_wholly_or_not_at_all() {
    let seed = server::seed();
    println!("CARDWRIGHT_TEST_SEED={seed}");
    let mut rng = Rng::new(seed);
    let mut server = Server::with(&[("CARDWRIGHT_JOURNAL__SEGMENT_MIB", "4")]);
    let mut crews = Vec::new();
    for number in 0..ROUNDS {
        let name = |place| format!("{number}-{place}");
        crews.extend((0..FAMILIES).map(|place| Crew::new(&name(place), seed)));
        let living = crews.len().saturating_sub(2 * FAMILIES);
        round(&mut server, &mut crews[living..], &mut rng);
    }
    let client = server.client();
    let (mut linked, mut bought) = (0, 0);
    for crew in &crews {
        let family = crew.family.lock().unwrap();
        check_money(&client, &family);
        linked += family.linked;
        bought += crew.spender.holds.len();
    }
    println!("{linked} pockets were linked, {bought} purchases made");
    assert!(linked > ROUNDS && bought > ROUNDS, "{linked} {bought}");
    let data = server.data_dir().to_owned();
    assert_eq!(server.terminate(), Some(0));
    let verified = std::process::Command::new(env!("CARGO_BIN_EXE_cardwright"))
        .args(["verify", "--data-dir"])
        .arg(&data)
        .output()
        .unwrap();
    assert!(verified.status.success(), "{verified:?}");
}
