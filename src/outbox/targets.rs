//! Endpoints, as the documents on their shelf say them.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::{
    actors::facts::SharedDocuments,
    domain::{documents::Shelf, time::Timestamp},
};

/// In which form an endpoint gets events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// The event's own payload, signed as Standard Webhooks has it.
    #[default]
    Standard,
    /// `{"event", "data"}`, signed as Blnk does.
    Blnk,
}

/// An endpoint: where a programme's events go, and which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// `whe_…`.
    pub id: String,
    /// Whose programme.
    pub origin: String,
    /// Where to.
    pub url: String,
    /// Whether events are sent now.
    pub enabled: bool,
    /// Which events: names, `card.*` for all that begin so, `*` for all.
    pub events: Vec<String>,
    /// In which form.
    #[serde(default)]
    pub format: Format,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// When it was made, Unix microseconds.
    pub created_at: i64,
    /// When it was changed last, Unix microseconds.
    pub updated_at: i64,
    /// Why it was disabled, if nobody asked for it.
    #[serde(default)]
    pub disabled_reason: Option<String>,
}

impl Endpoint {
    /// From its document; none if that is no endpoint's.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// As a document.
    #[must_use]
    pub fn text(&self) -> Arc<str> {
        serde_json::to_string(self).unwrap_or_default().into()
    }

    /// Whether it wants events of that name.
    #[must_use]
    pub fn accepts(&self, event: &str) -> bool {
        self.events.iter().any(|wanted| {
            let begins = wanted.strip_suffix('*');
            begins.map_or(wanted == event, |start| event.starts_with(start))
        })
    }

    /// Whether it is to get an event from then: not what happened before it was made.
    #[must_use]
    pub const fn is_for(&self, at: Timestamp) -> bool {
        self.created_at <= at.micros()
    }
}

/// Every origin's endpoints.
pub type Endpoints = BTreeMap<String, Vec<Arc<Endpoint>>>;

/// The endpoints as they are now, read anew only when a document has changed.
#[derive(Default)]
pub struct Targets(Mutex<Option<(u64, Arc<Endpoints>)>>);

impl Targets {
    /// The endpoints as they are now.
    pub fn now(&self, documents: &SharedDocuments) -> Arc<Endpoints> {
        let changes = documents.changes(Shelf::Endpoint);
        let mut known = self.0.lock();
        if let Some((at, endpoints)) = &*known
            && *at == changes
        {
            return endpoints.clone();
        }
        let mut endpoints = Endpoints::new();
        for (_, text) in documents.of(Shelf::Endpoint) {
            if let Some(endpoint) = Endpoint::read(&text) {
                let own = endpoints.entry(endpoint.origin.clone()).or_default();
                own.push(Arc::new(endpoint));
            }
        }
        let endpoints = Arc::new(endpoints);
        *known = Some((changes, endpoints.clone()));
        endpoints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_events_an_endpoint_wants() {
        let wants = |events: &[&str], event: &str| {
            let endpoint = Endpoint {
                id: String::new(),
                origin: String::new(),
                url: String::new(),
                enabled: true,
                events: events.iter().map(|it| (*it).to_owned()).collect(),
                format: Format::Standard,
                description: String::new(),
                created_at: 0,
                updated_at: 0,
                disabled_reason: None,
            };
            endpoint.accepts(event)
        };
        assert!(wants(&["*"], "purchase"));
        assert!(wants(&["card.*"], "card.created"));
        assert!(!wants(&["card.*"], "purchase"));
        assert!(wants(&["purchase", "x"], "purchase"));
        assert!(!wants(&["purchase"], "purchase_declined"));
        assert!(!wants(&[], "purchase"));
    }
}
