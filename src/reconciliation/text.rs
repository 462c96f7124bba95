//! How alike two texts are, and which texts may be alike.

/// Texts are compared by their first so many characters.
pub(super) const COMPARED_CHARS: usize = 256;
/// What is contained in another text has at least so many characters.
pub(super) const CONTAINED_CHARS_MIN: usize = 3;
/// A text is found by its first so many runs of three characters.
const TRIGRAMS_MAX: usize = 64;
const BILLION: u64 = 1_000_000_000;

fn start(text: &str) -> &str {
    match text.char_indices().nth(COMPARED_CHARS) {
        Some((at, _)) => text.get(..at).unwrap_or(text),
        None => text,
    }
}

/// The distance of two texts in billionths of the longer one's length, if it is at most `percent_ppb`
/// billionths. Source: V. Levenshtein's distance: insertions, deletions and substitutions.
#[must_use]
pub(super) fn distance_within(one: &str, other: &str, most: u64) -> Option<u64> {
    if one == other {
        return Some(0);
    }
    let (one, other) = (start(one), start(other));
    let (left, right) = (one.chars().count(), other.chars().count());
    let longer = u64::try_from(left.max(right)).unwrap_or(u64::MAX).max(1);
    let of_longer = |count: usize| {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        count.saturating_mul(BILLION) / longer
    };
    // As many edits at least as one has characters more.
    if of_longer(left.abs_diff(right)) > most {
        return None;
    }
    let distance = of_longer(strsim::levenshtein(one, other));
    (distance <= most).then_some(distance)
}

/// The distance of two texts in billionths of the longer one's length.
#[must_use]
pub(super) fn distance(one: &str, other: &str) -> u64 {
    distance_within(one, other, u64::MAX).unwrap_or(BILLION)
}

/// Whether either has the other in it; how much more the longer one has, in billionths of its length.
#[must_use]
pub(super) fn containment(one: &str, other: &str) -> Option<u64> {
    let (shorter, longer) = if one.len() <= other.len() {
        (one, other)
    } else {
        (other, one)
    };
    if one == other {
        return (!one.is_empty()).then_some(0);
    }
    let is_long_enough = shorter.chars().nth(CONTAINED_CHARS_MIN - 1).is_some();
    if !is_long_enough || !longer.contains(shorter) {
        return None;
    }
    let more = u64::try_from(longer.len() - shorter.len()).unwrap_or(u64::MAX);
    let all = u64::try_from(longer.len()).unwrap_or(u64::MAX).max(1);
    Some(more.saturating_mul(BILLION) / all)
}

/// Whether the text is as the pattern says, where `*` stands for any characters, also none.
#[must_use]
pub(super) fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}

/// The runs of three characters of a text, each as a number, sorted, each once.
#[must_use]
pub(super) fn trigrams(text: &str) -> Vec<u64> {
    let chars: Vec<u64> = text
        .chars()
        .take(TRIGRAMS_MAX + 2)
        .map(|c| u64::from(u32::from(c)))
        .collect();
    let mut found: Vec<u64> = chars
        .windows(3)
        .map(|run| run.iter().fold(0, |sum, c| (sum << 21) | c))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compared_as_said() {
        assert_eq!(distance("kitten", "sitting"), 3 * BILLION / 7);
        assert_eq!(distance_within("abc", "abcdefgh", BILLION / 2), None);
        assert_eq!(distance_within("", "", 0), Some(0));
        assert_eq!(containment("ref-12345", "12345"), Some(4 * BILLION / 9));
        assert_eq!(containment("12345", "ref-12345"), Some(4 * BILLION / 9));
        assert_eq!(
            containment("12", "12345"),
            None,
            "too short to say anything"
        );
        assert_eq!(containment("", ""), None, "nothing is in nothing");
        assert_eq!(containment("", "abc"), None);
    }

    #[test]
    fn patterns_are_read() {
        for (text, pattern, expected) in [
            ("ref-12", "ref-*", true),
            ("ref-12", "*12", true),
            ("ref-12", "r*-*2", true),
            ("ref-12", "ref-12", true),
            ("ref-12", "ref", false),
            ("ref-12", "*", true),
            ("", "*", true),
            ("aa", "a*a*a", false),
            ("ab", "ab*b", false),
        ] {
            assert_eq!(is_like(text, pattern), expected, "{text} {pattern}");
        }
    }

    #[test]
    fn trigrams_of_any_text() {
        assert!(trigrams("ab").is_empty());
        assert_eq!(trigrams("aaaa").len(), 1);
        assert_eq!(trigrams("日本語です").len(), 3);
        assert!(trigrams(&"abcdefghij".repeat(100)).len() <= TRIGRAMS_MAX);
    }
}
