//! Transactions of the ledger face.

use super::{stored, stored_kinds, stored_words};
use crate::domain::books::{
    Allocation, BalanceFace, Booked, Books, Kind, Marks, OpenTransaction, Overdraft, Precision,
    Reason, Side, State, StepKind, Terms, Transaction,
};

stored! {
    BalanceFace { asset, ledger_id, indicator, identity_id, tracks_lineage, allocation }
    Precision { factor, amount }
    Side { account, ledger, name }
    Marks { inflight, skip_queue, atomic }
    Terms {
        reference, description, overdraft, marks, effective_at, scheduled_for, expires_at,
        commits_at, split,
    }
    Transaction {
        id, parent, head, kind, state, reason, asset, amount, precision, source, destination,
        terms, metadata, created_at, committed, released, refunded, steps, parts, first_lsn,
        last_lsn,
    }
    Booked { kind, transaction, child, movement }
    OpenTransaction { transaction, first_lsn, last_lsn }
    Books { taken, open, closed }
}

stored_words! {
    Allocation { 0 => Fifo, 1 => Lifo, 2 => Proportional }
    Kind {
        0 => Single, 1 => SplitHead, 2 => BulkHead, 3 => Part, 4 => Commit, 5 => Void, 6 => Refund,
    }
    State {
        0 => Reserved, 1 => Scheduled, 2 => Inflight, 3 => Applied, 4 => Committed, 5 => Voided,
        6 => Expired, 7 => Rejected,
    }
    StepKind {
        0 => Taken, 1 => Confirmed, 2 => Released, 3 => Fell, 4 => Committed, 5 => Voided,
        6 => Expired, 7 => Refunded, 8 => Noted,
    }
}

stored_kinds! {
    Overdraft { 0 => No {}, 1 => Unlimited {}, 2 => UpTo { 0: amount } }
    Reason {
        0 => InsufficientFunds { available: available, required: required },
        1 => OverdraftLimit { available: available, required: required },
        2 => AccountNotOpen { account: account },
        3 => OtherPart {},
        4 => Hook {},
    }
}
