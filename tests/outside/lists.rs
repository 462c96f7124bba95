//! Lists of merchant categories: fetched when wanted, refreshed, kept when a fetch fails, and known
//! again after a restart.

use std::{path::Path, sync::Arc, time::Duration};

use cardwright::{
    actors::Engine,
    config::Config,
    domain::{decide::decide, merchant::Mcc},
    outside::{
        client::{Client, Limits},
        lists,
    },
};

use crate::{
    engine::Running,
    pages::{Page, Pages},
    server::wait_until,
};

fn running(dir: &Path) -> Running {
    let mut config = Config::load(None, std::iter::empty()).unwrap();
    config.data.dir = dir.join("data");
    Running::on(&config, decide)
}

fn fetch(engine: &Arc<Engine>, allow_private: bool) {
    let client = Client::new(Limits {
        connect: Duration::from_secs(2),
        total: Duration::from_secs(5),
        body_bytes_max: 100_000,
        allow_private,
    });
    lists::start(engine, &client, Duration::from_millis(20));
}

fn codes(engine: &Engine, url: &str) -> Option<Vec<u16>> {
    let lists = engine.shared.facts.lists.load();
    Some(lists.get(url)?.iter().map(|mcc| mcc.code()).collect())
}

#[test]
fn a_wanted_list_is_fetched_refreshed_and_kept() {
    let temp = tempfile::tempdir().unwrap();
    let pages = Pages::start();
    let url: Arc<str> = pages.url("/food?token=hidden").into();
    let page = |body: &str, etag: &str| Page::json(body).with("etag", etag);
    pages.set(
        "/food?token=hidden",
        page(r#"["5812", "5411", 742]"#, "\"1\""),
    );
    {
        let engine = running(temp.path());
        fetch(&engine, true);
        assert_eq!(codes(&engine, &url), None, "nobody wants it yet");
        assert!(engine.shared.facts.wanted.want(&url));
        let is = |expect: &[u16]| codes(&engine, &url).as_deref() == Some(expect);
        wait_until("the list", || is(&[742, 5411, 5812]));
        let unchanged = || {
            pages
                .visits("/food?token=hidden")
                .contains(&("\"1\"".into(), 304))
        };
        wait_until("a visit that knows the list", unchanged);
        pages.set("/food?token=hidden", page(r#"["5411"]"#, "\"2\""));
        wait_until("the new list", || is(&[5411]));
        // Whatever comes instead of a list, the last good one stands.
        let failed = &engine.shared.metrics.lists.failed;
        for wrong in [
            Page::json(r#"{"no":"list"}"#),
            Page::json(r#"["54111"]"#),
            Page::json("[".repeat(50_000)),
            Page::json(format!("[{}1]", "1,".repeat(10_000))),
            Page::json("x".repeat(200_000)),
            Page::status(500),
        ] {
            let before = failed.get();
            pages.set("/food?token=hidden", wrong);
            wait_until("a failure", || failed.get() > before);
            assert!(is(&[5411]));
        }
        pages.close();
        let before = failed.get();
        wait_until("a failure", || failed.get() > before);
        assert!(is(&[5411]));
    }
    let again = running(temp.path());
    assert_eq!(codes(&again, &url), Some(vec![5411]), "after a restart");
    let lists = again.shared.facts.lists.load();
    assert_eq!(lists.list(&url).unwrap().etag.as_deref(), Some("\"2\""));
    assert_eq!(lists.has(&url, Mcc::new(5411).unwrap()), Some(true));
}

#[test]
fn a_private_list_is_not_fetched_unless_that_is_allowed() {
    let temp = tempfile::tempdir().unwrap();
    let pages = Pages::start();
    pages.set("/food", Page::json(r#"["5411"]"#));
    let url: Arc<str> = pages.url("/food").into();
    let engine = running(temp.path());
    fetch(&engine, false);
    engine.shared.facts.wanted.want(&url);
    let failed = &engine.shared.metrics.lists.failed;
    wait_until("a failure", || failed.get() > 1);
    assert_eq!(codes(&engine, &url), None);
    assert_eq!(pages.visits("/food"), []);
}

#[test]
fn a_slow_list_holds_up_no_other() {
    let temp = tempfile::tempdir().unwrap();
    let pages = Pages::start();
    let mut slow = Page::json(r#"["5411", "5411", "5411", "5411", "5411"]"#);
    slow.drip = Some(Duration::from_millis(200));
    pages.set("/slow", slow);
    pages.set("/quick", Page::json(r#"["5812"]"#));
    let engine = running(temp.path());
    fetch(&engine, true);
    let (slow, quick): (Arc<str>, Arc<str>) =
        (pages.url("/slow").into(), pages.url("/quick").into());
    engine.shared.facts.wanted.want(&slow);
    wait_until("the slow one is asked", || {
        !pages.visits("/slow").is_empty()
    });
    engine.shared.facts.wanted.want(&quick);
    wait_until("the quick one", || codes(&engine, &quick).is_some());
    assert_eq!(codes(&engine, &slow), None, "the slow one is still coming");
}
