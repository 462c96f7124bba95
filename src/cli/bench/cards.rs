//! The URNs of a run's cards, packed: a million of them must not weigh on the client.

/// A list of URNs in one allocation.
#[derive(Clone, Debug, Default)]
pub(super) struct Cards {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Cards {
    /// The card that takes the hot share.
    pub(super) const HOT: usize = 0;

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn push(&mut self, urn: &str) {
        self.bytes.extend_from_slice(urn.as_bytes());
        let end = u32::try_from(self.bytes.len());
        self.ends
            .push(end.expect("Invariant: the URNs of a run take less than 4 GiB"));
    }

    /// The URN at `index`; empty beyond the end.
    pub(super) fn urn(&self, index: usize) -> &[u8] {
        let start = match index.checked_sub(1) {
            None => Some(&0),
            Some(before) => self.ends.get(before),
        };
        let (Some(start), Some(end)) = (start, self.ends.get(index)) else {
            return &[];
        };
        self.bytes
            .get(*start as usize..*end as usize)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_was_pushed() {
        let mut cards = Cards::default();
        for urn in ["did:a", "", "did:bb"] {
            cards.push(urn);
        }
        assert_eq!(cards.len(), 3);
        assert_eq!(cards.urn(0), b"did:a");
        assert_eq!(cards.urn(1), b"");
        assert_eq!(cards.urn(2), b"did:bb");
        assert_eq!(cards.urn(3), b"");
    }
}
