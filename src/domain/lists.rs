//! Lists of merchant categories that live outside, as they were last fetched.

use std::{collections::BTreeMap, sync::Arc};

use super::merchant::Mcc;

/// The most codes of one list. There are 10,000 of them in all.
pub const CODES_MAX: usize = 10_000;

/// The last good content of each list, by its URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    by_url: BTreeMap<Arc<str>, Arc<[Mcc]>>,
}

impl Lists {
    /// The codes of the list at `url`, in order; nothing if it never arrived.
    #[must_use]
    pub fn get(&self, url: &str) -> Option<&[Mcc]> {
        self.by_url.get(url).map(|codes| &**codes)
    }

    /// Whether the list at `url` has `mcc`; nothing if it never arrived.
    #[must_use]
    pub fn has(&self, url: &str, mcc: Mcc) -> Option<bool> {
        self.get(url).map(|codes| codes.binary_search(&mcc).is_ok())
    }

    /// Puts `codes` in the place of what the list at `url` held.
    pub fn set(&mut self, url: Arc<str>, codes: &[Mcc]) {
        let mut codes = codes.to_vec();
        codes.sort_unstable();
        codes.dedup();
        self.by_url.insert(url, codes.into());
    }

    /// Every list with its URL.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &[Mcc])> {
        self.by_url.iter().map(|(url, codes)| (url, &**codes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_sorted_once_and_found_by_its_url() {
        let code = |code| Mcc::new(code).expect("below 10,000");
        let mut lists = Lists::default();
        lists.set(
            "https://a.example/x".into(),
            &[code(5812), code(5411), code(5812)],
        );
        assert_eq!(
            lists.get("https://a.example/x"),
            Some(&[code(5411), code(5812)][..])
        );
        assert_eq!(lists.has("https://a.example/x", code(5411)), Some(true));
        assert_eq!(lists.has("https://a.example/x", code(5412)), Some(false));
        assert_eq!(lists.has("https://a.example/y", code(5411)), None);
        lists.set("https://a.example/x".into(), &[]);
        assert_eq!(lists.has("https://a.example/x", code(5411)), Some(false));
    }
}
