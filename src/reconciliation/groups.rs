//! One to one, or several of one side taken together: what is held against what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{record::Entry, rules::Field};

/// The longest text of a group whose records differ in it.
const JOINED_BYTES_MAX: usize = 4_096;

/// Which side is taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Neither.
    OneToOne,
    /// Transactions: an external record is the sum of several.
    OneToMany,
    /// External records: several are one transaction.
    ManyToOne,
}

/// Takes records together that have the currency and `by` in common, in the order of entries; of dates
/// the day counts. Those whose `by` is empty stay alone.
#[must_use]
pub fn grouped(entries: Vec<Entry>, by: Field) -> Vec<Entry> {
    let mut groups: BTreeMap<(String, String), Vec<Entry>> = BTreeMap::new();
    let mut alone = Vec::new();
    for entry in entries {
        let in_common = match by {
            Field::Amount => entry.amount.to_string(),
            Field::Currency => entry.currency.clone(),
            Field::Reference => entry.reference.clone(),
            Field::Description => entry.description.clone(),
            Field::Date => entry.span.first.utc_day().0.to_string(),
        };
        if in_common.is_empty() {
            alone.push(entry);
        } else {
            let key = (entry.currency.clone(), in_common);
            groups.entry(key).or_default().push(entry);
        }
    }
    let mut all: Vec<Entry> = groups.into_values().filter_map(together).collect();
    all.append(&mut alone);
    all.sort_unstable();
    all
}

fn together(mut entries: Vec<Entry>) -> Option<Entry> {
    entries.sort_unstable();
    let mut rest = entries.into_iter();
    let mut whole = rest.next()?;
    let mut texts = (vec![whole.reference], vec![whole.description]);
    for entry in rest {
        whole.span = whole.span.with(entry.span);
        whole.amount = whole.amount.plus(&entry.amount);
        texts.0.push(entry.reference);
        texts.1.push(entry.description);
        whole.ids.extend(entry.ids);
        whole.members.extend(entry.members);
    }
    whole.reference = joined(texts.0);
    whole.description = joined(texts.1);
    Some(whole)
}

/// The text they have in common, or all of them after each other.
fn joined(mut texts: Vec<String>) -> String {
    texts.sort_unstable();
    texts.dedup();
    texts.retain(|text| !text.is_empty());
    let mut whole = String::new();
    for text in texts {
        if whole.len().saturating_add(text.len()) > JOINED_BYTES_MAX {
            break;
        }
        if !whole.is_empty() {
            whole.push_str(" | ");
        }
        whole.push_str(&text);
    }
    whole
}
