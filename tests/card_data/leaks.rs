//! Nothing that a card's page shows, and no key, is anywhere else: not in the log, snapshots, archive,
//! traces, metrics or any answer.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Shown, link, new_card, read, set_status, urn};
use crate::server::{self, Client, HOLDER, Reply, Server, purchase};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// The forms in which a number might lie somewhere.
fn forms(pan: &str) -> Vec<Vec<u8>> {
    let groups: Vec<_> = (0..4).map(|at| &pan[at * 4..at * 4 + 4]).collect();
    let nibble = |digit: u8| digit - b'0';
    let packed = pan
        .as_bytes()
        .chunks(2)
        .map(|two| nibble(two[0]) << 4 | nibble(two[1]));
    let values = pan.bytes().map(nibble);
    let number: u64 = pan.parse().unwrap();
    vec![
        pan.as_bytes().to_vec(),
        groups.join(" ").into_bytes(),
        groups.join("-").into_bytes(),
        // Binary-coded decimal, a digit a byte, a number.
        packed.collect(),
        values.collect(),
        number.to_le_bytes().to_vec(),
        number.to_be_bytes().to_vec(),
        pan.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        // Without the last digits, which a third of a text in base64 shares with what follows.
        STANDARD.encode(pan).as_bytes()[..20].to_vec(),
        pan.bytes()
            .flat_map(|byte| format!("{byte:02x}").into_bytes())
            .collect(),
        // All but the last four, which everybody may see.
        pan.as_bytes()[..12].to_vec(),
    ]
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Three digits are everywhere by chance: what counts is whether they stand near their name, their
/// card's expiry or its last four digits.
fn tells_cvv(text: &[u8], card: &Shown) -> bool {
    let near = |name: &[u8]| {
        let places = text.windows(name.len()).enumerate();
        let places = places.filter(|(_, window)| window.eq_ignore_ascii_case(name));
        places.into_iter().any(|(place, _)| {
            let from = place + name.len();
            let after = &text[from..text.len().min(from + 16)];
            let digits = after.split(|byte| !byte.is_ascii_digit());
            digits
                .into_iter()
                .any(|digits| digits == card.cvv.as_bytes())
        })
    };
    [b"cvv".as_slice(), b"cvc", b"csc", card.expiry.as_bytes()]
        .into_iter()
        .any(near)
}

/// Segments are filled with zeros ahead of time: of each run of them a few are enough to look at.
fn without_zeros(bytes: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    for part in bytes.chunks(32) {
        if part.iter().any(|byte| *byte != 0) || !kept.ends_with(&[0; 32]) {
            kept.extend_from_slice(part);
        }
    }
    kept
}

/// Every text that must not tell, and what it is.
#[derive(Default)]
struct Texts(Vec<(String, Vec<u8>)>);

impl Texts {
    fn add(&mut self, what: &str, text: impl AsRef<[u8]>) {
        self.0.push((what.to_owned(), text.as_ref().to_vec()));
    }

    fn add_files(&mut self, dir: &Path, but: &[&str]) {
        for entry in fs::read_dir(dir).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                self.add_files(&path, but);
            } else if !but.iter().any(|name| path.ends_with(name)) {
                let bytes = without_zeros(&fs::read(&path).unwrap());
                self.add(&path.display().to_string(), bytes);
            }
        }
    }

    /// Who tells something.
    fn telling(&self, is_told: impl Fn(&[u8]) -> bool) -> Vec<&str> {
        let telling = self.0.iter().filter(|(_, text)| is_told(text));
        telling.map(|(what, _)| what.as_str()).collect()
    }

    fn telling_number(&self, card: &Shown) -> Vec<&str> {
        let forms = forms(&card.pan);
        self.telling(|text| forms.iter().any(|form| holds(text, form)))
    }
}

/// A client that keeps every answer.
struct Recorder<'a> {
    client: &'a Client,
    texts: Texts,
}

impl Recorder<'_> {
    fn send(&mut self, route: (&str, &str), body: &Value) -> Reply {
        let key = format!("request-{}", self.texts.0.len());
        let headers = [("idempotency-key", key.as_str())];
        let reply = self.client.send(route, &headers, body.to_string());
        let what = format!("{} {}", route.0, route.1);
        self.texts
            .add(&what, format!("{:?}\n{}", reply.headers, reply.text));
        reply
    }

    fn post(&mut self, path: &str, body: &Value) -> Reply {
        self.send(("POST", path), body)
    }

    fn get(&mut self, path: &str) -> Reply {
        self.send(("GET", path), &Value::Null)
    }
}

/// A card's life, with everything that is right and much that is wrong.
fn live(recorder: &mut Recorder<'_>, card: &str, seen: &Shown, number: usize) {
    let deposit = json!({
        "account_urn": card, "asset": "DUSD/6", "amount": "500000000", "reference": format!("d{number}"),
    });
    recorder.post("/v1/deposits", &deposit).expect(201);
    let id = format!("t{number}");
    recorder
        .post("/v1/authorizations", &purchase(&id, card, "10.00"))
        .expect(200);
    let of = |step: &str| format!("/v1/authorizations/{id}/{step}");
    for (step, amount) in [
        ("increment", "2.00"),
        ("capture", "5.00"),
        ("refund", "1.00"),
    ] {
        let body = json!({ "transaction_id": format!("{step}{number}"), "local_amount": amount });
        recorder.post(&of(step), &body);
    }
    recorder
        .post("/v1/authorizations/simulate", &purchase("s", card, "1.00"))
        .expect(200);
    recorder
        .get(&format!("/v1/authorizations/{id}?explain=true"))
        .expect(200);
    // A number where a card's name belongs is no card, and is not said again.
    let wrong = purchase("x", &seen.pan, "1.00");
    let refused = recorder.client.post("/v1/authorizations", &wrong);
    assert!((400..500).contains(&refused.status), "{}", refused.text);
    recorder.texts.add("a refusal of a number", refused.text);
    recorder
        .post(
            "/v1/authorizations",
            &json!({ "transaction_id": "y", "card": card }),
        )
        .code(400);
    recorder
        .get(&format!("/api/accounts/{card}/movements"))
        .expect(200);
    recorder.get(&format!("/api/accounts/{card}")).expect(200);
    recorder.get("/api/accounts?limit=0");
}

/// Cards that lived, and what their pages showed.
fn cards(recorder: &mut Recorder<'_>) -> (Vec<String>, Vec<Shown>) {
    let (mut cards, mut shown) = (Vec::new(), Vec::new());
    for number in 0..6 {
        let made = new_card(recorder.client, "a name that lies in the log");
        recorder.texts.add("a new card", made.to_string());
        let page = recorder.client.with_key(None).get(&link(&made));
        let seen = read(&page);
        // The page itself is the one that tells: a search that does not see it sees nothing.
        let mut told = Texts::default();
        told.add("page", &page.text);
        assert_eq!(told.telling_number(&seen), ["page"]);
        live(recorder, &urn(&made), &seen, number);
        if number == 0 {
            set_status(recorder.client, &urn(&made), "frozen");
            let refused = recorder.client.with_key(None).get(&link(&made));
            recorder.texts.add("a frozen card's page", refused.text);
        }
        cards.push(urn(&made));
        shown.push(seen);
    }
    (cards, shown)
}

/// What the tools say of the data.
fn add_tools(texts: &mut Texts, data: &Path, card: &str) {
    for words in [
        vec!["inspect", "log"],
        vec!["inspect", "card", card],
        vec!["inspect", "snapshots"],
        vec!["verify"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_cardwright"))
            .args(&words)
            .arg("--data-dir")
            .arg(data)
            .output()
            .unwrap();
        assert!(!output.stdout.is_empty(), "{words:?}: {output:?}");
        texts.add(
            &format!("{words:?}"),
            [output.stdout, output.stderr].concat(),
        );
    }
}

#[test]
fn a_number_is_shown_on_its_page_and_is_nowhere_else() {
    let settings = [
        ("CARDWRIGHT_LOG__LEVEL", "debug"),
        ("CARDWRIGHT_LOG__FORMAT", "json"),
        ("CARDWRIGHT_JOURNAL__SEGMENT_MIB", "4"),
        ("CARDWRIGHT_SNAPSHOTS__KEEP", "1"),
    ];
    let mut server = Server::with(&settings);
    let client = server.client();
    let mut recorder = Recorder {
        client: &client,
        texts: Texts::default(),
    };
    let (cards, shown) = cards(&mut recorder);
    let key_before = key_of(&server);
    recorder
        .send(("POST", "/v1/vault/keys"), &Value::Null)
        .expect(202);
    server::wait_until("the rotation ends", || {
        let told = client.get("/v1/vault/keys").expect(200);
        told["running"] == false && told["finished"] == true
    });
    let keys = [key_before, key_of(&server)];
    assert_ne!(keys[0], keys[1]);
    recorder.post("/v1/snapshots", &Value::Null).expect(202);
    server::wait_until("the snapshot is there", || {
        let told = client.get("/v1/snapshots").expect(200);
        told["running"] == false && told["data"].as_array().is_some_and(|list| !list.is_empty())
    });
    for path in [
        "/metrics",
        "/openapi.json",
        "/v1/snapshots",
        "/v1/vault/keys",
        "/api/accounts",
        "/healthz",
    ] {
        recorder.get(path).expect(200);
    }
    let holder = format!("/api/identities/{HOLDER}");
    recorder.get(&holder).expect(200);
    let mut texts = recorder.texts;
    server.terminate();
    add_tools(&mut texts, server.data_dir(), &cards[0]);
    texts.add("the server's own words", server.said());
    texts.add_files(server.data_dir(), &["vault.keys"]);
    assert!(
        server.said().contains("\"level\":\"DEBUG\""),
        "the log is one of much detail"
    );
    nothing_tells(&texts, &shown, &keys);
    doctored(server.data_dir(), &shown);
}

fn nothing_tells(texts: &Texts, shown: &[Shown], keys: &[String; 2]) {
    // The files are read and not packed: what may lie in them is found.
    let found = texts.telling(|text| holds(text, b"a name that lies in the log"));
    assert!(found.iter().any(|what| what.contains("/wal/")), "{found:?}");
    assert!(
        found.iter().any(|what| what.contains("/snapshots/")),
        "{found:?}"
    );
    for card in shown {
        assert_eq!(
            texts.telling_number(card),
            Vec::<&str>::new(),
            "the number of {}",
            &card.pan[12..]
        );
        assert_eq!(
            texts.telling(|text| tells_cvv(text, card)),
            Vec::<&str>::new(),
            "a CVV"
        );
    }
    for key in keys {
        let raw = STANDARD.decode(key).unwrap();
        let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
        let told = texts.telling(|text| {
            let parts = [
                key.trim_end_matches('=').as_bytes(),
                &raw[..16],
                &hex.as_bytes()[..32],
            ];
            parts.iter().any(|part| holds(text, part))
        });
        assert_eq!(told, Vec::<&str>::new(), "a key of the vault");
    }
}

/// The search finds what is planted, in each form.
fn doctored(data: &Path, shown: &[Shown]) {
    let card = &shown[0];
    for (place, form) in forms(&card.pan).into_iter().enumerate() {
        let mut texts = Texts::default();
        let file = data.join("wal").join("planted");
        fs::write(&file, [b"before".as_slice(), &form, b"after"].concat()).unwrap();
        texts.add_files(data, &["vault.keys"]);
        let telling = texts.telling_number(card);
        assert_eq!(telling.len(), 1, "form {place}: {telling:?}");
        assert!(telling[0].ends_with("planted"));
        fs::remove_file(&file).unwrap();
    }
    let mut texts = Texts::default();
    texts.add("planted", format!("{{\"Cvv\": \"{}\"}}", card.cvv));
    assert_eq!(texts.telling(|text| tells_cvv(text, card)), ["planted"]);
}

/// The active key of the server's file, base64.
fn key_of(server: &Server) -> String {
    let text = fs::read_to_string(server.data_dir().join("vault.keys")).unwrap();
    let (_, key) = text.lines().last().unwrap().split_once(':').unwrap();
    key.to_owned()
}
