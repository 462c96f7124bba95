//! Watches on balances: a condition that is told of each time it becomes true.
//!
//! A monitor is a document of the registry. A reader of the log follows the sums of the balances that are
//! watched, record by record, and records each crossing in the monitor's document, under the position of the
//! record that made it: so a crossing is recorded once, whatever crashes between, and the outbox makes its event
//! of that. Reading order: this file (what a monitor is), `fold` (the sums), `follow` (the reader).

mod fold;
mod follow;

use std::{
    cmp::Ordering,
    sync::{
        Arc,
        atomic::{self, AtomicBool},
    },
};

use serde::{Deserialize, Serialize, ser::SerializeStruct};
use serde_json::value::RawValue;

pub use self::{fold::Sums, follow::start};
use crate::{
    actors::{Engine, EngineError, Target},
    domain::{
        account::Medium, documents::Shelf, group::Group, ids::AccountNo, money::Asset,
        registry::RegistryEvent, time::Timestamp, uuids::BalanceId,
    },
};

/// What of a balance is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// What came less what left.
    Balance,
    /// What came.
    CreditBalance,
    /// What left.
    DebitBalance,
    /// What is inflight towards it less what is inflight from it.
    InflightBalance,
    /// What is inflight towards it.
    InflightCreditBalance,
    /// What is inflight from it.
    InflightDebitBalance,
}

impl Field {
    /// By its word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        serde_json::from_value(word.into()).ok()
    }

    /// Whether it needs to be known what other balances hold for this one.
    const fn needs_expected(self) -> bool {
        matches!(self, Self::InflightBalance | Self::InflightCreditBalance)
    }
}

/// How it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// Above.
    #[serde(rename = ">")]
    Above,
    /// Below.
    #[serde(rename = "<")]
    Below,
    /// Above or the same.
    #[serde(rename = ">=")]
    AtLeast,
    /// Below or the same.
    #[serde(rename = "<=")]
    AtMost,
    /// The same.
    #[serde(rename = "=")]
    Same,
    /// Not the same.
    #[serde(rename = "!=")]
    Other,
}

impl Operator {
    /// By its sign.
    #[must_use]
    pub fn of(sign: &str) -> Option<Self> {
        serde_json::from_value(sign.into()).ok()
    }

    fn holds(self, value: i128, limit: i128) -> bool {
        let order = value.cmp(&limit);
        match self {
            Self::Above => order == Ordering::Greater,
            Self::Below => order == Ordering::Less,
            Self::AtLeast => order != Ordering::Less,
            Self::AtMost => order != Ordering::Greater,
            Self::Same => order == Ordering::Equal,
            Self::Other => order != Ordering::Equal,
        }
    }
}

/// When a monitor tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// What is looked at.
    pub field: Field,
    /// How it is compared.
    pub operator: Operator,
    /// With what, in units: the digits as they were sent.
    pub value: String,
    /// How many smallest units make one: the digits as they were sent.
    pub precision: String,
    /// The product, in the smallest unit.
    pub precise_value: i128,
}

impl Condition {
    /// Whether sums fulfil it.
    #[must_use]
    pub fn holds(&self, sums: &Sums) -> bool {
        self.operator.holds(sums.of(self.field), self.precise_value)
    }
}

/// The sums of a balance when it began to be watched, and of which records they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// All that stands up to here is in the sums.
    pub lsn: u64,
    /// Of the balance's own records, all up to here.
    pub own_lsn: u64,
    /// Of what others hold for it, all up to here.
    pub expected_lsn: u64,
    /// The sums.
    pub sums: Sums,
}

/// A crossing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crossing {
    /// The record that made it.
    pub lsn: u64,
    /// When: RFC 3339.
    pub at: String,
    /// What the field was then.
    pub value: i128,
}

/// Why a monitor's document was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Somebody made or changed it.
    Asked,
    /// Its condition became true.
    Crossed,
}

/// A monitor, as its document has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitor {
    /// `mon_` and a UUID.
    pub monitor_id: String,
    /// What is watched: `bln_…`.
    pub balance_id: String,
    /// When it tells.
    pub condition: Condition,
    /// For people.
    pub description: String,
    /// Who is told beside the origin's endpoints; empty for nobody.
    pub call_back_url: String,
    /// RFC 3339.
    pub created_at: String,
    /// When somebody set it last, in microseconds: tells one condition from the next.
    pub set_at: i64,
    /// Why it was set.
    pub cause: Cause,
    /// The last crossing.
    pub crossing: Option<Crossing>,
    /// What the balance was when somebody set it.
    pub base: Base,
}

impl Monitor {
    /// The name of its document.
    #[must_use]
    pub fn name_of(origin: &str, id: &str) -> String {
        format!("{origin}/{id}")
    }

    /// From its document.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The event that sets its document; nothing if it cannot be written.
    #[must_use]
    pub fn set(&self, name: &str, at: Timestamp) -> Option<RegistryEvent> {
        Some(RegistryEvent::DocumentSet {
            shelf: Shelf::Monitor,
            name: name.to_owned(),
            text: Some(serde_json::to_string(self).ok()?.into()),
            at,
        })
    }

    /// As callers see it.
    #[must_use]
    pub const fn view(&self) -> View<'_> {
        View {
            monitor: self,
            crossing: None,
        }
    }

    /// The same with the crossing that is told of, if that is why its document was set.
    #[must_use]
    pub fn crossed(&self) -> Option<View<'_>> {
        let crossing = self.crossing.as_ref();
        let crossing = crossing.filter(|_| self.cause == Cause::Crossed);
        crossing.map(|crossing| View {
            monitor: self,
            crossing: Some(crossing),
        })
    }
}

/// A monitor as callers see it.
pub struct View<'a> {
    monitor: &'a Monitor,
    crossing: Option<&'a Crossing>,
}

#[derive(Serialize)]
struct ConditionView<'a> {
    field: Field,
    operator: Operator,
    value: Box<RawValue>,
    precision: Box<RawValue>,
    precise_value: &'a i128,
}

fn raw(digits: &str) -> Box<RawValue> {
    RawValue::from_string(digits.to_owned()).unwrap_or_default()
}

impl Serialize for View<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Monitor { condition, .. } = self.monitor;
        let count = if self.crossing.is_some() { 8 } else { 6 };
        let mut view = serializer.serialize_struct("Monitor", count)?;
        view.serialize_field("monitor_id", &self.monitor.monitor_id)?;
        view.serialize_field("balance_id", &self.monitor.balance_id)?;
        let shown = ConditionView {
            field: condition.field,
            operator: condition.operator,
            value: raw(&condition.value),
            precision: raw(&condition.precision),
            precise_value: &condition.precise_value,
        };
        view.serialize_field("condition", &shown)?;
        view.serialize_field("description", &self.monitor.description)?;
        view.serialize_field("call_back_url", &self.monitor.call_back_url)?;
        view.serialize_field("created_at", &self.monitor.created_at)?;
        if let Some(crossing) = self.crossing {
            view.serialize_field("crossed_at", &crossing.at)?;
            view.serialize_field("crossed_value", &crossing.value)?;
        }
        view.end()
    }
}

/// Whether anybody ever watched anything, so that nothing is read while nobody does.
#[derive(Debug, Default)]
pub struct Wanted(AtomicBool);

impl Wanted {
    /// Says so; to be called before a monitor is recorded.
    pub fn expect(&self) {
        self.0.store(true, atomic::Ordering::SeqCst);
    }

    fn is_expected(&self) -> bool {
        self.0.load(atomic::Ordering::SeqCst)
    }
}

/// What a balance is at this moment, to watch it from here on; nothing if the origin has no such balance.
///
/// # Errors
///
/// [`EngineError`] if it cannot be looked at.
pub async fn base_of(
    engine: &Arc<Engine>,
    origin: Option<&Arc<str>>,
    id: BalanceId,
) -> Result<Option<Base>, EngineError> {
    // Before anything is looked at: whatever stands up to here is in it.
    let lsn = engine.durability.durable();
    // A ledger account has the number of the account it was made with.
    let target = Target::Account {
        no: AccountNo(id.ledger.0),
        urn: None,
    };
    let read = engine.read(target, origin.cloned(), move |hosted| {
        let asset = asset_of(&hosted.group, id)?;
        Some((
            asset,
            hosted.trail.last(),
            fold::sums_in(&hosted.group, id, asset),
        ))
    });
    let (asset, own_lsn, mut sums) = match read.await {
        Ok(Some(found)) => found,
        Ok(None) | Err(EngineError::Rejected(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let (expected, _, expected_lsn) = engine.shared.books.expected(id.ledger, asset);
    sums.expected = expected.minor();
    Ok(Some(Base {
        lsn,
        own_lsn,
        expected_lsn: expected_lsn.max(lsn),
        sums,
    }))
}

/// The asset that the id means.
fn asset_of(group: &Group, id: BalanceId) -> Option<Asset> {
    let of_face = group
        .accounts
        .iter()
        .find_map(|account| match &account.medium {
            Medium::Balance(face) if account.ledger == id.ledger => Some(face.asset),
            Medium::Balance(_) | Medium::Card { .. } | Medium::Virtual => None,
        });
    let ledger = group.ledger(id.ledger)?;
    let held = ledger.balances.iter().map(|(asset, _)| *asset);
    of_face
        .into_iter()
        .chain(held)
        .find(|asset| BalanceId::tag_of(*asset) == id.tag)
}
