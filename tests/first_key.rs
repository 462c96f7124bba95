//! A server that is no sandbox gets its first key from the environment.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first fault"
)]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

const ROOT: &str = "sk_root_of_the_test_0123456789";

struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(dir: &std::path::Path, key: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_cardwright"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(dir.join("data"))
        .env("CARDWRIGHT_ROOT_KEY", key)
        .env("CARDWRIGHT_JOURNAL__MIN_FREE_MIB", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn ask(url: &str, key: &str, body: &Value) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut answer = agent
        .post(url)
        .header("authorization", format!("Bearer {key}"))
        .send_json(body)
        .unwrap();
    (
        answer.status().as_u16(),
        answer.body_mut().read_json().unwrap(),
    )
}

#[test]
fn the_root_key_opens_a_programme_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Stopped(serve(dir.path(), ROOT));
    let mut line = String::new();
    let stdout = server.0.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert!(line.get("sandbox").is_none(), "{line}");
    let api = format!("http://{}", line["listening"].as_str().unwrap());
    let (status, origin) = ask(
        &format!("{api}/v1/origins"),
        ROOT,
        &serde_json::json!({"name": "acme"}),
    );
    assert_eq!(status, 201, "{origin}");
    let card = serde_json::json!({"holder_urn": "did:bloque:acme:ann", "input": {"create": {"card_type": "VIRTUAL"}}});
    let mediums = format!("{api}/api/mediums/card");
    assert_eq!(
        ask(&mediums, ROOT, &card).0,
        403,
        "the root key makes no cards"
    );
    let own = origin["api_key"].as_str().unwrap();
    assert_eq!(ask(&mediums, own, &card).0, 201, "the programme's key does");
    let (status, _) = ask(
        &format!("{api}/v1/origins"),
        own,
        &serde_json::json!({"name": "other"}),
    );
    assert_eq!(status, 403, "a programme opens no other");
}

#[test]
fn a_short_root_key_is_refused_and_not_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let output = serve(dir.path(), "short-secret")
        .wait_with_output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("CARDWRIGHT_ROOT_KEY") && !said.contains("short-secret"),
        "{said}"
    );
}
