//! Who asks, by `X-Blnk-Key`, and may they.
//!
//! A key of the programme's with the scope `ledger` may do everything here: it is the master key. One that was
//! made by `POST /api-keys` may do what its scopes say, which stand in a document beside the key.

use std::sync::Arc;

use actix_web::{
    HttpRequest,
    http::{StatusCode, header::HeaderValue},
};
use dashmap::DashMap;
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use crate::{
    books::Origin,
    domain::{documents::Shelf, registry::Scope},
    http::App,
};

/// What a key of this face may be for. Source: the scopes of the SDKs, `resource:action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// `ledgers`
    Ledgers,
    /// `balances`
    Balances,
    /// `identities`
    Identities,
    /// `transactions`
    Transactions,
    /// `balance-monitors`
    BalanceMonitors,
    /// `hooks`
    Hooks,
    /// `api-keys`
    ApiKeys,
    /// `search`
    Search,
    /// `reconciliation`
    Reconciliation,
    /// `metadata`
    Metadata,
}

/// The words of the resources, in the order of [`Resource`]; the last two are the SDKs' and open nothing here.
const RESOURCES: [&str; 12] = [
    "ledgers",
    "balances",
    "identities",
    "transactions",
    "balance-monitors",
    "hooks",
    "api-keys",
    "search",
    "reconciliation",
    "metadata",
    "accounts",
    "backup",
];

/// The words of the actions, in the order of [`Action`].
const ACTIONS: [&str; 3] = ["read", "write", "delete"];

impl Resource {
    const fn place(self) -> usize {
        match self {
            Self::Ledgers => 0,
            Self::Balances => 1,
            Self::Identities => 2,
            Self::Transactions => 3,
            Self::BalanceMonitors => 4,
            Self::Hooks => 5,
            Self::ApiKeys => 6,
            Self::Search => 7,
            Self::Reconciliation => 8,
            Self::Metadata => 9,
        }
    }
}

/// What is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `read`
    Read,
    /// `write`
    Write,
    /// `delete`
    Delete,
}

impl Action {
    const fn place(self) -> usize {
        match self {
            Self::Read => 0,
            Self::Write => 1,
            Self::Delete => 2,
        }
    }
}

/// What scopes allow, one bit for each resource and action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grants(u64);

impl Grants {
    /// Everything.
    pub const ALL: Self = Self((1 << 36) - 1);

    fn one(resource: usize, action: usize) -> u64 {
        let place = resource
            .saturating_mul(ACTIONS.len())
            .saturating_add(action);
        u32::try_from(place).map_or(0, |place| 1_u64.checked_shl(place).unwrap_or(0))
    }

    /// What a scope allows: `resource:action`, with `*` for all of either, or `*`; nothing for another text.
    #[must_use]
    pub fn of(scope: &str) -> Option<Self> {
        let (resource, action) = match scope {
            "*" => ("*", "*"),
            other => other.split_once(':')?,
        };
        let fits = |wanted: &str, word: &str| wanted == "*" || wanted == word;
        let mut bits = 0;
        for (at, word) in RESOURCES.iter().enumerate() {
            for (kind, verb) in ACTIONS.iter().enumerate() {
                if fits(resource, word) && fits(action, verb) {
                    bits |= Self::one(at, kind);
                }
            }
        }
        (bits != 0).then_some(Self(bits))
    }

    /// What all of the scopes allow together.
    #[must_use]
    pub fn of_all<'a>(scopes: impl IntoIterator<Item = &'a String>) -> Option<Self> {
        let mut all = 0;
        for scope in scopes {
            all |= Self::of(scope)?.0;
        }
        Some(Self(all))
    }

    /// Whether that is allowed.
    #[must_use]
    pub fn allow(self, resource: Resource, action: Action) -> bool {
        self.0 & Self::one(resource.place(), action.place()) != 0
    }

    /// Whether all that the other allows is allowed.
    #[must_use]
    pub const fn hold(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }
}

/// What stands beside a key of this face: its document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyNote {
    /// Who it is for, in the words of whoever made it.
    pub owner: String,
    /// What it may do.
    pub scopes: Vec<String>,
}

/// What a key may, read once.
#[derive(Debug)]
pub struct Granted {
    /// The text it was read from.
    text: Arc<str>,
    /// Who it is for.
    pub owner: String,
    /// What it may do.
    pub grants: Grants,
}

/// What keys may, so that no request reads a document.
#[derive(Default)]
pub struct KnownKeys(DashMap<String, Arc<Granted>>);

impl KnownKeys {
    /// What the key may; nothing for a master key.
    fn look(&self, app: &App, key_id: &str) -> Option<Arc<Granted>> {
        let text = app
            .engine
            .shared
            .facts
            .documents
            .get(Shelf::LedgerKey, key_id)?;
        let known = self.0.get(key_id).map(|known| known.clone());
        if let Some(known) = known.filter(|known| Arc::ptr_eq(&known.text, &text)) {
            return Some(known);
        }
        let note: Option<KeyNote> = serde_json::from_str(&text).ok();
        // What cannot be read allows nothing.
        let grants = note.as_ref().and_then(|note| Grants::of_all(&note.scopes));
        let granted = Arc::new(Granted {
            owner: note.map(|note| note.owner).unwrap_or_default(),
            grants: grants.unwrap_or_default(),
            text,
        });
        self.0.insert(key_id.to_owned(), granted.clone());
        Some(granted)
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The origin whose books they are.
    pub origin: Origin,
    /// The key's id.
    pub key_id: String,
    /// Whether it is the origin's own key, which may do everything here.
    pub is_master: bool,
}

impl Caller {
    /// What the caller's key may, and for whom it is; nothing for a master key.
    #[must_use]
    pub fn granted(&self, app: &App) -> Option<Arc<Granted>> {
        app.ledger.keys.look(app, &self.key_id)
    }
}

/// The one behind `X-Blnk-Key` (or `Authorization: Bearer`), if they may.
///
/// # Errors
///
/// 401 without a key of ours, 403 if it does not allow it.
pub fn require(
    request: &HttpRequest,
    app: &App,
    resource: Resource,
    action: Action,
) -> Result<Caller, Fault> {
    let given = request.headers().get("x-blnk-key");
    let given = given.or_else(|| request.headers().get("authorization"));
    let Some(given) = given.filter(|given| !given.is_empty()) else {
        let message = "send your key as X-Blnk-Key";
        return Err(refused(
            StatusCode::UNAUTHORIZED,
            "AUTH_MISSING_API_KEY",
            message,
        ));
    };
    let principal = match crate::http::access::behind(Some(given), app) {
        Ok(principal) => principal,
        Err(_) if is_expired(given, app) => {
            let message = "the key has expired: make another";
            return Err(refused(
                StatusCode::UNAUTHORIZED,
                "AUTH_EXPIRED_API_KEY",
                message,
            ));
        }
        Err(problem) => return Err(problem.into()),
    };
    let insufficient = |message: String| {
        refused(
            StatusCode::FORBIDDEN,
            "AUTH_INSUFFICIENT_PERMISSIONS",
            message,
        )
    };
    if !principal.scopes.allow(Scope::Ledger) {
        return Err(insufficient("this key has no scope ledger".to_owned()));
    }
    let granted = app.ledger.keys.look(app, &principal.key_id);
    let may = |granted: &Arc<Granted>| granted.grants.allow(resource, action);
    if !granted.as_ref().is_none_or(may) {
        let (resource, action) = (
            RESOURCES.get(resource.place()).copied().unwrap_or_default(),
            ACTIONS.get(action.place()).copied().unwrap_or_default(),
        );
        return Err(insufficient(format!(
            "this key has no scope {resource}:{action}"
        )));
    }
    Ok(Caller {
        origin: principal.origin.clone(),
        key_id: principal.key_id.clone(),
        is_master: granted.is_none(),
    })
}

/// The one behind the key, if it is a master key.
///
/// # Errors
///
/// As [`require`]; 403 for another key.
pub fn require_master(
    request: &HttpRequest,
    app: &App,
    (resource, action): (Resource, Action),
    what: &str,
) -> Result<Caller, Fault> {
    let caller = require(request, app, resource, action);
    let needs_master = || {
        let message = format!("{what} requires the master key");
        refused(StatusCode::FORBIDDEN, "AUTH_MASTER_KEY_REQUIRED", message)
    };
    match caller {
        Ok(caller) if caller.is_master => Ok(caller),
        Ok(_) => Err(needs_master()),
        Err(fault) if fault.status == StatusCode::FORBIDDEN => Err(needs_master()),
        Err(fault) => Err(fault),
    }
}

fn is_expired(given: &HeaderValue, app: &App) -> bool {
    let text = given.to_str().unwrap_or_default();
    let bearer = text
        .get(..7)
        .filter(|word| word.eq_ignore_ascii_case("bearer "));
    let secret = bearer.map_or(text, |_| text.get(7..).unwrap_or_default().trim());
    let now = app.engine.shared.clock.now();
    app.engine.registrar.is_expired(secret, now)
}

fn refused(status: StatusCode, code: &'static str, message: impl Into<String>) -> Fault {
    Fault::new(status, code, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_allow_what_they_say() {
        let of = |scope: &str| Grants::of(scope).unwrap();
        assert_eq!(of("*"), Grants::ALL);
        assert_eq!(of("*:*"), Grants::ALL);
        assert!(of("ledgers:read").allow(Resource::Ledgers, Action::Read));
        assert!(!of("ledgers:read").allow(Resource::Ledgers, Action::Write));
        assert!(!of("ledgers:read").allow(Resource::Balances, Action::Read));
        assert!(of("*:read").allow(Resource::Metadata, Action::Read));
        assert!(of("metadata:*").allow(Resource::Metadata, Action::Delete));
        assert!(of("ledgers:*").hold(of("ledgers:write")));
        assert!(!of("ledgers:*").hold(of("*:write")));
        for wrong in [
            "",
            "ledgers",
            "ledgers:",
            ":read",
            "ledger:read",
            "ledgers:edit",
            "**",
        ] {
            assert_eq!(Grants::of(wrong), None, "{wrong}");
        }
    }
}
