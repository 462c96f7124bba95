//! Bodies that are no JSON, and requests that are hardly HTTP.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::{
    alive, prepared, refusal, routes,
    server::{self, KEY, Rng, Server, purchase},
};

fn lists(depth: usize, inner: &str) -> String {
    format!("{}{inner}{}", "[".repeat(depth), "]".repeat(depth))
}

fn objects(depth: usize) -> String {
    format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth))
}

#[test]
fn bodies_that_are_no_json_are_refused() {
    let (_server, client, card) = prepared();
    let bodies: Vec<Vec<u8>> = [
        "",
        " ",
        "{",
        "}",
        "[",
        "nul",
        "\"",
        "{\"transaction_id\"",
        "{\"a\":1,}",
        "{'a':1}",
        "{}{}",
        "{} x",
        "\u{feff}{}",
        "<xml/>",
        "a=1&b=2",
        "\\",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\x41\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .chain([
        vec![0; 100],
        vec![0xff, 0xfe],
        b"{\"transaction_id\":\"\xff\xc3\x28\"}".to_vec(),
    ])
    .chain([lists(10_000, ""), lists(10_000, "1"), objects(10_000)].map(String::into_bytes))
    .collect();
    for (path, _) in routes(&card) {
        for body in &bodies {
            let reply = client.send(("POST", path), &[], body);
            let what = format!(
                "{path} {}",
                String::from_utf8_lossy(&body[..body.len().min(40)])
            );
            assert!(
                !refusal(&reply, &what).is_empty(),
                "{what}: no field: {}",
                reply.text
            );
        }
    }
    alive(&client, &card);
}

#[test]
fn deep_values_inside_right_requests_are_refused() {
    let (_server, client, card) = prepared();
    for (path, right) in routes(&card) {
        for field in right.as_object().unwrap().keys() {
            for deep in [lists(10_000, "1"), objects(10_000)] {
                let mark = format!("\"{field}\":{}", right[field]);
                let text = right.to_string();
                assert!(text.contains(&mark), "{mark} in {text}");
                let body = text.replace(&mark, &format!("\"{field}\":{deep}"));
                let reply = client.send(("POST", path), &[], body);
                let named = refusal(&reply, &format!("{path} {field}"));
                assert!(
                    named.starts_with(field.as_str()),
                    "{path} {field}: {}",
                    reply.text
                );
            }
        }
    }
    let batch = format!("[{},{}]", lists(10_000, ""), purchase("ok", &card, "1.00"));
    let told = client
        .send(("POST", "/v1/authorizations/batch"), &[], batch)
        .expect(200);
    assert_eq!(
        (&told[0]["status"], &told[1]["status"]),
        (&400.into(), &200.into())
    );
    alive(&client, &card);
}

#[test]
fn every_truncation_of_a_right_request_is_refused() {
    let (_server, client, card) = prepared();
    for (path, right) in routes(&card) {
        let whole = right.to_string();
        for end in (0..whole.len()).step_by(3) {
            let reply = client.send(("POST", path), &[], &whole.as_bytes()[..end]);
            assert_eq!(reply.status, 400, "{path} {end}: {}", reply.text);
            refusal(&reply, path);
        }
    }
    assert_eq!(client.get("/v1/authorizations/v-1").status, 404);
    alive(&client, &card);
}

#[test]
fn sizes_types_and_methods_are_checked() {
    let (_server, client, card) = prepared();
    for (path, right) in routes(&card) {
        let large = format!("{}{}", " ".repeat(300 << 10), right);
        let reply = client.send(("POST", path), &[], large);
        refusal(&reply, path);
        assert_eq!(reply.status, 413, "{path}");
        for kind in [
            "text/plain",
            "application/xml",
            "x",
            "multipart/form-data; boundary=x",
            "application/json; charset=utf-16",
            "application/json;charset=\"ISO-8859-1\"",
            "",
        ] {
            let reply = client.send(("POST", path), &[("content-type", kind)], right.to_string());
            refusal(&reply, path);
            assert_eq!(reply.status, 415, "{path} {kind}");
        }
        for coding in ["gzip", "br", "identity, gzip"] {
            let headers = [("content-encoding", coding)];
            let reply = client.send(("POST", path), &headers, right.to_string());
            refusal(&reply, path);
            assert_eq!(reply.status, 415, "{path} {coding}");
            assert!(reply.text.contains("Content-Encoding"), "{}", reply.text);
        }
        for method in ["PUT", "PATCH", "DELETE"] {
            let reply = client.send((method, path), &[], right.to_string());
            assert!(
                [404, 405].contains(&reply.status),
                "{method} {path}: {reply:?}"
            );
            refusal(&reply, &format!("{method} {path}"));
        }
    }
    for path in [
        "/",
        "/v2/authorizations",
        "/v1",
        "/v1/authorizations/",
        "/v1//authorizations",
    ] {
        refusal(&client.post(path, &purchase("x", &card, "1.00")), path);
    }
    alive(&client, &card);
}

#[test]
fn random_mutations_never_break_the_server() {
    let seed = server::seed();
    let (_server, client, card) = prepared();
    let mut rng = Rng::new(seed);
    let mut routes = routes(&card);
    routes.retain(|(path, _)| !path.ends_with("seed"));
    let batch = serde_json::json!([routes[0].1, routes[0].1]);
    routes.push(("/v1/authorizations/batch", batch));
    let (mut refused, mut taken) = (0, 0);
    for turn in 0..4_000 {
        let (path, right) = &routes[turn % routes.len()];
        let body = mutate(right.to_string().into_bytes(), &mut rng);
        let reply = client.send(("POST", path), &[], &body);
        let what = format!(
            "seed {seed}, turn {turn}: {path} {}",
            String::from_utf8_lossy(&body)
        );
        if reply.status < 300 {
            taken += 1;
            continue;
        }
        refused += 1;
        refusal(&reply, &what);
        let has_field = reply.json["error"]["field"].is_string();
        assert!(
            has_field || ![400, 422].contains(&reply.status),
            "{what}: {}",
            reply.text
        );
    }
    assert!(
        refused > 500 && taken > 50,
        "{refused} refused, {taken} taken"
    );
    alive(&client, &card);
}

fn mutate(mut bytes: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    const SPICE: &[u8] = b"\"\\{}[],:-+.eE0129 \n\0\x7f\x80\xc3\xffnulltruefalse/u";
    for _ in 0..=rng.below(3) {
        let at = rng
            .below(bytes.len().max(1))
            .min(bytes.len().saturating_sub(1));
        let byte = if rng.below(2) == 0 {
            SPICE[rng.below(SPICE.len())]
        } else {
            u8::try_from(rng.below(256)).unwrap()
        };
        match rng.below(5) {
            _ if bytes.is_empty() => bytes.push(byte),
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            2 => drop(bytes.remove(at)),
            3 => bytes[at] ^= 1 << rng.below(8),
            _ => {
                let end = (at + 1 + rng.below(12)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = rng.below(bytes.len());
                bytes.splice(to..to, piece);
            }
        }
    }
    bytes
}

/// Sends bytes as they are; the status of the answer, or nothing if the connection just ended.
fn raw(address: &str, request: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let _ = stream.write_all(request);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer);
    text.split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
}

#[test]
fn probes_may_ask_for_heads_alone() {
    let server = Server::start();
    for path in ["/healthz", "/readyz", "/metrics"] {
        let asked = format!("HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let status = raw(server.address(), asked.as_bytes());
        assert_eq!(status, Some(200), "{path}");
    }
}

#[test]
fn what_is_hardly_http_is_refused_and_harms_nobody() {
    let (server, client, card) = prepared();
    let head = |line: &str, more: &str| {
        format!("{line}\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n{more}\r\n").into_bytes()
    };
    let long = "a".repeat(200_000);
    let body = purchase("half", &card, "1.00").to_string();
    let json = "Content-Type: application/json\r\n";
    let mut requests = vec![
        b"\0\0\0\0\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        head("GET /v1/authorizations/%ff%fe HTTP/1.1", ""),
        head("GET /v1/authorizations/%00 HTTP/1.1", ""),
        head("GET /v1/authorizations/%2e%2e%2f%2e%2e HTTP/1.1", ""),
        head("GET /v1/authorizations?card=%ff&limit=%f0%9f HTTP/1.1", ""),
        head("GET /v1/authorizations?%%%=&&&= HTTP/1.1", ""),
        head(&format!("GET /v1/authorizations/{long} HTTP/1.1"), ""),
        head(
            "GET /v1/authorizations/x HTTP/1.1",
            &format!("X-Long: {long}\r\n"),
        ),
        head("BREW /v1/authorizations HTTP/1.1", ""),
        head("POST /v1/authorizations HTTP/1.1", "Content-Length: -1\r\n"),
        head(
            "POST /v1/authorizations HTTP/1.1",
            "Content-Length: 99999999999999999999\r\n",
        ),
        head(
            "POST /v1/authorizations HTTP/1.1",
            "Transfer-Encoding: chunked\r\n",
        ),
        head(
            "POST /v1/authorizations HTTP/1.1",
            &format!("{json}Content-Encoding: gzip\r\n"),
        ),
    ];
    let mut bad_chunk = head(
        "POST /v1/authorizations HTTP/1.1",
        &format!("{json}Transfer-Encoding: chunked\r\n"),
    );
    bad_chunk.extend_from_slice(b"zz\r\n{}\r\n0\r\n\r\n");
    requests.push(bad_chunk);
    let length = format!("{json}Content-Length: {}\r\n", body.len());
    let mut half = head("POST /v1/authorizations HTTP/1.1", &length);
    half.extend_from_slice(&body.as_bytes()[..body.len() / 2]);
    requests.push(half);
    for request in requests {
        let status = raw(server.address(), &request);
        let shown = String::from_utf8_lossy(&request[..request.len().min(60)]).into_owned();
        assert!(
            status.is_none_or(|status| (400..500).contains(&status)),
            "{shown:?}: {status:?}"
        );
    }
    assert_eq!(client.get("/v1/authorizations/half").status, 404);
    // A key or an id that is no text.
    for name in [
        "Authorization: Bearer \u{e9}",
        "Authorization: ",
        "X-Request-Id: \u{e9}\u{1f}",
    ] {
        let request = format!("GET /v1/authorizations/base HTTP/1.1\r\nHost: x\r\n{name}\r\n\r\n");
        let status = raw(server.address(), request.as_bytes());
        assert!(
            status.is_none_or(|status| (400..500).contains(&status)),
            "{name}: {status:?}"
        );
    }
    alive(&client, &card);
}

#[test]
fn a_body_that_does_not_arrive_is_not_waited_for() {
    let server = Server::with(&[("CARDWRIGHT_SERVER__BODY_S", "1")]);
    let client = server.client();
    let card = client.card(1_000_000);
    let begun = Instant::now();
    let waiting: Vec<_> = [
        ("/v1/authorizations", KEY),
        ("/v1/authorizations/batch", KEY),
        ("/api/mediums/card", KEY),
        ("/ledgers", KEY),
    ]
    .into_iter()
    .map(|(path, key)| {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nX-Blnk-Key: {key}\r\n\
             Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
        );
        stream.write_all(head.as_bytes()).unwrap();
        (path, stream)
    })
    .collect();
    for (path, mut stream) in waiting {
        let mut answer = String::new();
        // To the end: the connection is closed behind the answer.
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{path}: {answer}");
        assert!(answer.contains("did not arrive within"), "{path}: {answer}");
    }
    assert!(begun.elapsed() < Duration::from_secs(15));
    // What is large is not read for nobody, however slowly it comes.
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let wait = Some(Duration::from_secs(20));
    stream.set_read_timeout(wait).unwrap();
    let head =
        "POST /v1/authorizations/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 16000000\r\n\r\n[";
    stream.write_all(head.as_bytes()).unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 401");
    alive(&client, &card);
}
