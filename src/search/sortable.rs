//! Numbers as texts that sort as the numbers do: a database's own numbers end at 64 bits or are floats.
//!
//! A text is the sign, the count of the whole part's digits, those digits, and the decimal places. Of what is
//! below zero each digit is its difference to nine, and a mark behind all digits ends it, so that the longer is
//! the smaller.

/// Behind the digits of what is below zero: sorts behind each of them.
const END: char = '~';
const BELOW: char = '0';
const ABOVE: char = '1';

/// An integer.
#[must_use]
pub fn integer(number: i128) -> String {
    let digits = number.unsigned_abs().to_string();
    put(number < 0, &digits, "")
}

/// A plain decimal: digits, perhaps a sign before and a point among them.
#[must_use]
pub fn decimal(text: &str) -> Option<String> {
    let (is_below, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, places) = rest.split_once('.').unwrap_or((rest, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_decimal = !(whole.is_empty() && places.is_empty())
        && is_digits(whole)
        && is_digits(places)
        && !(rest.contains('.') && places.is_empty());
    if !is_decimal {
        return None;
    }
    let (whole, places) = (whole.trim_start_matches('0'), places.trim_end_matches('0'));
    let is_zero = whole.is_empty() && places.is_empty();
    if whole.len() > 99 {
        return None;
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(put(is_below && !is_zero, whole, places))
}

fn put(is_below: bool, whole: &str, places: &str) -> String {
    let mut text = String::with_capacity(whole.len().saturating_add(5));
    text.push(if is_below { BELOW } else { ABOVE });
    let count = format!("{:02}", whole.len());
    let mut add = |digits: &str| {
        for digit in digits.chars() {
            text.push(if is_below { opposite(digit) } else { digit });
        }
    };
    add(&count);
    add(whole);
    add(places);
    if is_below {
        text.push(END);
    }
    text
}

fn opposite(digit: char) -> char {
    let number = digit.to_digit(10).unwrap_or(0);
    char::from_digit(9_u32.saturating_sub(number), 10).unwrap_or(digit)
}

/// The number as people write it.
#[must_use]
pub fn shown(text: &str) -> String {
    let is_below = text.starts_with(BELOW);
    let digits: String = text
        .chars()
        .skip(1)
        .filter(|letter| *letter != END)
        .map(|digit| if is_below { opposite(digit) } else { digit })
        .collect();
    let count: usize = digits.get(..2).unwrap_or("1").parse().unwrap_or(1);
    let rest = digits.get(2..).unwrap_or_default();
    let (whole, places) = rest.split_at(count.min(rest.len()));
    let sign = if is_below { "-" } else { "" };
    let point = if places.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{places}")
}

/// The integer; nothing for what is none of ours.
#[must_use]
pub fn read(text: &str) -> i128 {
    shown(text).parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn integers_sort_as_their_texts(a: i128, b: i128, small in -100_i128..100, shift in 0_u32..127) {
            for (a, b) in [(a, b), (a >> shift, b >> shift), (small, a >> shift)] {
                prop_assert_eq!(a.cmp(&b), integer(a).cmp(&integer(b)), "{} {}", a, b);
                prop_assert_eq!(read(&integer(a)), a);
                prop_assert_eq!(decimal(&a.to_string()), Some(integer(a)));
            }
        }

        #[test]
        fn decimals_sort_as_their_texts(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000) {
            let text = |n: i64| {
                let sign = if n < 0 { "-" } else { "" };
                format!("{sign}{}.{:03}", n.abs() / 1_000, n.abs() % 1_000)
            };
            let (left, right) = (decimal(&text(a)).unwrap(), decimal(&text(b)).unwrap());
            prop_assert_eq!(a.cmp(&b), left.cmp(&right), "{} {}", text(a), text(b));
        }
    }

    #[test]
    fn they_read_back_and_other_texts_are_refused() {
        for (given, back) in [
            ("12.50", "12.5"),
            ("0", "0"),
            ("-0.0", "0"),
            ("-3.25", "-3.25"),
            (".5", "0.5"),
            ("007", "7"),
        ] {
            assert_eq!(shown(&decimal(given).unwrap()), back);
        }
        for wrong in ["", "-", ".", "1.", "1e3", "1,5", "--1", " 1", "0x1", "nan"] {
            assert_eq!(decimal(wrong), None, "{wrong}");
        }
    }
}
