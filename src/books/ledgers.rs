//! Ledgers: folders of balances. Each is a document of the registry.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::accounts::{CARDS_LEDGER_ID, GENERAL_LEDGER_ID};
use crate::domain::time::Timestamp;

/// A ledger as it stands.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// Its id: `ldg_…`, or one of the two that nobody made.
    pub id: String,
    /// For people.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// A JSON object as text.
    pub metadata: String,
}

/// How it is kept: the document's text.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    #[serde(borrow)]
    name: std::borrow::Cow<'a, str>,
    created_at: i64,
    #[serde(borrow)]
    meta_data: &'a RawValue,
}

impl Ledger {
    /// The name of its document.
    #[must_use]
    pub fn document_name(origin: &str, id: &str) -> String {
        format!("{origin}/{id}")
    }

    /// Reads it from its document.
    #[must_use]
    pub fn read(id: &str, text: &str) -> Option<Self> {
        let kept: Kept<'_> = serde_json::from_str(text).ok()?;
        Some(Self {
            id: id.to_owned(),
            name: kept.name.into_owned(),
            created_at: Timestamp::from_micros(kept.created_at),
            metadata: kept.meta_data.get().to_owned(),
        })
    }

    /// The text of its document.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let meta_data = RawValue::from_string(self.metadata.clone()).ok()?;
        let kept = Kept {
            name: self.name.as_str().into(),
            created_at: self.created_at.micros(),
            meta_data: &meta_data,
        };
        serde_json::to_string(&kept).ok()
    }

    /// One of the two that nobody made: the folder of balances by indicator, and that of the programme's
    /// cards and pockets.
    #[must_use]
    pub fn built_in(id: &str) -> Option<Self> {
        let name = match id {
            GENERAL_LEDGER_ID => "General Ledger",
            CARDS_LEDGER_ID => "Cards",
            _ => return None,
        };
        Some(Self {
            id: id.to_owned(),
            name: name.to_owned(),
            created_at: Timestamp::default(),
            metadata: "{}".to_owned(),
        })
    }

    /// The ids of those that nobody made.
    pub const BUILT_IN: [&'static str; 2] = [GENERAL_LEDGER_ID, CARDS_LEDGER_ID];
}
