//! Balances at any moment, and transactions in the order of their making, from the index.

use rusqlite::{OptionalExtension, params};

use super::{SearchError, TransactionRow, batch::int, index::Index, sortable};
use crate::{
    books::BalanceView,
    domain::{
        money::{Amount, Asset},
        time::Timestamp,
        uuids::BalanceId,
    },
};

/// What a balance was at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Then {
    /// All that had arrived.
    pub credit: i128,
    /// All that had left.
    pub debit: i128,
}

impl Then {
    /// What it stood at.
    #[must_use]
    pub const fn balance(&self) -> i128 {
        self.credit.saturating_sub(self.debit)
    }

    /// What a balance is now.
    #[must_use]
    pub const fn now(view: &BalanceView) -> Self {
        Self {
            credit: view.balance.incoming,
            debit: view.balance.outgoing,
        }
    }
}

impl Index {
    /// What a balance was when `moment` ended; zero if nothing had moved. Blocks.
    ///
    /// # Errors
    ///
    /// [`SearchError`].
    pub fn balance_at(
        &self,
        origin: &str,
        id: BalanceId,
        moment: Timestamp,
    ) -> Result<Then, SearchError> {
        const AT: &str = "SELECT credit, debit FROM moments WHERE balance = \
            (SELECT seq FROM balances WHERE origin = ? AND ledger = ? AND tag = ?) AND time <= ? \
            ORDER BY time DESC, lsn DESC LIMIT 1";
        self.look(origin, |db, number| {
            let mut asked = db.prepare_cached(AT)?;
            let asked_for = params![number, int(id.ledger.0), i64::from(id.tag), moment.micros()];
            let found = asked.query_row(asked_for, |row| {
                let amount = |place: usize| -> rusqlite::Result<i128> {
                    Ok(sortable::read(&row.get::<_, String>(place)?))
                };
                Ok(Then {
                    credit: amount(0)?,
                    debit: amount(1)?,
                })
            });
            Ok(found.optional()?.unwrap_or_default())
        })
    }
}

/// Visits an origin's transactions in the order of their making.
pub(super) fn transactions_between(
    index: &Index,
    origin: &str,
    (from, to): (Option<Timestamp>, Option<Timestamp>),
    visit: &mut dyn FnMut(TransactionRow),
) -> Result<(), SearchError> {
    // A commit has no reference of its own: it is known by that of what was inflight.
    const ALL: &str = "SELECT t.transaction_id, t.precise_amount, t.currency, \
        coalesce(nullif(t.reference, ''), p.reference, ''), t.description, t.status, \
        t.source, t.destination, t.created_at, t.effective_date FROM transactions t \
        LEFT JOIN transactions p ON p.transaction_id = t.parent_transaction \
        WHERE t.origin = ? AND t.created_at >= ? AND t.created_at < ? AND t.is_part = 0 \
        ORDER BY t.created_at, t.seq";
    let from = from.map_or(i64::MIN, Timestamp::micros);
    let to = to.map_or(i64::MAX, Timestamp::micros);
    index.look(origin, |db, number| {
        let mut asked = db.prepare_cached(ALL)?;
        let mut rows = asked.query(params![number, from, to])?;
        while let Some(row) = rows.next()? {
            let id: String = row.get(0)?;
            let currency: String = row.get(2)?;
            // What is in the index was written from these types.
            let (Ok(id), Ok(asset)) = (id.parse(), Asset::of_ledger(&currency)) else {
                continue;
            };
            let text = |place: usize| -> rusqlite::Result<String> {
                Ok(row.get::<_, Option<String>>(place)?.unwrap_or_default())
            };
            let amount = sortable::read(&text(1)?);
            let created_at = Timestamp::from_micros(row.get(8)?);
            let effective_at = Timestamp::from_micros(row.get(9)?);
            visit(TransactionRow {
                id,
                amount: Amount::from_minor(amount).unwrap_or(Amount::ZERO),
                asset,
                reference: text(3)?,
                description: text(4)?,
                status: text(5)?,
                source: text(6)?,
                destination: text(7)?,
                created_at,
                effective_at: Some(effective_at).filter(|at| *at != created_at),
            });
        }
        Ok(())
    })
}
