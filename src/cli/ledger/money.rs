//! Amounts for people: exact, with their thousands apart.

use num_bigint::BigInt;

use super::record::Record;
use crate::domain::money::Asset;

/// How many digits of a currency stand behind the point; none for text that is no currency.
pub(super) fn decimals_of(currency: &str) -> usize {
    Asset::of_ledger(currency).map_or(0, |asset| usize::from(asset.decimals()))
}

/// An integer of the smallest unit with `decimals` digits behind the point; as it is if it is none.
pub(super) fn shown(integer: &str, decimals: usize) -> String {
    let (sign, digits) = signed(integer);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return integer.to_owned();
    }
    let digits = digits.trim_start_matches('0');
    let padded = format!("{digits:0>width$}", width = decimals.saturating_add(1));
    let (whole, part) = padded.split_at(padded.len().saturating_sub(decimals));
    joined(sign, whole, part)
}

/// A decimal number as it was written, with its thousands apart.
fn shown_decimal(number: &str) -> String {
    let (sign, rest) = signed(number);
    let (whole, part) = rest.split_once('.').unwrap_or((rest, ""));
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_plain(whole) || !is_plain(part) {
        return number.to_owned();
    }
    joined(sign, whole, part)
}

/// What a transaction moves: its smallest units by its precision, or its amount if that is no power of ten.
pub(super) fn of_transaction(transaction: &Record) -> String {
    let precise = transaction.text("precise_amount");
    let zeros = transaction.text("precision");
    let zeros = zeros.strip_prefix('1');
    match zeros.filter(|zeros| zeros.bytes().all(|byte| byte == b'0')) {
        Some(zeros) if !precise.is_empty() => shown(&precise, zeros.len()),
        Some(_) | None => shown_decimal(&transaction.text("amount")),
    }
}

/// What of a balance may be spent: what is there less what is inflight, and less what waits for others.
pub(super) fn available(balance: &Record) -> Option<String> {
    let amount = |name: &str| balance.text(name).parse::<BigInt>().ok();
    let held = amount("inflight_debit_balance")?;
    let queued = amount("queued_debit_balance").unwrap_or_default();
    Some((amount("balance")? - held - queued).to_string())
}

fn signed(number: &str) -> (&str, &str) {
    number
        .strip_prefix('-')
        .map_or(("", number), |rest| ("-", rest))
}

fn joined(sign: &str, whole: &str, part: &str) -> String {
    let mut text = sign.to_owned();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && whole.len().saturating_sub(at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if !part.is_empty() {
        text.push('.');
        text.push_str(part);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_and_grouped() {
        for (integer, decimals, text) in [
            ("0", 2, "0.00"),
            ("5", 2, "0.05"),
            ("-5", 2, "-0.05"),
            ("100000", 2, "1,000.00"),
            ("-123456789", 0, "-123,456,789"),
            ("99999", 0, "99,999"),
            (
                "12345678901234567890123",
                6,
                "12,345,678,901,234,567.890123",
            ),
            ("", 2, ""),
            ("1e3", 2, "1e3"),
        ] {
            assert_eq!(shown(integer, decimals), text);
        }
        assert_eq!((decimals_of("USD"), decimals_of("JPY")), (2, 0));
        assert_eq!((decimals_of("DUSD/6"), decimals_of("?")), (6, 0));
    }

    #[test]
    fn a_transaction_s_amount_has_its_precision() {
        let check = |json: &str, text: &str| {
            assert_eq!(
                of_transaction(&serde_json::from_str(json).unwrap()),
                text,
                "{json}"
            );
        };
        check(
            r#"{"amount":1234.5,"precise_amount":123450,"precision":100}"#,
            "1,234.50",
        );
        check(r#"{"amount":7,"precise_amount":"7","precision":1}"#, "7");
        check(
            r#"{"amount":1234.5,"precise_amount":3704,"precision":3}"#,
            "1,234.5",
        );
        check(r#"{"amount":1e3}"#, "1e3");
    }

    #[test]
    fn what_is_inflight_is_not_available() {
        let balance = r#"{"balance":100,"inflight_debit_balance":60,"queued_debit_balance":50}"#;
        let balance: Record = serde_json::from_str(balance).unwrap();
        assert_eq!(available(&balance).as_deref(), Some("-10"));
        assert_eq!(available(&serde_json::from_str("{}").unwrap()), None);
    }
}
