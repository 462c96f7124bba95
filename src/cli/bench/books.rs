//! Makes and funds the balances of a run through the ledger face.

use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::{Value, json};

use super::cards::Cards;
use super::error::BenchError;
use super::progress;
use super::setup::{Answer, Api, Funding, check};
use super::target::Target;

/// How many merchants are paid, where not all pay one.
pub(super) const MERCHANTS: usize = 1_000;
/// The merchant whom the hot share pays.
pub(super) const HOT_MERCHANT: &str = "@Merchant";
/// Balances are made one by one: so many at once share a sync.
const MAKERS: usize = 32;
/// Transactions in one bulk; the face takes 10,000.
const BULK: usize = 1_000;
const FUNDED_WITHIN: Duration = Duration::from_secs(120);

/// How the balances came to be.
#[derive(Clone, Debug, Serialize)]
pub(super) struct BooksFacts {
    pub(super) balances: usize,
    pub(super) merchants: usize,
    pub(super) seconds: f64,
}

/// The indicator of a merchant's balance.
pub(super) fn merchant(number: usize) -> String {
    format!("{HOT_MERCHANT}-{number}")
}

/// Makes `count` balances with money, and the merchants'.
pub(super) fn create(
    target: &Target,
    count: usize,
    funding: Funding,
    run: u64,
    stop: &AtomicBool,
) -> Result<(Cards, BooksFacts), BenchError> {
    let started = Instant::now();
    let api = Api::new(target, run);
    let name = json!({ "name": format!("cardwright-bench {run:x}") });
    let ledger = api.post("/ledgers", &name)?.successful()?;
    let ledger = text(&ledger, "ledger_id")?;
    let bar = progress::bar(count, "balances");
    let balances = made(target, &ledger, (count, run), (&bar, stop))?;
    bar.finish_and_clear();
    let bar = progress::bar(count, "balances funded");
    fund(&api, &balances, funding, (&bar, stop))?;
    bar.finish_and_clear();
    let mut ids = Cards::default();
    for id in &balances {
        ids.push(id);
    }
    let facts = BooksFacts {
        balances: count,
        merchants: MERCHANTS,
        seconds: started.elapsed().as_secs_f64(),
    };
    Ok((ids, facts))
}

fn made(
    target: &Target,
    ledger: &str,
    (count, run): (usize, u64),
    (bar, stop): (&ProgressBar, &AtomicBool),
) -> Result<Vec<String>, BenchError> {
    let share = count.div_ceil(MAKERS);
    let make = |maker: usize| {
        let api = Api::new(target, run);
        let (from, to) = (maker * share, count.min((maker + 1) * share));
        let mut ids = Vec::new();
        for number in from..to {
            check(stop)?;
            let body = json!({
                "ledger_id": ledger, "currency": "USD",
                "meta_data": { "card_state": "ACTIVE", "number": number },
            });
            let answer = api.post("/balances", &body)?.successful()?;
            ids.push(text(&answer, "balance_id")?);
            bar.inc(1);
        }
        Ok(ids)
    };
    let parts: Result<Vec<Vec<String>>, BenchError> = thread::scope(|scope| {
        let threads: Vec<_> = (0..MAKERS)
            .map(|maker| scope.spawn(move || make(maker)))
            .collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            let joined = thread.join();
            joined.expect("Invariant: a thread that makes balances does not panic")
        };
        threads.into_iter().map(join).collect()
    });
    Ok(parts?.concat())
}

/// From the world to each balance, and a cent to each merchant, so that theirs are there too.
fn fund(
    api: &Api<'_>,
    balances: &[String],
    funding: Funding,
    (bar, stop): (&ProgressBar, &AtomicBool),
) -> Result<(), BenchError> {
    let cents = funding.per_card / 10_000;
    let merchants = (0..MERCHANTS)
        .map(merchant)
        .chain([HOT_MERCHANT.to_owned()]);
    let payments = (balances.iter().map(|id| (id.clone(), cents)))
        .chain(merchants.map(|indicator| (indicator, 1)));
    let payments: Vec<(String, u128)> = payments.collect();
    for (number, some) in payments.chunks(BULK).enumerate() {
        check(stop)?;
        let transactions: Vec<Value> = (some.iter().enumerate())
            .map(|(place, (to, cents))| {
                json!({
                    "precise_amount": u64::try_from(*cents).unwrap_or(u64::MAX), "precision": 100,
                    "currency": "USD", "reference": format!("bench-{:x}-fund-{number}-{place}", api.run),
                    "description": "Funding", "source": "@World", "destination": to,
                    "allow_overdraft": true, "skip_queue": true,
                })
            })
            .collect();
        let body = json!({ "transactions": transactions, "atomic": false, "skip_queue": true });
        api.post("/transactions/bulk", &body)?.successful()?;
        bar.inc(some.len() as u64);
    }
    // Money for another actor is on its way for a moment after the answer.
    let deadline = Instant::now() + FUNDED_WITHIN;
    for id in balances.iter().step_by(BULK / 4).chain(balances.last()) {
        wait_funded(api, id, deadline, stop)?;
    }
    Ok(())
}

fn wait_funded(
    api: &Api<'_>,
    id: &str,
    deadline: Instant,
    stop: &AtomicBool,
) -> Result<(), BenchError> {
    loop {
        check(stop)?;
        let answer = api.get(&format!("/balances/{id}"))?.successful()?;
        let balance = answer.json("balance")?;
        if balance.get("balance").is_some_and(|amount| *amount != 0) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(answer.lacks("balance above zero after its funding"));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn text(answer: &Answer, name: &'static str) -> Result<String, BenchError> {
    let parsed = answer.json(name)?;
    let text = parsed.get(name).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| answer.lacks(name))
}
