//! Judges an answer: as wanted, busy, or unexpected, and how to name the latter.

use super::scan::{Decision, Scanner, string_field};
use super::stats::Outcome;
use super::traffic::Operation;

const BUSY: u16 = 503;

/// Judges the answer to a request of `items` items.
pub(super) fn judge(
    scanner: &Scanner,
    operation: Operation,
    (status, body): (u16, &[u8]),
    items: u64,
) -> Outcome {
    if status == BUSY {
        return Outcome::busy(items);
    }
    if !(200..300).contains(&status) {
        return Outcome::unexpected(items);
    }
    match operation {
        Operation::Echo | Operation::Capture | Operation::Reverse | Operation::Refund => {
            Outcome::good(items)
        }
        Operation::Create => in_state(scanner.state(body), &[b"INFLIGHT"]),
        Operation::Commit => in_state(scanner.state(body), &[b"APPLIED", b"COMMIT"]),
        Operation::Authorize => decided(scanner.decision(body), Decision::Approved),
        Operation::Decline => decided(scanner.decision(body), Decision::Declined),
        Operation::Batch => {
            let tally = scanner.batch(body);
            let good = tally.approved.min(items);
            let busy = tally.busy.min(items - good);
            let unexpected = items - good - busy;
            Outcome {
                good,
                busy,
                unexpected,
                approved: tally.approved,
                declined: tally.declined,
            }
        }
    }
}

/// Names the failure of an answer with unexpected items; for the report, off the hot path.
pub(super) fn failure_kind(operation: Operation, status: u16, body: &[u8]) -> String {
    let name = operation.name();
    if let Some(code) = string_field(body, "code") {
        return format!("{name}: {status} {code}");
    }
    match string_field(body, "decline_reason") {
        Some(reason) => format!("{name}: {status} declined {reason}"),
        None => format!("{name}: {status}"),
    }
}

fn in_state(state: &[u8], wanted: &[&[u8]]) -> Outcome {
    if wanted.contains(&state) {
        Outcome::good(1)
    } else {
        Outcome::unexpected(1)
    }
}

fn decided(decision: Decision, wanted: Decision) -> Outcome {
    let mut outcome = if decision == wanted {
        Outcome::good(1)
    } else {
        Outcome::unexpected(1)
    };
    match decision {
        Decision::Approved => outcome.approved = 1,
        Decision::Declined => outcome.declined = 1,
        Decision::Unclear => {}
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(operation: Operation, status: u16, body: &str, expected: Outcome) {
        let items = if operation == Operation::Batch { 3 } else { 1 };
        let outcome = judge(&Scanner::new(), operation, (status, body.as_bytes()), items);
        assert_eq!(outcome, expected, "{operation:?} {status} {body}");
        assert_eq!(outcome.items(), items);
    }

    const APPROVED: &str = r#"{"id":"auth_1","status":"approved"}"#;
    const DECLINED: &str = r#"{"id":"auth_1","status":"declined","decline_reason":"card_frozen"}"#;

    #[test]
    fn a_decision_is_good_only_where_it_was_wanted() {
        let approved = |outcome| Outcome {
            approved: 1,
            ..outcome
        };
        let declined = |outcome| Outcome {
            declined: 1,
            ..outcome
        };
        check(
            Operation::Authorize,
            200,
            APPROVED,
            approved(Outcome::good(1)),
        );
        check(
            Operation::Authorize,
            200,
            DECLINED,
            declined(Outcome::unexpected(1)),
        );
        check(
            Operation::Decline,
            200,
            DECLINED,
            declined(Outcome::good(1)),
        );
        check(
            Operation::Decline,
            200,
            APPROVED,
            approved(Outcome::unexpected(1)),
        );
        check(Operation::Authorize, 200, "{}", Outcome::unexpected(1));
        check(Operation::Capture, 200, APPROVED, Outcome::good(1));
        check(Operation::Echo, 200, "", Outcome::good(1));
        let held = r#"{"transaction_id":"txn_1","status":"INFLIGHT"}"#;
        check(Operation::Create, 201, held, Outcome::good(1));
        check(Operation::Commit, 200, held, Outcome::unexpected(1));
        let applied = r#"{"transaction_id":"txn_2","status":"APPLIED"}"#;
        check(Operation::Commit, 200, applied, Outcome::good(1));
        let rejected = r#"{"transaction_id":"txn_1","status":"REJECTED"}"#;
        check(Operation::Create, 201, rejected, Outcome::unexpected(1));
    }

    #[test]
    fn statuses_count_before_decisions() {
        check(Operation::Authorize, 503, APPROVED, Outcome::busy(1));
        check(Operation::Refund, 409, APPROVED, Outcome::unexpected(1));
        check(Operation::Echo, 404, "", Outcome::unexpected(1));
        check(Operation::Batch, 500, "", Outcome::unexpected(3));
        check(Operation::Batch, 503, "", Outcome::busy(3));
    }

    #[test]
    fn batch_items_are_judged_one_by_one() {
        let body = format!(
            r#"[{{"status":200,"body":{APPROVED}}},{{"status":200,"body":{DECLINED}}},{{"status":503}}]"#
        );
        let expected = Outcome {
            good: 1,
            busy: 1,
            unexpected: 1,
            approved: 1,
            declined: 1,
        };
        check(Operation::Batch, 200, &body, expected);
        check(Operation::Batch, 200, "[]", Outcome::unexpected(3));
    }

    #[test]
    fn failures_are_named_by_code_or_reason() {
        let name = |status, body: &str| failure_kind(Operation::Authorize, status, body.as_bytes());
        assert_eq!(name(200, DECLINED), "authorize: 200 declined card_frozen");
        assert_eq!(
            name(422, r#"{"error":{"code":"amount"}}"#),
            "authorize: 422 amount"
        );
        assert_eq!(name(500, ""), "authorize: 500");
    }
}
