//! The database: its tables, and whether one that is there may be gone on with.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::{SearchError, field::Collection};

/// The form of the tables. One of another form is built anew.
const FORM: i64 = 1;

const TABLES: &str = "
CREATE TABLE facts(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE origins(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE accounts(
  no INTEGER PRIMARY KEY, ledger INTEGER NOT NULL, origin INTEGER NOT NULL, created_at INTEGER NOT NULL,
  ledger_id TEXT NOT NULL, identity_id TEXT, indicator TEXT, track_fund_lineage INTEGER NOT NULL,
  allocation_strategy TEXT NOT NULL, meta_data TEXT NOT NULL, is_card INTEGER NOT NULL);
CREATE INDEX accounts_by_ledger ON accounts(ledger);
CREATE TABLE ledgers(
  seq INTEGER PRIMARY KEY, origin INTEGER NOT NULL, ledger_id TEXT NOT NULL, name TEXT,
  created_at INTEGER NOT NULL, meta_data TEXT NOT NULL, UNIQUE(origin, ledger_id));
CREATE TABLE balances(
  seq INTEGER PRIMARY KEY, origin INTEGER NOT NULL, ledger INTEGER NOT NULL, tag INTEGER NOT NULL,
  balance_id TEXT NOT NULL UNIQUE, ledger_id TEXT NOT NULL, identity_id TEXT, indicator TEXT,
  currency TEXT NOT NULL, precision INTEGER NOT NULL, balance TEXT NOT NULL, credit_balance TEXT NOT NULL,
  debit_balance TEXT NOT NULL, inflight_balance TEXT NOT NULL, inflight_credit_balance TEXT NOT NULL,
  inflight_debit_balance TEXT NOT NULL, queued_credit_balance TEXT NOT NULL,
  queued_debit_balance TEXT NOT NULL, held TEXT NOT NULL, version INTEGER NOT NULL,
  allocation_strategy TEXT NOT NULL, track_fund_lineage INTEGER NOT NULL, created_at INTEGER NOT NULL,
  meta_data TEXT NOT NULL, UNIQUE(ledger, tag));
CREATE INDEX balances_of ON balances(origin, ledger_id);
CREATE TABLE moments(
  balance INTEGER NOT NULL, time INTEGER NOT NULL, lsn INTEGER NOT NULL, credit TEXT NOT NULL,
  debit TEXT NOT NULL, PRIMARY KEY(balance, time, lsn)) WITHOUT ROWID;
CREATE TABLE transactions(
  seq INTEGER PRIMARY KEY, origin INTEGER NOT NULL, transaction_id TEXT NOT NULL UNIQUE,
  parent_transaction TEXT, source TEXT, destination TEXT, reference TEXT, description TEXT,
  currency TEXT NOT NULL, amount TEXT NOT NULL, precise_amount TEXT NOT NULL, precision INTEGER NOT NULL,
  status TEXT NOT NULL, overdraft_limit TEXT NOT NULL, allow_overdraft INTEGER NOT NULL,
  inflight INTEGER NOT NULL, skip_queue INTEGER NOT NULL, atomic INTEGER NOT NULL,
  created_at INTEGER NOT NULL, effective_date INTEGER NOT NULL, scheduled_for INTEGER,
  inflight_expiry_date INTEGER, inflight_commit_date INTEGER, meta_data TEXT NOT NULL,
  split TEXT NOT NULL, is_part INTEGER NOT NULL, left_amount TEXT NOT NULL, applied INTEGER, transfer INTEGER);
CREATE INDEX transactions_by_time ON transactions(origin, created_at);
CREATE INDEX transactions_by_source ON transactions(source);
CREATE INDEX transactions_by_destination ON transactions(destination);
CREATE INDEX transactions_by_reference ON transactions(reference);
CREATE INDEX transactions_by_parent ON transactions(parent_transaction) WHERE parent_transaction IS NOT NULL;
CREATE INDEX transactions_by_transfer ON transactions(transfer) WHERE transfer IS NOT NULL;
CREATE TABLE identities(
  seq INTEGER PRIMARY KEY, origin INTEGER NOT NULL, identity_id TEXT NOT NULL, identity_type TEXT,
  organization_name TEXT, category TEXT, first_name TEXT, last_name TEXT, other_names TEXT, gender TEXT,
  email_address TEXT, phone_number TEXT, nationality TEXT, street TEXT, country TEXT, state TEXT,
  post_code TEXT, city TEXT, dob INTEGER, created_at INTEGER NOT NULL, meta_data TEXT NOT NULL,
  UNIQUE(origin, identity_id));
";

/// How far an index has come, and of which log it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reached {
    /// Up to here the log is in it.
    pub(super) lsn: u64,
    /// The check of the record that ends there.
    pub(super) check: u32,
    /// How many records were read.
    pub(super) records: u64,
}

/// Opens the database for writing; a new one, if there is none.
pub(super) fn open(path: &Path) -> Result<Connection, SearchError> {
    let db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    // Nothing in it is the truth: it is built again rather than waited for.
    db.pragma_update(None, "synchronous", "OFF")?;
    db.pragma_update(None, "cache_size", -16_000)?;
    db.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    db.set_prepared_statement_cache_capacity(64);
    let form: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if form == 0 {
        create(&db)?;
    }
    Ok(db)
}

fn create(db: &Connection) -> Result<(), SearchError> {
    db.execute_batch("BEGIN")?;
    db.execute_batch(TABLES)?;
    for collection in Collection::ALL {
        let columns: Vec<_> = collection.worded().map(|field| field.name).collect();
        db.execute_batch(&format!(
            "CREATE VIRTUAL TABLE {0}_words USING fts5({1}, content='', contentless_delete=1, \
             tokenize='unicode61 remove_diacritics 2');
             CREATE VIRTUAL TABLE {0}_known USING fts5vocab({0}_words, row);",
            collection.word(),
            columns.join(", ")
        ))?;
    }
    db.pragma_update(None, "user_version", FORM)?;
    db.execute_batch("COMMIT")?;
    Ok(())
}

/// Opens the database for questions.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, SearchError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.pragma_update(None, "cache_size", -8_000)?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    db.set_prepared_statement_cache_capacity(32);
    Ok(db)
}

/// Why an index that is there is not gone on with; nothing if it is.
pub(super) fn fault(db: &Connection) -> Result<Option<&'static str>, SearchError> {
    let form: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if form != FORM {
        return Ok(Some("it has another form"));
    }
    let is_clean = text(db, "clean")?.is_some_and(|word| word == "yes");
    if !is_clean && text(db, "boot")? != Some(boot()) {
        // Not each write was synced, and the machine has stopped since.
        return Ok(Some("the machine stopped while it was written"));
    }
    Ok(None)
}

/// Notes whether it may be trusted after the machine stops.
pub(super) fn note_use(db: &Connection, is_clean: bool) -> Result<(), SearchError> {
    if is_clean {
        db.pragma_update(None, "synchronous", "FULL")?;
    }
    note(db, "clean", if is_clean { "yes" } else { "no" })?;
    note(db, "boot", &boot())?;
    if is_clean {
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    }
    Ok(())
}

/// What tells this run of the machine from others.
fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn note(db: &Connection, name: &str, value: &str) -> Result<(), SearchError> {
    let put = "INSERT OR REPLACE INTO facts(name, value) VALUES(?, ?)";
    db.execute(put, params![name, value])?;
    Ok(())
}

fn text(db: &Connection, name: &str) -> Result<Option<String>, SearchError> {
    let get = "SELECT value FROM facts WHERE name = ?";
    Ok(db.query_row(get, [name], |row| row.get(0)).optional()?)
}

/// How far it has come.
pub(super) fn reached(db: &Connection) -> Result<Reached, SearchError> {
    let number = |name| -> Result<u64, SearchError> {
        let found = text(db, name)?.and_then(|text| text.parse().ok());
        Ok(found.unwrap_or(0))
    };
    Ok(Reached {
        lsn: number("lsn")?,
        check: u32::try_from(number("check")?).unwrap_or(0),
        records: number("records")?,
    })
}

/// Notes how far it has come, in the transaction of what came.
pub(super) fn note_reached(db: &Connection, reached: &Reached) -> Result<(), SearchError> {
    note(db, "lsn", &reached.lsn.to_string())?;
    note(db, "check", &reached.check.to_string())?;
    note(db, "records", &reached.records.to_string())
}

/// The origins that are in it, by name.
pub(super) fn origins(db: &Connection) -> Result<Vec<(String, i64)>, SearchError> {
    let mut asked = db.prepare_cached("SELECT name, number FROM origins")?;
    let found = asked.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Adds an origin to one that holds nothing yet.
pub(super) fn add_origin(db: &Connection, name: &str) -> Result<(), SearchError> {
    db.execute("INSERT OR IGNORE INTO origins(name) VALUES(?)", [name])?;
    Ok(())
}
