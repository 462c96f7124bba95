//! Lists of merchant categories that live outside, as they were last fetched.

use std::{collections::BTreeMap, sync::Arc};

use super::{merchant::Mcc, time::Timestamp};

/// The most codes of one list. There are 10,000 of them in all.
pub const CODES_MAX: usize = 10_000;

/// The last good content of each list, by its URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    by_url: BTreeMap<Arc<str>, List>,
}

/// No lists at all.
pub static NONE: Lists = Lists {
    by_url: BTreeMap::new(),
};

/// What was fetched from a URL when it last changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// The codes, sorted, each once.
    pub codes: Arc<[Mcc]>,
    /// What the server calls this content, as it sent it.
    pub etag: Option<String>,
    /// When it came.
    pub at: Timestamp,
}

impl List {
    /// A list of `codes` in any order.
    #[must_use]
    pub fn new(mut codes: Vec<Mcc>, etag: Option<String>, at: Timestamp) -> Self {
        codes.sort_unstable();
        codes.dedup();
        let codes = codes.into();
        Self { codes, etag, at }
    }
}

impl Lists {
    /// The codes of the list at `url`, sorted; nothing if it never arrived.
    #[must_use]
    pub fn get(&self, url: &str) -> Option<&[Mcc]> {
        self.by_url.get(url).map(|list| &*list.codes)
    }

    /// Whether the list at `url` has `mcc`; nothing if it never arrived.
    #[must_use]
    pub fn has(&self, url: &str, mcc: Mcc) -> Option<bool> {
        let codes = self.get(url)?;
        Some(codes.binary_search(&mcc).is_ok())
    }

    /// The list at `url` with what is known of its fetching.
    #[must_use]
    pub fn list(&self, url: &str) -> Option<&List> {
        self.by_url.get(url)
    }

    /// Puts `list` in the place of what was known of `url`.
    pub fn set(&mut self, url: Arc<str>, list: List) {
        self.by_url.insert(url, list);
    }

    /// Every list with its URL, in the order of the URLs.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &List)> {
        self.by_url.iter()
    }
}

/// A URL for logs and for people: without user, password, query and fragment, which may hold
/// secrets.
#[must_use]
pub fn shown_url(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = plain.split_once("://").unwrap_or(("", plain));
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let between = if scheme.is_empty() { "" } else { "://" };
    let shown: String = format!("{scheme}{between}{host}{path}");
    shown
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_url_has_no_secrets() {
        for (url, expect) in [
            ("https://a.example/x/y?key=1#z", "https://a.example/x/y"),
            ("https://me:pass@a.example:8443?k", "https://a.example:8443"),
            ("http://a@b@c.example/@d", "http://c.example/@d"),
            ("nonsense", "nonsense"),
            ("", ""),
        ] {
            assert_eq!(shown_url(url), expect, "{url}");
        }
    }

    #[test]
    fn a_list_is_sorted_once_and_found_by_its_url() {
        let code = |code| Mcc::new(code).expect("below 10,000");
        let list = |codes: &[u16]| {
            let codes = codes.iter().copied().map(code).collect();
            List::new(codes, None, Timestamp::default())
        };
        let mut lists = Lists::default();
        lists.set("https://a.example/x".into(), list(&[5812, 5411, 5812]));
        let known = lists.get("https://a.example/x");
        assert_eq!(known, Some(&[code(5411), code(5812)][..]));
        assert_eq!(lists.has("https://a.example/x", code(5411)), Some(true));
        assert_eq!(lists.has("https://a.example/x", code(5412)), Some(false));
        assert_eq!(lists.has("https://a.example/y", code(5411)), None);
        lists.set("https://a.example/x".into(), list(&[]));
        assert_eq!(lists.has("https://a.example/x", code(5411)), Some(false));
    }
}
