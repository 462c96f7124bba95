//! Renders requests from prepared pieces into reused buffers.

use serde_json::json;

/// Hexadecimal digits of a run, a connection and a sequence number, with their separators.
const RUN_DIGITS: u32 = 8;
const LANE_DIGITS: u32 = 8;
const SEQUENCE_DIGITS: u32 = 8;

/// An amount far above any balance the setup deposits, in dollars.
const UNAFFORDABLE: &[u8] = b"999999999999.00";

/// Issues transaction ids that no other connection, phase or run issues.
#[derive(Clone, Debug)]
pub(super) struct TransactionIds {
    run: u64,
    lane: u64,
    sequence: u64,
}

impl TransactionIds {
    /// `lane` names the connection and phase; `run` the run.
    pub(super) fn new(run: u64, lane: u64) -> Self {
        Self {
            run,
            lane,
            sequence: 0,
        }
    }

    fn append_next(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"bench-");
        append_hex(out, self.run, RUN_DIGITS);
        out.push(b'-');
        append_hex(out, self.lane, LANE_DIGITS);
        out.push(b'-');
        append_hex(out, self.sequence, SEQUENCE_DIGITS);
        self.sequence += 1;
    }
}

/// How much an authorization asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Price {
    /// Hundredths of a dollar.
    Cents(usize),
    /// More than any card has.
    Unaffordable,
}

impl Price {
    fn append(self, out: &mut Vec<u8>) {
        match self {
            Self::Cents(cents) => {
                append_decimal(out, cents / 100);
                out.push(b'.');
                append_digit(out, cents / 10 % 10);
                append_digit(out, cents % 10);
            }
            Self::Unaffordable => out.extend_from_slice(UNAFFORDABLE),
        }
    }
}

/// The prepared pieces, shared by all connections of a run.
#[derive(Clone, Debug)]
pub(super) struct Templates {
    headers: Vec<u8>,
    shops: Vec<Vec<u8>>,
    /// The same of a transaction's meta data.
    notes: Vec<Vec<u8>>,
}

impl Templates {
    pub(super) fn new(host: &str, key: &str) -> Self {
        let headers = format!(
            " HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\
             User-Agent: cardwright-bench\r\nAccept: application/json\r\n\
             Content-Type: application/json\r\nContent-Length: "
        );
        Self {
            headers: headers.into_bytes(),
            shops: SHOPS.iter().map(shop).collect(),
            notes: SHOPS.iter().map(note).collect(),
        }
    }

    pub(super) fn shop_count(&self) -> usize {
        self.shops.len()
    }

    /// Appends one authorization request's body.
    pub(super) fn append_authorization(
        &self,
        out: &mut Vec<u8>,
        ids: &mut TransactionIds,
        (card, shop, price): (&[u8], usize, Price),
    ) {
        out.extend_from_slice(b"{\"transaction_id\":\"");
        ids.append_next(out);
        out.extend_from_slice(b"\",\"card\":\"");
        out.extend_from_slice(card);
        out.extend_from_slice(b"\",\"transaction_type\":\"PURCHASE\",\"local_amount\":\"");
        price.append(out);
        out.extend_from_slice(self.shops.get(shop).map_or(&[], Vec::as_slice));
        price.append(out);
        out.extend_from_slice(b"\",\"partial_approval\":false,\"capture\":false}");
    }

    /// Appends the body of a step that follows an authorization, for all that is left.
    pub(super) fn append_step(out: &mut Vec<u8>, ids: &mut TransactionIds) {
        out.extend_from_slice(b"{\"transaction_id\":\"");
        ids.append_next(out);
        out.extend_from_slice(b"\"}");
    }

    /// Appends the body of an inflight transaction of the ledger face.
    pub(super) fn append_payment(
        &self,
        out: &mut Vec<u8>,
        ids: &mut TransactionIds,
        (from, to, shop, price): (&[u8], &[u8], usize, Price),
    ) {
        out.extend_from_slice(b"{\"amount\":");
        price.append(out);
        out.extend_from_slice(b",\"precision\":100,\"currency\":\"USD\",\"reference\":\"");
        ids.append_next(out);
        out.extend_from_slice(b"\",\"description\":\"Card purchase\",\"source\":\"");
        out.extend_from_slice(from);
        out.extend_from_slice(b"\",\"destination\":\"");
        out.extend_from_slice(to);
        out.extend_from_slice(b"\",\"inflight\":true,\"skip_queue\":true,\"meta_data\":");
        out.extend_from_slice(self.notes.get(shop).map_or(b"{}", Vec::as_slice));
        out.push(b'}');
    }

    /// Writes the whole request; `path` comes in pieces.
    pub(super) fn write_request(
        &self,
        out: &mut Vec<u8>,
        (method, path): (&[u8], [&[u8]; 3]),
        body: &[u8],
    ) {
        out.clear();
        out.extend_from_slice(method);
        out.push(b' ');
        for piece in path {
            out.extend_from_slice(piece);
        }
        out.extend_from_slice(&self.headers);
        append_decimal(out, body.len());
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(body);
    }
}

/// Name, category code and city of a merchant, and how the card is presented there.
type Shop = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const SHOPS: [Shop; 8] = [
    (
        "AMAZON.COM",
        "5942",
        "Seattle",
        "CREDENTIAL_ON_FILE",
        "ECOMMERCE",
    ),
    ("WHOLE FOODS MARKET", "5411", "Austin", "CONTACTLESS", "POS"),
    (
        "STARBUCKS STORE 00421",
        "5814",
        "New York",
        "CONTACTLESS",
        "POS",
    ),
    ("SHELL OIL 57444", "5541", "Houston", "CHIP", "POS"),
    (
        "UBER TRIP",
        "4121",
        "San Francisco",
        "CREDENTIAL_ON_FILE",
        "ECOMMERCE",
    ),
    ("WALGREENS #3321", "5912", "Chicago", "CHIP", "POS"),
    (
        "NETFLIX.COM",
        "4899",
        "Los Gatos",
        "CREDENTIAL_ON_FILE",
        "ECOMMERCE",
    ),
    ("OLIVE GARDEN 1533", "5812", "Orlando", "MAG_STRIPE", "POS"),
];

/// The piece of a body between its two amounts.
fn shop((name, mcc, city, entry_mode, point_type): &Shop) -> Vec<u8> {
    let merchant = json!({
        "id": format!("m-{mcc}"), "name": name, "mcc": mcc, "city": city, "country": "USA",
        "address": null, "terminal_id": null,
    });
    let medium = json!({
        "entry_mode": entry_mode, "point_type": point_type, "origin": "DOMESTIC",
        "network": "VISA", "tokenization_wallet_name": null,
    });
    format!(
        "\",\"local_currency\":\"USD\",\"merchant\":{merchant},\"medium\":{medium},\
         \"usd_amount\":\""
    )
    .into_bytes()
}

/// The meta data of a transaction: what the network face is told too.
fn note((name, mcc, city, entry_mode, point_type): &Shop) -> Vec<u8> {
    let note = json!({
        "merchant_name": name, "mcc": mcc, "city": city, "country": "USA",
        "entry_mode": entry_mode, "point_type": point_type, "network": "VISA",
    });
    note.to_string().into_bytes()
}

fn append_hex(out: &mut Vec<u8>, value: u64, digits: u32) {
    for digit in (0..digits).rev() {
        let nibble = u8::try_from((value >> (digit * 4)) & 0xF).unwrap_or(0);
        out.push(if nibble < 10 {
            b'0' + nibble
        } else {
            b'a' + nibble - 10
        });
    }
}

fn append_decimal(out: &mut Vec<u8>, value: usize) {
    let mut scale = 1;
    while value / scale >= 10 {
        scale *= 10;
    }
    while scale > 0 {
        append_digit(out, value / scale % 10);
        scale /= 10;
    }
}

fn append_digit(out: &mut Vec<u8>, digit: usize) {
    out.push(b'0' + u8::try_from(digit).unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn body(templates: &Templates, ids: &mut TransactionIds, shop: usize, price: Price) -> Value {
        let mut out = Vec::new();
        templates.append_authorization(&mut out, ids, (b"did:bloque:card", shop, price));
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn every_shop_renders_valid_json() {
        let templates = Templates::new("h", "k");
        let mut ids = TransactionIds::new(1, 2);
        for shop in 0..templates.shop_count() {
            let body = body(&templates, &mut ids, shop, Price::Cents(1234));
            assert_eq!(body["card"], "did:bloque:card");
            assert_eq!(body["local_amount"], "12.34");
            assert_eq!(body["usd_amount"], "12.34");
            assert_eq!(body["merchant"]["mcc"].as_str().unwrap().len(), 4);
            assert_eq!(body["medium"]["network"], "VISA");
            assert_eq!(body["capture"], false);
        }
    }

    #[test]
    fn every_payment_is_valid_json() {
        let templates = Templates::new("h", "k");
        let mut ids = TransactionIds::new(1, 2);
        for shop in 0..templates.shop_count() {
            let mut out = Vec::new();
            let payment = (&b"bln_1"[..], &b"@M"[..], shop, Price::Cents(5));
            templates.append_payment(&mut out, &mut ids, payment);
            let body: Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(
                (&body["source"], &body["destination"]),
                (&json!("bln_1"), &json!("@M"))
            );
            assert_eq!(
                (&body["amount"], &body["inflight"]),
                (&json!(0.05), &json!(true))
            );
            assert_eq!(body["meta_data"]["mcc"].as_str().unwrap().len(), 4);
        }
    }

    #[test]
    fn amounts_have_two_digits_after_the_point() {
        let templates = Templates::new("h", "k");
        let mut ids = TransactionIds::new(1, 2);
        for (price, text) in [
            (Price::Cents(1), "0.01"),
            (Price::Cents(9999), "99.99"),
            (Price::Cents(1000), "10.00"),
            (Price::Unaffordable, "999999999999.00"),
        ] {
            assert_eq!(body(&templates, &mut ids, 0, price)["local_amount"], text);
        }
    }

    #[test]
    fn ids_are_unique_over_lanes_and_steps() {
        let templates = Templates::new("h", "k");
        let mut seen = BTreeSet::new();
        for lane in [0, 1, 0x01_0000] {
            let mut ids = TransactionIds::new(0xABCD_EF01_2345, lane);
            for _ in 0..1000 {
                let id = body(&templates, &mut ids, 0, Price::Cents(5))["transaction_id"].clone();
                assert!(seen.insert(id.as_str().unwrap().to_owned()), "{id} twice");
                let mut step = Vec::new();
                Templates::append_step(&mut step, &mut ids);
                let step: Value = serde_json::from_slice(&step).unwrap();
                assert!(seen.insert(step["transaction_id"].as_str().unwrap().to_owned()));
            }
        }
        assert!(
            seen.iter().all(|id| id.len() == "bench-".len() + 26),
            "{:?}",
            seen.first()
        );
    }

    #[test]
    fn requests_carry_their_length() {
        let templates = Templates::new("127.0.0.1:80", "sk_x");
        for len in [0, 9, 10, 12345] {
            let body = vec![b' '; len];
            let mut out = b"old".to_vec();
            templates.write_request(&mut out, (b"PUT", [b"/a/", b"1", b"/b"]), &body);
            let mut headers = [httparse::EMPTY_HEADER; 16];
            let mut request = httparse::Request::new(&mut headers);
            let head = request.parse(&out).unwrap().unwrap();
            assert_eq!(
                (request.method, request.path),
                (Some("PUT"), Some("/a/1/b"))
            );
            assert_eq!(out.len() - head, len);
            let length = request
                .headers
                .iter()
                .find(|header| header.name == "Content-Length");
            assert_eq!(length.unwrap().value, len.to_string().as_bytes());
        }
    }
}
