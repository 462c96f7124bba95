//! Balances in the index: what they have, gathered for a batch and written once.

use std::collections::{BTreeMap, btree_map::Entry};

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    SearchError,
    batch::int,
    rows::{factor, words_of},
    sortable,
};
use crate::{
    books::accounts::CARDS_LEDGER_ID,
    domain::{
        account::{Account, Medium},
        books::Allocation,
        funds::Balance,
        ids::LedgerNo,
        money::Asset,
        uuids::BalanceId,
    },
};

/// What a balance has, as the index has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    /// Its row.
    pub(super) seq: i64,
    credit: i128,
    debit: i128,
    held: i128,
    reserved: i128,
    expected: i128,
    expected_reserved: i128,
    version: u64,
    is_changed: bool,
}

impl Standing {
    /// A record of its group was seen.
    pub(super) fn seen(&mut self, version: u64) {
        self.is_changed |= self.version != version;
        self.version = version;
    }

    /// What it has now; whether what came and went is another than before.
    pub(super) fn set(&mut self, balance: &Balance) -> bool {
        let has_moved = (self.credit, self.debit) != (balance.incoming, balance.outgoing);
        (self.credit, self.debit) = (balance.incoming, balance.outgoing);
        self.held = balance.pending;
        self.is_changed = true;
        has_moved
    }

    /// So much more of what is held waits for a decision.
    pub(super) fn reserve(&mut self, more: i128) {
        self.reserved = self.reserved.saturating_add(more);
        self.is_changed = true;
    }

    /// So much more is queued and inflight towards it.
    pub(super) fn expect(&mut self, (queued, inflight): (i128, i128)) {
        self.expected_reserved = self.expected_reserved.saturating_add(queued);
        self.expected = self.expected.saturating_add(inflight);
        self.is_changed = true;
    }

    fn write(&self, db: &Connection) -> Result<(), SearchError> {
        const WRITE: &str = "UPDATE balances SET balance = ?, credit_balance = ?, debit_balance = ?, \
            inflight_balance = ?, inflight_credit_balance = ?, inflight_debit_balance = ?, \
            queued_credit_balance = ?, queued_debit_balance = ?, held = ?, version = ? WHERE seq = ?";
        let inflight_debit = self.held.saturating_sub(self.reserved).max(0);
        db.prepare_cached(WRITE)?.execute(params![
            sortable::integer(self.credit.saturating_sub(self.debit)),
            sortable::integer(self.credit),
            sortable::integer(self.debit),
            sortable::integer(self.expected.saturating_sub(inflight_debit)),
            sortable::integer(self.expected),
            sortable::integer(inflight_debit),
            sortable::integer(self.expected_reserved),
            sortable::integer(self.reserved),
            sortable::integer(self.held),
            int(self.version),
            self.seq,
        ])?;
        Ok(())
    }
}

/// Those that a batch touched.
pub(super) struct Standings {
    touched: BTreeMap<(LedgerNo, u32), Option<Standing>>,
}

impl Standings {
    pub(super) const fn new() -> Self {
        Self {
            touched: BTreeMap::new(),
        }
    }

    /// That of an asset of a ledger account: one is made, if there is none yet and somebody is in front of
    /// the money.
    pub(super) fn of(
        &mut self,
        db: &Connection,
        (ledger, asset): (LedgerNo, Asset),
    ) -> Result<Option<&mut Standing>, SearchError> {
        let tag = BalanceId::tag_of(asset);
        let place = match self.touched.entry((ledger, tag)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => {
                let found = match load(db, ledger, tag)? {
                    Some(found) => Some(found),
                    None => make(db, ledger, asset)?,
                };
                free.insert(found)
            }
        };
        Ok(place.as_mut())
    }

    /// Writes what changed.
    pub(super) fn flush(&self, db: &Connection) -> Result<(), SearchError> {
        for standing in self.touched.values().flatten() {
            if standing.is_changed {
                standing.write(db)?;
            }
        }
        Ok(())
    }
}

fn load(db: &Connection, ledger: LedgerNo, tag: u32) -> Result<Option<Standing>, SearchError> {
    const LOAD: &str = "SELECT seq, credit_balance, debit_balance, held, queued_debit_balance, \
        inflight_credit_balance, queued_credit_balance, version FROM balances \
        WHERE ledger = ? AND tag = ?";
    let mut asked = db.prepare_cached(LOAD)?;
    let found = asked.query_row(params![int(ledger.0), i64::from(tag)], |row| {
        let amount = |place: usize| -> rusqlite::Result<i128> {
            Ok(sortable::read(&row.get::<_, String>(place)?))
        };
        Ok(Standing {
            seq: row.get(0)?,
            credit: amount(1)?,
            debit: amount(2)?,
            held: amount(3)?,
            reserved: amount(4)?,
            expected: amount(5)?,
            expected_reserved: amount(6)?,
            version: u64::try_from(row.get::<_, i64>(7)?).unwrap_or(0),
            is_changed: false,
        })
    });
    Ok(found.optional()?)
}

fn make(db: &Connection, ledger: LedgerNo, asset: Asset) -> Result<Option<Standing>, SearchError> {
    const MAKE: &str = "INSERT INTO balances(origin, ledger, tag, balance_id, ledger_id, identity_id, \
        indicator, currency, precision, balance, credit_balance, debit_balance, inflight_balance, \
        inflight_credit_balance, inflight_debit_balance, queued_credit_balance, queued_debit_balance, \
        held, version, allocation_strategy, track_fund_lineage, created_at, meta_data) \
        SELECT origin, ?1, ?2, ?3, ledger_id, identity_id, indicator, ?4, ?5, ?6, ?6, ?6, ?6, ?6, ?6, ?6, \
        ?6, ?6, 0, allocation_strategy, track_fund_lineage, created_at, meta_data \
        FROM accounts WHERE ledger = ?1 ORDER BY is_card, no LIMIT 1";
    let id = BalanceId::new(ledger, asset);
    let made = db.prepare_cached(MAKE)?.execute(params![
        int(ledger.0),
        i64::from(id.tag),
        id.to_string(),
        asset.to_string(),
        int(factor(asset)),
        sortable::integer(0),
    ])?;
    if made == 0 {
        return Ok(None);
    }
    let seq = db.last_insert_rowid();
    let said = "SELECT meta_data FROM balances WHERE seq = ?";
    let said: String = db
        .prepare_cached(said)?
        .query_row([seq], |row| row.get(0))?;
    put_words(db, seq, &said)?;
    Ok(Some(Standing {
        seq,
        ..Standing::default()
    }))
}

fn put_words(db: &Connection, seq: i64, metadata: &str) -> Result<(), SearchError> {
    let words = words_of(metadata);
    if words.is_empty() {
        return Ok(());
    }
    let add = "INSERT INTO balances_words(rowid, meta_data) VALUES(?, ?)";
    db.prepare_cached(add)?.execute(params![seq, words])?;
    Ok(())
}

/// An account as it is now.
pub(super) fn put_account(
    db: &Connection,
    account: &Account,
    origin: i64,
) -> Result<(), SearchError> {
    const PUT: &str = "INSERT OR REPLACE INTO accounts(no, ledger, origin, created_at, ledger_id, \
        identity_id, indicator, track_fund_lineage, allocation_strategy, meta_data, is_card) \
        VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let face = match &account.medium {
        Medium::Balance(face) => Some(face),
        Medium::Card { .. } | Medium::Virtual => None,
    };
    let allocation = face.map_or_else(Allocation::default, |face| face.allocation);
    db.prepare_cached(PUT)?.execute(params![
        int(account.no.0),
        int(account.ledger.0),
        origin,
        account.created_at.micros(),
        face.map_or(CARDS_LEDGER_ID, |face| &face.ledger_id),
        face.and_then(|face| face.identity_id.as_deref()),
        face.and_then(|face| face.indicator.as_deref()),
        face.is_some_and(|face| face.tracks_lineage),
        allocation.word(),
        account.metadata,
        face.is_none(),
    ])?;
    Ok(())
}

/// Gives the balances of a ledger account the face that is in front of them now.
pub(super) fn refresh_faces(db: &Connection, ledger: LedgerNo) -> Result<(), SearchError> {
    const FACE: &str = "UPDATE balances SET (ledger_id, identity_id, indicator, allocation_strategy, \
        track_fund_lineage, created_at, meta_data) = (SELECT ledger_id, identity_id, indicator, \
        allocation_strategy, track_fund_lineage, created_at, meta_data FROM accounts \
        WHERE ledger = ?1 ORDER BY is_card, no LIMIT 1) \
        WHERE ledger = ?1 AND EXISTS (SELECT 1 FROM accounts WHERE ledger = ?1)";
    db.prepare_cached(FACE)?.execute([int(ledger.0)])?;
    let of = "SELECT seq, meta_data FROM balances WHERE ledger = ?";
    let mut of = db.prepare_cached(of)?;
    let found = of.query_map([int(ledger.0)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let found: Vec<(i64, String)> = found.collect::<Result<_, _>>()?;
    for (seq, metadata) in found {
        let forget = "DELETE FROM balances_words WHERE rowid = ?";
        db.prepare_cached(forget)?.execute([seq])?;
        put_words(db, seq, &metadata)?;
    }
    Ok(())
}
