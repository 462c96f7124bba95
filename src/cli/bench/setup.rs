//! Creates and funds the cards of a run through the API.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::{Value, json};

use super::cards::Cards;
use super::error::{BenchError, excerpt};
use super::progress;
use super::ruled;
use super::target::Target;

const ASSET: &str = "DUSD/6";
/// Cards in one seeding call. Source: the contract of `POST /v1/sandbox/seed`.
const SEED_CARDS_MAX: usize = 10_000;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
const ACTIVE_WITHIN: Duration = Duration::from_secs(60);
const BODY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How the cards came to be.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SetupFacts {
    pub(super) cards: usize,
    /// `seed` or `api`.
    pub(super) way: &'static str,
    pub(super) seconds: f64,
    /// In the asset's smallest unit.
    pub(super) amount_per_card: String,
    pub(super) asset: &'static str,
}

/// What each card, and the hot one besides, gets, in millionths of a dollar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Funding {
    pub(super) per_card: u128,
    pub(super) hot: u128,
}

impl Funding {
    const PER_CARD_MIN: u128 = 100_000_000_000;
    /// Well below what a deliberate decline asks for.
    const MAX: u128 = 100_000_000_000_000_000;

    /// Enough that no card runs dry in `load_s` seconds of load.
    pub(super) fn for_load(load_s: u64, cards: usize) -> Self {
        const ITEMS_PER_SECOND_MAX: u128 = 500_000;
        const ITEM_AMOUNT_MAX: u128 = 100_000_000;
        let total = ITEMS_PER_SECOND_MAX * ITEM_AMOUNT_MAX * u128::from(load_s);
        let per_card = total / cards as u128;
        Self {
            per_card: per_card.clamp(Self::PER_CARD_MIN, Self::MAX),
            hot: total.clamp(Self::PER_CARD_MIN, Self::MAX),
        }
    }
}

/// Makes `count` funded cards; the first gets the hot card's deposit too if `hot`.
pub(super) fn create_cards(
    target: &Target,
    count: usize,
    (funding, hot): (Funding, bool),
    run: u64,
    stop: &AtomicBool,
) -> Result<(Cards, SetupFacts), BenchError> {
    let started = Instant::now();
    let api = Api::new(target, run);
    let mut cards = Cards::default();
    let bar = progress::bar(count, "cards");
    let mut way = "seed";
    if !api.seed(&mut cards, count, funding.per_card, (&bar, stop))? {
        way = "api";
        api.create_one_by_one(&mut cards, count, funding.per_card, (&bar, stop))?;
    }
    if hot {
        let urn = String::from_utf8_lossy(cards.urn(Cards::HOT)).into_owned();
        api.deposit(&urn, (ASSET, funding.hot), &format!("bench-{run:x}-hot"))?;
    }
    bar.finish_and_clear();
    let facts = SetupFacts {
        cards: cards.len(),
        way,
        seconds: started.elapsed().as_secs_f64(),
        amount_per_card: funding.per_card.to_string(),
        asset: ASSET,
    };
    Ok((cards, facts))
}

/// Makes the cards under every kind of rule, each with its funded pockets, and the rate they convert
/// at.
pub(super) fn create_ruled_cards(
    target: &Target,
    funding: Funding,
    run: u64,
    stop: &AtomicBool,
) -> Result<Cards, BenchError> {
    let api = Api::new(target, run);
    api.send("PUT", "/v1/rates", &ruled::rates())?
        .successful()?;
    let mut cards = Cards::default();
    let bar = progress::bar(ruled::CARDS, "cards with rules");
    for number in 0..ruled::CARDS {
        check(stop)?;
        let mut pockets = Vec::new();
        for place in 0..ruled::pockets() {
            let metadata = json!({"source": "cardwright-bench"});
            let urn = api.create("virtual", json!({}), &metadata, stop)?;
            let reference = format!("bench-{run:x}-pocket-{number}-{place}");
            api.deposit(&urn, (ruled::ASSET, funding.hot), &reference)?;
            pockets.push(urn);
        }
        let input = json!({"create": {"card_type": "VIRTUAL"}});
        cards.push(&api.create("card", input, &ruled::metadata(&pockets), stop)?);
        bar.set_position(cards.len() as u64);
    }
    bar.finish_and_clear();
    Ok(cards)
}

/// Points the webhooks of every card at one of `count` dead addresses of this machine: half refuse, half
/// never answer while what is returned lives.
pub(super) fn point_at_the_dead(
    target: &Target,
    cards: &Cards,
    count: usize,
    stop: &AtomicBool,
) -> Result<TcpListener, BenchError> {
    let listen =
        || TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|it| Ok((it.local_addr()?, it)));
    let failed = |source| BenchError::Resolve {
        host: "0.0.0.0:0".to_owned(),
        source,
    };
    // Connections are made until its queue is full, then not even that: nobody takes them.
    let (silent, listener) = listen().map_err(failed)?;
    let (refusing, _) = listen().map_err(failed)?;
    let api = Api::new(target, 0);
    let bar = progress::bar(cards.len(), "cards with dead webhooks");
    for number in 0..cards.len() {
        check(stop)?;
        let dead = number % count;
        let port = if dead.is_multiple_of(2) {
            silent
        } else {
            refusing
        }
        .port();
        let body = json!({ "webhook_url": format!("http://127.0.1.{}:{port}/hook", dead + 1) });
        let urn = String::from_utf8_lossy(cards.urn(number)).into_owned();
        let path = format!("/api/accounts/{urn}");
        api.send("PATCH", &path, &body)?.successful()?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(listener)
}

/// The API as the set-up uses it.
pub(super) struct Api<'a> {
    target: &'a Target,
    agent: ureq::Agent,
    pub(super) run: u64,
}

/// What it answered.
pub(super) struct Answer {
    request: String,
    status: u16,
    body: Vec<u8>,
}

impl Answer {
    pub(super) fn successful(self) -> Result<Self, BenchError> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        Err(BenchError::Setup {
            request: self.request,
            status: self.status,
            body: excerpt(&self.body),
        })
    }

    pub(super) fn json(&self, missing: &'static str) -> Result<Value, BenchError> {
        serde_json::from_slice(&self.body).map_err(|_| self.lacks(missing))
    }

    pub(super) fn lacks(&self, missing: &'static str) -> BenchError {
        BenchError::Answer {
            request: self.request.clone(),
            missing,
            body: excerpt(&self.body),
        }
    }
}

impl<'a> Api<'a> {
    pub(super) fn new(target: &'a Target, run: u64) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(REQUEST_TIMEOUT))
            .build();
        Self {
            target,
            agent: config.new_agent(),
            run,
        }
    }

    /// Uses the bulk endpoint; false if the server has none.
    fn seed(
        &self,
        cards: &mut Cards,
        count: usize,
        amount: u128,
        (bar, stop): (&ProgressBar, &AtomicBool),
    ) -> Result<bool, BenchError> {
        while cards.len() < count {
            check(stop)?;
            let chunk = SEED_CARDS_MAX.min(count - cards.len());
            let body = json!({
                "holder_urn": self.target.holder, "cards": chunk, "asset": ASSET,
                "amount": amount.to_string(),
            });
            let answer = self.post("/v1/sandbox/seed", &body)?;
            if matches!(answer.status, 404 | 405) && cards.len() == 0 {
                return Ok(false);
            }
            let answer = answer.successful()?;
            let parsed = answer.json("cards")?;
            let urns = parsed.get("cards").and_then(Value::as_array);
            let urns = urns.ok_or_else(|| answer.lacks("cards"))?;
            if urns.len() != chunk {
                return Err(answer.lacks("URN for each card asked for"));
            }
            for urn in urns {
                cards.push(urn.as_str().ok_or_else(|| answer.lacks("URN of a card"))?);
            }
            bar.set_position(cards.len() as u64);
        }
        Ok(true)
    }

    fn create_one_by_one(
        &self,
        cards: &mut Cards,
        count: usize,
        amount: u128,
        (bar, stop): (&ProgressBar, &AtomicBool),
    ) -> Result<(), BenchError> {
        for number in 0..count {
            check(stop)?;
            let input = json!({"create": {"card_type": "VIRTUAL"}});
            let metadata = json!({"source": "cardwright-bench", "name": format!("bench {number}")});
            let urn = self.create("card", input, &metadata, stop)?;
            let reference = format!("bench-{:x}-{number}", self.run);
            self.deposit(&urn, (ASSET, amount), &reference)?;
            cards.push(&urn);
            bar.set_position(cards.len() as u64);
        }
        Ok(())
    }

    /// Makes an account and waits until it is in use; returns its URN.
    fn create(
        &self,
        medium: &str,
        input: Value,
        metadata: &Value,
        stop: &AtomicBool,
    ) -> Result<String, BenchError> {
        let body = json!({
            "holder_urn": self.target.holder, "input": input, "metadata": metadata,
        });
        let path = format!("/api/mediums/{medium}");
        let answer = self.post(&path, &body)?.successful()?;
        let parsed = answer.json("result.account")?;
        let text = |pointer| parsed.pointer(pointer).and_then(Value::as_str);
        let urn = text("/result/account/urn");
        let urn = urn.ok_or_else(|| answer.lacks("result.account.urn"))?;
        if text("/result/account/status") == Some("creation_in_progress") {
            self.wait_active(urn, stop)?;
        }
        Ok(urn.to_owned())
    }

    fn wait_active(&self, urn: &str, stop: &AtomicBool) -> Result<(), BenchError> {
        let deadline = Instant::now() + ACTIVE_WITHIN;
        loop {
            check(stop)?;
            let path = format!("/api/accounts/{urn}");
            let answer = self.get(&path)?.successful()?;
            let account = answer.json("account.status")?;
            if account
                .pointer("/account/status")
                .is_some_and(|status| status == "active")
            {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(answer.lacks("account.status active after a minute"));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn deposit(
        &self,
        urn: &str,
        (asset, amount): (&str, u128),
        reference: &str,
    ) -> Result<(), BenchError> {
        let body = json!({
            "account_urn": urn, "asset": asset, "amount": amount.to_string(),
            "reference": reference,
        });
        self.post("/v1/deposits", &body)?.successful().map(|_| ())
    }

    pub(super) fn get(&self, path: &str) -> Result<Answer, BenchError> {
        let call = self.agent.get(self.url(path));
        received(
            format!("GET {path}"),
            call.header("authorization", &self.bearer()).call(),
        )
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Answer, BenchError> {
        self.send("POST", path, body)
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Result<Answer, BenchError> {
        let call = match method {
            "PUT" => self.agent.put(self.url(path)),
            "PATCH" => self.agent.patch(self.url(path)),
            _ => self.agent.post(self.url(path)),
        };
        let call = call.header("authorization", &self.bearer());
        received(format!("{method} {path}"), call.send_json(body))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.target.host)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.target.key)
    }
}

fn received(
    request: String,
    result: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Answer, BenchError> {
    let read = result.and_then(|mut response| {
        let status = response.status().as_u16();
        let body = response
            .body_mut()
            .with_config()
            .limit(BODY_BYTES_MAX)
            .read_to_vec()?;
        Ok((status, body))
    });
    match read {
        Ok((status, body)) => Ok(Answer {
            request,
            status,
            body,
        }),
        Err(source) => Err(BenchError::Transport {
            request,
            source: Box::new(source),
        }),
    }
}

/// An error once the run is to stop.
pub(super) fn check(stop: &AtomicBool) -> Result<(), BenchError> {
    if stop.load(Ordering::Relaxed) {
        Err(BenchError::Interrupted)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn funding_covers_the_load_and_stays_below_a_decline() {
        let usual = Funding::for_load(36, 100_000);
        assert_eq!(usual.per_card, Funding::PER_CARD_MIN);
        let few = Funding::for_load(36, 10);
        assert_eq!(few.per_card, 180_000_000_000_000);
        assert_eq!(few.hot, 1_800_000_000_000_000);
        let endless = Funding::for_load(u64::MAX, 1);
        assert_eq!(
            (endless.per_card, endless.hot),
            (Funding::MAX, Funding::MAX)
        );
    }
}
