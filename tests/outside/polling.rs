//! Rates from a file and from a URL, by the real program.

use std::{path::Path, time::Duration};

use crate::{
    pages::{Page, Pages},
    server::{Client, Server, wait_until},
};

fn rate(client: &Client, base: &str) -> Option<String> {
    let told = client.get("/v1/rates").expect(200);
    let rates = told["rates"].as_array().unwrap().iter();
    let rate = rates.clone().find(|rate| rate["base"] == base)?;
    Some(rate["rate"].as_str().unwrap().to_owned())
}

fn failures(client: &Client) -> u64 {
    let text = client.get("/metrics").text;
    let line = text.lines().find(|line| {
        line.starts_with("cardwright_fetches_total")
            && line.contains("failed")
            && line.contains("rates")
    });
    line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}

/// Written beside it and renamed, as it should be.
fn write(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, path).unwrap();
}

#[test]
fn a_file_is_read_at_the_start_and_when_it_changes() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("rates.json");
    let one = |rate: &str| format!(r#"{{"rates":[{{"base":"USD","quote":"COP","rate":{rate}}}]}}"#);
    write(&file, &one("\"4012.55\""));
    let settings = [("CARDWRIGHT_RATES__FILE", file.to_str().unwrap())];
    let mut server = Server::on(&temp.path().join("data"), &settings);
    let client = server.client();
    let is = |client: &Client, expect: &str| rate(client, "USD").as_deref() == Some(expect);
    assert!(
        is(&client, "4012.55"),
        "it is there from the first request on"
    );
    write(&file, &one("4013.5"));
    wait_until("the new rate", || is(&client, "4013.5"));
    for wrong in ["", "[]", "{\"rates\":", &one("0"), &one("\"x\"")] {
        let before = failures(&client);
        write(&file, wrong);
        wait_until("a failure", || failures(&client) > before);
        assert!(is(&client, "4013.5"), "{wrong}");
    }
    std::fs::remove_file(&file).unwrap();
    server.restart();
    let client = server.client();
    assert!(is(&client, "4013.5"), "the last good one, without the file");
    // A file that lies there since long has old rates, whenever it is read.
    let old = file.with_extension("old");
    std::fs::write(&old, one("4014")).unwrap();
    let long_ago = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let opened = std::fs::File::options().write(true).open(&old).unwrap();
    opened.set_modified(long_ago).unwrap();
    std::fs::rename(&old, &file).unwrap();
    let unchanged = || {
        let text = client.get("/metrics").text;
        text.lines().any(|line| {
            line.contains("rates") && line.contains("unchanged") && !line.ends_with(" 0")
        })
    };
    wait_until("the old file is read", unchanged);
    assert!(is(&client, "4013.5"), "older than what is known");
}

#[test]
fn a_url_is_polled_and_the_last_good_rates_stand() {
    let temp = tempfile::tempdir().unwrap();
    let pages = Pages::start();
    let page = |body: &str, etag: &str| Page::json(body).with("etag", etag);
    let table =
        r#"{"base":"USD","date":"x","rates":{"USD":1,"COP":4012.55,"BTC":1e-05,"EUR":9.2e-1}}"#;
    pages.set("/latest?key=hidden", page(table, "\"1\""));
    let url = pages.url("/latest?key=hidden");
    let settings = [
        ("CARDWRIGHT_RATES__URL", url.as_str()),
        ("CARDWRIGHT_RATES__POLL_S", "1"),
        ("CARDWRIGHT_OUTGOING__ALLOW_PRIVATE", "true"),
    ];
    let mut server = Server::on(&temp.path().join("data"), &settings);
    let client = server.client();
    let told = || client.get("/v1/rates").expect(200)["rates"].clone();
    wait_until("the rates", || told().as_array().unwrap().len() == 2);
    assert_eq!(told()[0]["rate"], "4012.55");
    assert_eq!(told()[1]["rate"], "0.92");
    let source = told()[0]["source"].as_str().unwrap().to_owned();
    assert!(
        source.contains("/latest") && !source.contains("hidden"),
        "{source}"
    );
    let knowing = || {
        pages
            .visits("/latest?key=hidden")
            .contains(&("\"1\"".into(), 304))
    };
    wait_until("a visit that knows the document", knowing);
    let before = failures(&client);
    pages.set(
        "/latest?key=hidden",
        page(r#"{"base":"USD","rates":{"COP":0}}"#, "\"2\""),
    );
    wait_until("a failure", || failures(&client) > before);
    assert_eq!(told()[0]["rate"], "4012.55");
    pages.set(
        "/latest?key=hidden",
        page(r#"{"base":"USD","rates":{"COP":"4100"}}"#, "\"3\""),
    );
    wait_until("the new rate", || told()[0]["rate"] == "4100");
    pages.close();
    let before = failures(&client);
    wait_until("a failure", || failures(&client) > before);
    assert_eq!(told()[0]["rate"], "4100");
    server.restart();
    let client = server.client();
    let told = client.get("/v1/rates").expect(200)["rates"].clone();
    assert_eq!(
        told[0]["rate"], "4100",
        "after a restart without the service"
    );
    assert!(
        !server.said().contains("hidden"),
        "the log has the URL's secret"
    );
}

#[test]
fn a_private_url_is_not_polled_unless_that_is_allowed() {
    let temp = tempfile::tempdir().unwrap();
    let pages = Pages::start();
    pages.set(
        "/latest",
        Page::json(r#"{"base":"USD","rates":{"COP":4012.55}}"#),
    );
    let url = pages.url("/latest");
    let settings = [("CARDWRIGHT_RATES__URL", url.as_str())];
    let server = Server::on(&temp.path().join("data"), &settings);
    let client = server.client();
    wait_until("a failure", || failures(&client) > 0);
    assert_eq!(rate(&client, "USD"), None);
    assert_eq!(pages.visits("/latest"), []);
    assert!(
        server.said().contains("outgoing.allow_private"),
        "{}",
        server.said()
    );
}
