//! Holds a running server against the log it writes.
//!
//! Traffic may go on meanwhile: the log is read to its end, the server is asked, and the log is read
//! on. What the server said must be what the log said at one of the moments in between.

use std::{
    collections::BTreeMap,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::super::{
    data_dir,
    live::{Answer, Server},
    outcome::CliError,
};
use crate::{
    domain::{
        event::Movement,
        funds::Balance,
        ids::LedgerNo,
        money::Asset,
        posting::{House, Place},
    },
    http::operator::books::house_name,
    journal::{Lsn, wal::LogEntry},
    replay::{
        sum::Sum,
        verify::{
            Verdict,
            finding::{Check, Severity, Spot},
            outcome::AccountMoney,
            plain::{Houses, shown},
        },
    },
    wire::{self, Body},
};

const LOG_REACHED_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);

type Balances = Vec<(Asset, Balance)>;

/// Sees, before the log is read, that there is a server and that the key may ask it.
pub(super) fn ask_first(server: &Server) -> Result<(), CliError> {
    // What needs the scopes and costs little.
    for path in ["/v1/snapshots", "/api/accounts?limit=1"] {
        let answer = server.get(path)?;
        if matches!(answer.status, 401 | 403) {
            let refused = answer.successful().err();
            let why = refused.map(|error| error.to_string()).unwrap_or_default();
            return Err(CliError::Usage(format!(
                "{why}; --key (or CARDWRIGHT_KEY) must be a key of this server with the scopes operator \
                 and programme"
            )));
        }
    }
    Ok(())
}

/// Compares the trial balance and the balances of at most `sample` accounts; 0 means all.
pub(super) fn compare(
    server: &Server,
    dir: &Path,
    verdict: &mut Verdict,
    sample: usize,
) -> Result<(), CliError> {
    let trial_balance = trial_balance_from(server, verdict.last)?;
    let at = number(&trial_balance, "/lsn")?;
    let accounts = std::mem::take(&mut verdict.accounts);
    let stride = match sample {
        0 => 1,
        most => accounts.len().div_ceil(most).max(1),
    };
    let mut asked = Vec::new();
    for account in accounts.iter().step_by(stride) {
        let path = format!("/api/accounts/{}/balance", account.urn);
        let answer = server.get(&path)?;
        asked.push((account, answer));
    }
    let mut tail = Tail::new(verdict, &accounts);
    tail.read(dir, verdict.last, Lsn::new(at))?;
    let mut faults = compare_books(&tail, &trial_balance);
    verdict.server_accounts = compare_accounts(&tail, asked, &mut faults)?;
    for what in faults {
        let findings = &mut verdict.findings;
        findings.push(Severity::Fault, Check::Server, Spot::default(), what);
    }
    Ok(())
}

/// The server's books, once they reach what was read of the log.
fn trial_balance_from(server: &Server, last: Lsn) -> Result<Answer, CliError> {
    let deadline = Instant::now() + LOG_REACHED_WITHIN;
    loop {
        let answer = server.get("/v1/trial-balance")?.successful()?;
        let lsn = number(&answer, "/lsn")?;
        if lsn >= last.get() {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            return Err(CliError::Fault(format!(
                "the server's log ends at lsn {lsn}, this directory's at {last}"
            )));
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn number(answer: &Answer, pointer: &str) -> Result<u64, CliError> {
    let number = answer.body.pointer(pointer).and_then(Value::as_u64);
    number.ok_or_else(|| answer.lacks(pointer))
}

/// What the log says after what was verified.
struct Tail {
    houses: Houses,
    /// By asset: spendable and held.
    stated: BTreeMap<Asset, (Sum, Sum)>,
    /// The newest balances of each ledger account.
    newest: BTreeMap<LedgerNo, Balances>,
    /// The balances before, while traffic went on.
    earlier: BTreeMap<LedgerNo, Vec<Balances>>,
    /// Where the log ended.
    end: Lsn,
}

impl Tail {
    fn new(verdict: &Verdict, accounts: &[AccountMoney]) -> Self {
        let stated = verdict.stated.iter();
        let money = accounts.iter();
        Self {
            houses: verdict.houses.clone(),
            stated: stated
                .map(|(of, sum)| (*of, (sum.0.clone(), sum.1.clone())))
                .collect(),
            newest: money.map(|it| (it.ledger, it.balances.clone())).collect(),
            earlier: BTreeMap::new(),
            end: verdict.last,
        }
    }

    /// Reads on; the books stop at `books`, the position of the server's.
    fn read(&mut self, dir: &Path, after: Lsn, books: Lsn) -> Result<(), CliError> {
        for entry in data_dir::open(dir)?.records_after(after) {
            let LogEntry::Record { record, .. } = entry? else {
                continue;
            };
            self.end = record.lsn;
            let entry = wire::decode_entry(&record.payload);
            let entry = entry.map_err(|error| CliError::Fault(error.to_string()))?;
            if let Body::Group(events) = &entry.body {
                for movement in events.iter().filter_map(|event| event.movement()) {
                    self.add(movement, record.lsn <= books);
                }
            }
        }
        if self.end < books {
            return Err(CliError::Fault(format!(
                "the server's log ends at lsn {books}, this directory's at {}",
                self.end
            )));
        }
        Ok(())
    }

    fn add(&mut self, movement: &Movement, is_in_books: bool) {
        if is_in_books {
            for posting in &movement.postings {
                let amount = posting.amount.minor();
                for (place, change) in [(&posting.source, -amount), (&posting.destination, amount)]
                {
                    if let Place::House(house) = place {
                        let sum = (self.houses).entry((posting.asset, house.clone()));
                        let sum = sum.or_default();
                        *sum += change;
                    }
                }
            }
        }
        for after in &movement.after {
            let before = self.newest.insert(after.ledger, after.balances.clone());
            let before = before.unwrap_or_default();
            if is_in_books {
                for (balances, sign) in [(&before, -1), (&after.balances, 1_i128)] {
                    for (asset, balance) in balances {
                        let sum = self.stated.entry(*asset).or_default();
                        sum.0 += balance.current.saturating_mul(sign);
                        sum.1 += balance.pending.saturating_mul(sign);
                    }
                }
            }
            self.earlier.entry(after.ledger).or_default().push(before);
        }
    }

    /// Whether the ledger account had just that at some moment since the log was verified.
    fn had(&self, ledger: LedgerNo, said: &Value) -> bool {
        let earlier = self.earlier.get(&ledger).into_iter().flatten();
        let newest = self.newest.get(&ledger);
        newest
            .into_iter()
            .chain(earlier)
            .any(|balances| is_same(balances, said))
    }
}

/// Whether the server's `{ASSET: {current, pending, in, out}}` is just that; what it leaves out is
/// zero.
fn is_same(balances: &[(Asset, Balance)], said: &Value) -> bool {
    let Some(said) = said.as_object() else {
        return false;
    };
    let zero = Balance::default();
    let is_known = |name: &String| balances.iter().any(|(asset, _)| asset.to_string() == *name);
    let unknown = said.iter().filter(|(name, _)| !is_known(name));
    let mut all = (balances.iter())
        .map(|(asset, balance)| (said.get(&asset.to_string()), balance))
        .chain(unknown.map(|(_, balance)| (Some(balance), &zero)));
    all.all(|(said, balance)| {
        [
            ("current", balance.current),
            ("pending", balance.pending),
            ("in", balance.incoming),
            ("out", balance.outgoing),
        ]
        .into_iter()
        .all(|(name, due)| {
            let text = said.and_then(|said| said.get(name)?.as_str());
            // "in" and "out" may be left out, as the programme face's contract allows.
            text.map_or(said.is_none() && due == 0, |text| text == due.to_string())
        })
    })
}

fn compare_books(tail: &Tail, answer: &Answer) -> Vec<String> {
    let mut faults = Vec::new();
    if answer.body.get("balanced") != Some(&Value::Bool(true)) {
        faults.push("the server's trial balance is not zero".to_owned());
    }
    let empty = serde_json::Map::new();
    let assets = answer.body.get("assets").and_then(Value::as_object);
    let assets = assets.unwrap_or(&empty);
    let said = |asset: Asset, pointer: &str| {
        let asset = assets.get(&asset.to_string());
        let text = asset.and_then(|asset| asset.pointer(pointer)?.as_str());
        text.unwrap_or("0").to_owned()
    };
    let mut differ = |what: String, due: &Sum, said: String| {
        if due.to_string() != said {
            faults.push(format!(
                "{what}: the log gives {due}, the server says {said}"
            ));
        }
    };
    for (asset, (spendable, held)) in &tail.stated {
        let said = |name: &str| said(*asset, &format!("/{name}"));
        differ(format!("{asset} spendable"), spendable, said("spendable"));
        differ(format!("{asset} held"), held, said("held"));
    }
    for ((asset, house), sum) in &tail.houses {
        let name = house_name(house);
        let pointer = format!("/house/{}", name.replace('~', "~0").replace('/', "~1"));
        differ(format!("{asset} of {name}"), sum, said(*asset, &pointer));
    }
    let is_known = |name: &str| {
        let mut known = tail.stated.keys().chain(tail.houses.keys().map(asset_of));
        known.any(|asset| asset.to_string() == name)
    };
    for name in assets.keys().filter(|name| !is_known(name)) {
        faults.push(format!("the server knows {name}, the log does not"));
    }
    faults
}

const fn asset_of((asset, _): &(Asset, House)) -> &Asset {
    asset
}

/// Returns how many could be compared: a key sees only its own origin's accounts.
fn compare_accounts(
    tail: &Tail,
    asked: Vec<(&AccountMoney, Answer)>,
    faults: &mut Vec<String>,
) -> Result<u64, CliError> {
    let visible: std::collections::BTreeSet<&str> = (asked.iter())
        .filter(|(_, answer)| answer.status == 200)
        .map(|(account, _)| account.origin.as_str())
        .collect();
    let is_none_visible = visible.is_empty() && !asked.is_empty();
    let visible: Vec<String> = visible.into_iter().map(str::to_owned).collect();
    let mut compared = 0_u64;
    for (account, answer) in asked {
        if answer.status == 404 {
            if visible.contains(&account.origin) {
                faults.push(format!("the server does not know {}", account.urn));
            }
            continue;
        }
        let answer = answer.successful()?;
        let body = &answer.body;
        let said = (body.get("balance")).or_else(|| body.pointer("/result/balance"));
        let said = said.ok_or_else(|| answer.lacks("/balance"))?;
        compared = compared.saturating_add(1);
        if !tail.had(account.ledger, said) {
            let due = tail.newest.get(&account.ledger).into_iter().flatten();
            let due: Vec<String> = due
                .map(|(asset, balance)| format!("{asset} {}", shown(balance)))
                .collect();
            let due = due.join(", ");
            faults.push(format!(
                "{}: the log gives {due}, the server says {said}",
                account.urn
            ));
        }
    }
    if is_none_visible {
        let what = "the server shows none of the accounts to this key: nothing was compared but \
                    the trial balance";
        faults.push(what.to_owned());
    }
    Ok(compared)
}
