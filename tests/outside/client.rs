//! The client's limits: where it goes, how long it waits, how much it takes.

use std::time::{Duration, Instant};

use cardwright::outside::client::{Client, FetchError, Fetched, Limits};

use crate::pages::{Page, Pages};

fn limits() -> Limits {
    Limits {
        connect: Duration::from_secs(5),
        total: Duration::from_secs(10),
        body_bytes_max: 1_000,
        allow_private: true,
    }
}

fn open() -> Client {
    Client::new(limits())
}

fn strict() -> Client {
    Client::new(Limits {
        allow_private: false,
        ..limits()
    })
}

fn body(fetched: Result<Fetched, FetchError>) -> String {
    match fetched.unwrap() {
        Fetched::Body { bytes, .. } => String::from_utf8(bytes).unwrap(),
        Fetched::Unchanged => "unchanged".to_owned(),
    }
}

#[test]
fn a_page_comes_and_is_not_sent_twice() {
    let pages = Pages::start();
    pages.set("/a", Page::json("[1]").with("etag", "\"v1\""));
    let first = open().get(&pages.url("/a"), None).unwrap();
    let etag = Some("\"v1\"".to_owned());
    let bytes = b"[1]".to_vec();
    assert_eq!(first, Fetched::Body { bytes, etag });
    assert_eq!(
        body(open().get(&pages.url("/a"), Some("\"v1\""))),
        "unchanged"
    );
    assert_eq!(body(open().get(&pages.url("/a"), Some("\"v0\""))), "[1]");
    let known = |etag: &str, status| (etag.to_owned(), status);
    let expect = [known("", 200), known("\"v1\"", 304), known("\"v0\"", 200)];
    assert_eq!(pages.visits("/a"), expect);
}

#[test]
fn private_addresses_are_not_reached_by_whichever_name() {
    let pages = Pages::start();
    pages.set("/a", Page::json("secret"));
    let port = pages.address().rsplit(':').next().unwrap();
    for host in [
        "127.0.0.1",
        "localhost",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "127.1",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "user:pass@127.0.0.1",
    ] {
        let url = format!("http://{host}:{port}/a");
        match strict().get(&url, None) {
            // Some notations are no host at all for some resolvers.
            Err(FetchError::Private | FetchError::Transport(_) | FetchError::Url) => {}
            other => panic!("{host}: {other:?}"),
        }
    }
    for host in ["127.0.0.1", "localhost", "0.0.0.0"] {
        let url = format!("http://{host}:{port}/a");
        let refused = strict().get(&url, None);
        assert!(
            matches!(refused, Err(FetchError::Private)),
            "{host}: {refused:?}"
        );
    }
    assert_eq!(pages.visits("/a"), [], "nobody came");
    assert_eq!(body(open().get(&pages.url("/a"), None)), "secret");
}

#[test]
fn addresses_of_clouds_and_private_networks_are_refused_before_a_connection() {
    for host in [
        "169.254.169.254",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[64:ff9b::a9fe:a9fe]",
    ] {
        let begun = Instant::now();
        let refused = strict().get(&format!("http://{host}/"), None);
        assert!(
            matches!(refused, Err(FetchError::Private)),
            "{host}: {refused:?}"
        );
        assert!(begun.elapsed() < Duration::from_secs(4), "{host} was tried");
    }
}

#[test]
fn redirects_are_few_and_lead_nowhere_else() {
    let pages = Pages::start();
    pages.set("/a", Page::json("there"));
    pages.set("/to", Page::to(&pages.url("/a")));
    pages.set("/file", Page::to("file:///etc/passwd"));
    pages.set(
        "/gopher",
        Page::to(&format!("gopher://{}/a", pages.address())),
    );
    pages.set("/round", Page::to(&pages.url("/round")));
    assert_eq!(body(open().get(&pages.url("/to"), None)), "there");
    for path in ["/file", "/gopher", "/round"] {
        let refused = open().get(&pages.url(path), None);
        assert!(refused.is_err(), "{path}: {refused:?}");
    }
    assert!(pages.visits("/round").len() < 10);
}

#[test]
fn other_urls_are_refused() {
    for url in [
        "",
        "x",
        "/etc/passwd",
        "file:///etc/passwd",
        "ftp://a.example/",
        "http://",
    ] {
        let refused = open().get(url, None);
        assert!(
            matches!(refused, Err(FetchError::Url)),
            "{url}: {refused:?}"
        );
    }
}

#[test]
fn too_much_and_too_slow_and_wrong_answers_are_errors() {
    let pages = Pages::start();
    pages.set("/full", Page::json("x".repeat(1_000)));
    pages.set("/large", Page::json("x".repeat(1_001)));
    let mut endless = Page::json("x".repeat(900));
    endless.drip = Some(Duration::from_millis(50));
    pages.set("/slow", endless);
    pages.set("/gone", Page::status(500));
    pages.set("/empty", Page::status(204));
    pages.set("/same", Page::status(304));
    let get = |path: &str| open().get(&pages.url(path), None);
    assert_eq!(body(get("/full")).len(), 1_000);
    assert!(matches!(
        get("/large"),
        Err(FetchError::TooLarge { max: 1_000 })
    ));
    assert!(matches!(get("/gone"), Err(FetchError::Status(500))));
    assert!(matches!(get("/empty"), Err(FetchError::Status(204))));
    assert!(
        matches!(get("/same"), Err(FetchError::Status(304))),
        "nothing was known"
    );
    assert!(matches!(get("/none"), Err(FetchError::Status(404))));
    let hasty = Client::new(Limits {
        total: Duration::from_millis(300),
        ..limits()
    });
    let begun = Instant::now();
    let slow = hasty.get(&pages.url("/slow"), None);
    assert!(matches!(slow, Err(FetchError::Slow)), "{slow:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "it gave up in time"
    );
    let url = pages.url("/full");
    pages.close();
    assert!(open().get(&url, None).is_err());
}
