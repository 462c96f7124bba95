//! The filters of `GET /api/accounts`.

use std::collections::BTreeSet;

use actix_web::HttpRequest;
use serde_json::{Map, Value};

use super::{
    super::problem::Problem,
    query::Params,
    view::{digits, text_of},
};
use crate::{
    actors::indexes::Order,
    domain::{
        account::{Account, Medium, Status},
        ids::LedgerNo,
        time::Timestamp,
    },
};

/// The most accounts in one answer.
const LIMIT_MAX: usize = 1_000;

/// Which accounts are listed, and how many.
pub struct Filter {
    /// Of this holder.
    pub holder_urn: Option<String>,
    /// These.
    pub names: Option<Vec<String>>,
    /// In front of this money.
    pub ledgers: Option<BTreeSet<LedgerNo>>,
    medium: Option<String>,
    statuses: Vec<Status>,
    /// A part of the name, the URN, or the card's last four digits.
    part: Option<String>,
    metadata: Vec<(String, String)>,
    created_after: Option<Timestamp>,
    created_before: Option<Timestamp>,
    /// How many at the most.
    pub limit: usize,
    /// How many are passed over.
    pub offset: usize,
    /// Which come first.
    pub order: Order,
}

impl Filter {
    /// Reads the query string.
    ///
    /// # Errors
    ///
    /// 400 with the parameter.
    pub fn read(request: &HttpRequest) -> Result<Self, Problem> {
        const ONCE: [&str; 11] = [
            "holder_urn",
            "urn",
            "medium",
            "q",
            "custom_id",
            "created_after",
            "created_before",
            "ledger_account_id",
            "limit",
            "offset",
            "order",
        ];
        const MANY: [&str; 4] = ["urns", "status", "ledger_account_ids", "metadata["];
        let params = Params::read(request, &ONCE, &MANY)?;
        let given = |one: &'static str, many: &'static str| {
            let all: Vec<String> = params
                .all(one)
                .chain(params.all(many))
                .map(str::to_owned)
                .collect();
            (!all.is_empty()).then_some(all)
        };
        // A text that names nothing of ours matches nothing.
        let ledgers = given("ledger_account_id", "ledger_account_ids");
        let ledgers = ledgers.map(|all| all.iter().filter_map(|text| text.parse().ok()).collect());
        let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let custom_id = params
            .one("custom_id")
            .map(|value| own(("custom_id", value)));
        Ok(Self {
            holder_urn: params.one("holder_urn").map(str::to_owned),
            names: given("urn", "urns"),
            ledgers,
            medium: params.one("medium").map(str::to_owned),
            statuses: params.all("status").map(status).collect::<Result<_, _>>()?,
            part: params.one("q").map(str::to_lowercase),
            metadata: params.map("metadata").map(own).chain(custom_id).collect(),
            created_after: params.time("created_after")?,
            created_before: params.time("created_before")?,
            limit: params.number("limit", 100, (1, LIMIT_MAX))?,
            offset: params.number("offset", 0, (0, usize::MAX))?,
            order: params.one("order").map_or(Ok(Order::NewestFirst), order)?,
        })
    }

    /// Whether ledger balances are asked for, which are not listed otherwise.
    #[must_use]
    pub fn wants_balances(&self) -> bool {
        self.medium.as_deref() == Some("balance")
    }

    /// Whether the index alone says who is in the list.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.medium.is_none()
            && self.statuses.is_empty()
            && self.part.is_none()
            && self.metadata.is_empty()
            && self.created_after.is_none()
            && self.created_before.is_none()
    }

    /// Whether an account is among them.
    #[must_use]
    pub fn fits(&self, account: &Account) -> bool {
        let created = account.created_at;
        self.holder_urn
            .as_ref()
            .is_none_or(|urn| account.holder_urn == *urn)
            && self
                .ledgers
                .as_ref()
                .is_none_or(|all| all.contains(&account.ledger))
            && self
                .medium
                .as_deref()
                .is_none_or(|word| is_medium(account, word))
            && (self.names.is_some()
                || self.wants_balances()
                || !matches!(account.medium, Medium::Balance(_)))
            && (self.statuses.is_empty() || self.statuses.contains(&account.status))
            && self.created_after.is_none_or(|after| created > after)
            && self.created_before.is_none_or(|before| created < before)
            && self.fits_metadata(account)
    }

    fn fits_metadata(&self, account: &Account) -> bool {
        if self.part.is_none() && self.metadata.is_empty() {
            return true;
        }
        let metadata: Map<String, Value> =
            serde_json::from_str(&account.metadata).unwrap_or_default();
        let has_part = |part: &String| {
            let name = metadata.get("name").and_then(Value::as_str);
            let last_four = match &account.medium {
                Medium::Card { last_four, .. } => digits(*last_four),
                Medium::Virtual | Medium::Balance(_) => String::new(),
            };
            name.is_some_and(|name| name.to_lowercase().contains(part.as_str()))
                || account.urn().contains(part.as_str())
                || last_four == *part
        };
        let equals = |(key, wanted): &(String, String)| {
            metadata
                .get(key)
                .is_some_and(|value| text_of(value) == wanted.as_str())
        };
        self.part.as_ref().is_none_or(has_part) && self.metadata.iter().all(equals)
    }
}

/// `asc` and `desc`, alone or with the one key there is: `created_at:asc`, `-created_at`, ….
fn order(text: &str) -> Result<Order, Problem> {
    let lower = text.to_ascii_lowercase();
    let wrong = || {
        let message = "order must be asc, desc, created_at:asc, created_at:desc, created_at or \
                       -created_at";
        Problem::malformed("order", message)
    };
    if lower == "-created_at" {
        return Ok(Order::NewestFirst);
    }
    // A plus sign of a query string is a blank.
    let bare = lower.trim_start_matches(['+', ' ']);
    let way = match bare.strip_prefix("created_at") {
        Some("") => "asc",
        Some(rest) => rest
            .strip_prefix([':', '.', ' ', ',', '_'])
            .ok_or_else(wrong)?,
        None => bare,
    };
    match way {
        "asc" => Ok(Order::OldestFirst),
        "desc" => Ok(Order::NewestFirst),
        _ => Err(wrong()),
    }
}

fn status(word: &str) -> Result<Status, Problem> {
    let known = Status::ALL.iter().find(|status| status.word() == word);
    known.copied().ok_or_else(|| {
        let words: Vec<_> = Status::ALL.iter().map(|status| status.word()).collect();
        let message = format!("status must be one of {}", words.join(", "));
        Problem::malformed("status", message)
    })
}

/// `card` stands for every card, so that the SDK's list of cards has those of programmes too.
fn is_medium(account: &Account, word: &str) -> bool {
    let is_card = matches!(account.medium, Medium::Card { .. });
    account.medium_word() == word || (word == "card" && is_card)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders() {
        for text in [
            "asc",
            "ASC",
            "created_at",
            "created_at:asc",
            "created_at.asc",
            "+created_at",
        ] {
            assert_eq!(order(text).ok(), Some(Order::OldestFirst), "{text}");
        }
        for text in [
            "desc",
            "-created_at",
            "created_at:desc",
            "created_at desc",
            "created_at_desc",
        ] {
            assert_eq!(order(text).ok(), Some(Order::NewestFirst), "{text}");
        }
        for text in ["up", "name:asc", "created_atasc", "-asc", "created_at:"] {
            assert!(order(text).is_err(), "{text}");
        }
    }
}
