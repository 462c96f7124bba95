//! What may be asked: already read, priced and shared out by the face.

use std::sync::Arc;

use crate::domain::{
    books::{Marks, Overdraft, Precision},
    ids::TransactionId,
    money::{Amount, Asset},
    time::Timestamp,
};

/// A transaction somebody asks for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What is counted.
    pub asset: Asset,
    /// How much, in the smallest unit; above zero.
    pub amount: Amount,
    /// The same in the caller's words.
    pub precision: Precision,
    /// Where it leaves: one or more, their amounts add up to the whole.
    pub sources: Vec<Share>,
    /// Where it arrives: the same. At most one of both has more than one.
    pub destinations: Vec<Share>,
    /// Unique per origin, not empty.
    pub reference: String,
    /// For people.
    pub description: String,
    /// How far the source may go below zero.
    pub overdraft: Overdraft,
    /// How it is asked.
    pub marks: Marks,
    /// When it counts from.
    pub effective_at: Option<Timestamp>,
    /// When it is to be done.
    pub scheduled_for: Option<Timestamp>,
    /// When what is inflight is let go.
    pub expires_at: Option<Timestamp>,
    /// When what is inflight is committed.
    pub commits_at: Option<Timestamp>,
    /// The caller's words for sources and destinations, JSON as text; empty without a split.
    pub split: String,
    /// A JSON object as text.
    pub metadata: String,
}

/// A source or destination and its part.
#[derive(Clone, Debug)]
pub struct Share {
    /// As the caller named it: a balance's id (`bln_…`), an indicator (`@World`), or an account's URN.
    pub name: Arc<str>,
    /// Its part, in the smallest unit.
    pub amount: Amount,
    /// For people.
    pub narration: Option<String>,
}

/// Many transactions in one request.
#[derive(Clone, Debug)]
pub struct Bulk {
    /// Those, in order.
    pub asks: Vec<Ask>,
    /// All of them or none.
    pub is_atomic: bool,
    /// Whether they are held first.
    pub is_inflight: bool,
}

/// What came of a bulk.
#[derive(Clone, Debug)]
pub struct BulkDone {
    /// Its head.
    pub id: TransactionId,
    /// How many were done.
    pub done: usize,
    /// The first that was not, by its place, and why; none if all were.
    pub first_refused: Option<(usize, String)>,
}
