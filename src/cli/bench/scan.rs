//! Finds the few fields the driver needs in a body, without parsing it.

use memchr::memmem;

/// Searches one fixed needle.
#[derive(Clone, Debug)]
pub(super) struct Finder(memmem::Finder<'static>);

impl Finder {
    pub(super) fn new(needle: &'static [u8]) -> Self {
        Self(memmem::Finder::new(needle))
    }

    /// Where the first needle at or after `from` ends.
    pub(super) fn end_of_next(&self, text: &[u8], from: usize) -> Option<usize> {
        let at = self.0.find(text.get(from..)?)?;
        Some(from + at + self.0.needle().len())
    }
}

/// What an answer says about an authorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Approved,
    Declined,
    Unclear,
}

/// Counts over the items of a batch answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BatchTally {
    pub(super) answered: u64,
    pub(super) approved: u64,
    pub(super) declined: u64,
    pub(super) busy: u64,
}

/// The searches a connection does.
#[derive(Clone, Debug)]
pub(super) struct Scanner {
    status: Finder,
    id: Finder,
    transaction: Finder,
}

impl Scanner {
    pub(super) fn new() -> Self {
        Self {
            status: Finder::new(b"\"status\":"),
            id: Finder::new(b"\"id\":"),
            transaction: Finder::new(b"\"transaction_id\":"),
        }
    }

    /// Reads the decision of a single authorization.
    pub(super) fn decision(&self, body: &[u8]) -> Decision {
        match self.status.end_of_next(body, 0) {
            Some(end) => decision_at(value(body, end)),
            None => Decision::Unclear,
        }
    }

    /// Reads the `auth_` id of an authorization.
    pub(super) fn authorization_id<'a>(&self, body: &'a [u8]) -> Option<&'a [u8]> {
        let mut from = 0;
        while let Some(end) = self.id.end_of_next(body, from) {
            from = end;
            let text = value(body, end);
            if text.starts_with(b"\"auth_") {
                let text = text.get(1..)?;
                return text.split(|byte| *byte == b'"').next();
            }
        }
        None
    }

    /// Reads the state of a transaction of the ledger face.
    pub(super) fn state<'a>(&self, body: &'a [u8]) -> &'a [u8] {
        let end = self.status.end_of_next(body, 0);
        end.and_then(|end| string(value(body, end)))
            .unwrap_or_default()
    }

    /// Reads the `txn_` id of a transaction of the ledger face.
    pub(super) fn transaction_id<'a>(&self, body: &'a [u8]) -> Option<&'a [u8]> {
        let end = self.transaction.end_of_next(body, 0)?;
        string(value(body, end)).filter(|id| id.starts_with(b"txn_"))
    }

    /// Counts the items of a batch answer: each has a numeric status, and a decision if decided.
    pub(super) fn batch(&self, body: &[u8]) -> BatchTally {
        let mut tally = BatchTally::default();
        let mut from = 0;
        while let Some(end) = self.status.end_of_next(body, from) {
            from = end;
            let text = value(body, end);
            match (text.first(), decision_at(text)) {
                (_, Decision::Approved) => tally.approved += 1,
                (_, Decision::Declined) => tally.declined += 1,
                (Some(b'0'..=b'9'), Decision::Unclear) => {
                    tally.answered += 1;
                    tally.busy += u64::from(text.starts_with(b"503"));
                }
                (_, Decision::Unclear) => {}
            }
        }
        tally
    }
}

/// The text of the string field `name`, for messages: not for the hot path.
pub(super) fn string_field(body: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let (_, rest) = text.split_once(&format!("\"{name}\":"))?;
    let (field, _) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
    Some(field.to_owned())
}

/// The content of the string that `text` begins with.
fn string(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"\"")?.split(|byte| *byte == b'"').next()
}

fn value(body: &[u8], from: usize) -> &[u8] {
    body.get(from..).unwrap_or_default().trim_ascii_start()
}

fn decision_at(text: &[u8]) -> Decision {
    if text.starts_with(b"\"approved\"") || text.starts_with(b"\"partially_approved\"") {
        Decision::Approved
    } else if text.starts_with(b"\"declined\"") {
        Decision::Declined
    } else {
        Decision::Unclear
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finder_agrees_with_a_plain_search() {
        let text = br#"{"stat":1,"status":2,"s"status":"status":,"tatus":"status"#;
        for needle in [
            &b"\"status\":"[..],
            b"s",
            b"\"",
            b"tatus\":\"",
            b"zz",
            b"\"status\":2,",
        ] {
            let finder = Finder::new(needle);
            for from in 0..=text.len() {
                let plain = text[from..]
                    .windows(needle.len())
                    .position(|window| window == needle)
                    .map(|at| from + at + needle.len());
                assert_eq!(
                    finder.end_of_next(text, from),
                    plain,
                    "{needle:?} from {from}"
                );
            }
        }
    }

    #[test]
    fn reads_decisions_and_ids() {
        let scanner = Scanner::new();
        let approved = br#"{"id":"auth_1a","transaction_id":"t","status":"approved"}"#;
        assert_eq!(scanner.decision(approved), Decision::Approved);
        assert_eq!(scanner.authorization_id(approved), Some(&b"auth_1a"[..]));
        let spaced = br#"{ "operation": {"id": "op_9"}, "id": "auth_2", "status": "declined" }"#;
        assert_eq!(scanner.decision(spaced), Decision::Declined);
        assert_eq!(scanner.authorization_id(spaced), Some(&b"auth_2"[..]));
        assert_eq!(
            scanner.decision(br#"{"error":{"code":"x"}}"#),
            Decision::Unclear
        );
        assert_eq!(scanner.authorization_id(b"{}"), None);
    }

    #[test]
    fn reads_states_and_ids_of_the_ledger_face() {
        let scanner = Scanner::new();
        let held =
            br#"{"parent_transaction":"txn_0", "transaction_id": "txn_1", "status":"INFLIGHT"}"#;
        assert_eq!(scanner.transaction_id(held), Some(&b"txn_1"[..]));
        assert_eq!(scanner.state(held), b"INFLIGHT");
        assert_eq!(scanner.transaction_id(br#"{"transaction_id":""}"#), None);
        assert_eq!(scanner.state(br#"{"status":7}"#), b"");
    }

    #[test]
    fn counts_batch_items() {
        let body = br#"[{"status":200,"body":{"id":"auth_1","status":"approved"}},
            {"status":200,"body":{"status":"declined"}},
            {"status":404,"error":{"code":"card_not_found"}},{"status":503,"error":{}}]"#;
        let tally = Scanner::new().batch(body);
        assert_eq!(
            tally,
            BatchTally {
                answered: 4,
                approved: 1,
                declined: 1,
                busy: 1
            }
        );
    }

    #[test]
    fn reads_a_string_field() {
        assert_eq!(
            string_field(br#"{"code": "busy"}"#, "code").as_deref(),
            Some("busy")
        );
        assert_eq!(string_field(br#"{"code":null}"#, "code"), None);
    }
}
