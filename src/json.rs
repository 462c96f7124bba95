//! Writes JSON straight into bytes: for the hot path, where a general serializer costs three times
//! as much, and for sums of more digits than a number of `serde_json` takes. Everything else uses that.

use crate::domain::texts::eight_digits;

/// The name of a member with all that stands around it, put together when the program is built.
#[derive(Clone, Copy)]
pub struct Key(pub &'static str);

/// The name of a member.
macro_rules! key {
    ($name:literal) => {
        $crate::json::Key(concat!(",\"", $name, "\":"))
    };
}
pub(crate) use key;

/// A JSON object being written. Each member begins with a comma, so that none has to ask whether it is the
/// first: the first one's becomes the brace when the object ends.
#[must_use = "it is to be ended"]
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Object<'a> {
    /// Opens an object at the end of `out`.
    pub fn begin(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        Self { out, start }
    }

    /// Closes it.
    pub fn end(self) {
        match self.out.get_mut(self.start) {
            Some(comma) => *comma = b'{',
            None => self.out.push(b'{'),
        }
        self.out.push(b'}');
    }

    /// `name` as [`key!`] makes it.
    #[expect(
        clippy::inline_always,
        reason = "where its length is known, a name is written by two moves and not by a call"
    )]
    #[inline(always)]
    fn name(&mut self, name: Key) {
        self.out.extend_from_slice(name.0.as_bytes());
    }

    /// A text that needs no escapes: an id, a word, a time of ours.
    #[inline]
    pub fn plain(&mut self, name: Key, text: &(impl AsRef<[u8]> + ?Sized)) {
        self.name(name);
        plain(self.out, text.as_ref());
    }

    /// A plain text or null.
    pub fn plain_or_null(&mut self, name: Key, text: Option<&str>) {
        self.name(name);
        match text {
            Some(text) => plain(self.out, text.as_bytes()),
            None => self.out.extend_from_slice(b"null"),
        }
    }

    /// Any text.
    pub fn text(&mut self, name: Key, text: &str) {
        self.name(name);
        escaped(self.out, text);
    }

    /// An integer as a string.
    #[inline]
    pub fn int(&mut self, name: Key, number: i128) {
        self.name(name);
        self.out.push(b'"');
        digits(self.out, number);
        self.out.push(b'"');
    }

    /// An integer as a number, of however many digits.
    pub fn number(&mut self, name: Key, number: i128) {
        self.name(name);
        digits(self.out, number);
    }

    /// A decimal as a string: the last `places` digits of `mantissa` behind a point.
    #[inline]
    pub fn decimal(&mut self, name: Key, mantissa: i128, places: u8) {
        self.name(name);
        self.out.push(b'"');
        decimal(self.out, mantissa, places);
        self.out.push(b'"');
    }

    /// The same as a number.
    pub fn decimal_number(&mut self, name: Key, mantissa: i128, places: u8) {
        self.name(name);
        decimal(self.out, mantissa, places);
    }

    /// The members of an object that is JSON already; nothing for an empty text.
    pub fn members_of(&mut self, json: &str) {
        let inner = json.trim().strip_prefix('{');
        let inner = inner.and_then(|rest| rest.strip_suffix('}'));
        let inner = inner.unwrap_or_default().trim();
        if inner.is_empty() {
            return;
        }
        self.out.push(b',');
        self.out.extend_from_slice(inner.as_bytes());
    }

    /// An integer as a string, or null.
    pub fn int_or_null(&mut self, name: Key, number: Option<i128>) {
        match number {
            Some(number) => self.int(name, number),
            None => self.null(name),
        }
    }

    /// Null.
    #[inline]
    pub fn null(&mut self, name: Key) {
        self.name(name);
        self.out.extend_from_slice(b"null");
    }

    /// A truth.
    pub fn boolean(&mut self, name: Key, value: bool) {
        self.name(name);
        self.out
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// A value that is JSON already, such as a number's digits.
    pub fn json(&mut self, name: Key, json: &str) {
        self.name(name);
        self.out.extend_from_slice(json.as_bytes());
    }

    /// An object inside.
    pub fn object(&mut self, name: Key, write: impl FnOnce(&mut Object<'_>)) {
        self.name(name);
        let mut inner = Object::begin(self.out);
        write(&mut inner);
        inner.end();
    }

    /// An object inside, under a name that is known only now and needs no escapes.
    pub fn entry(
        &mut self,
        name: &(impl AsRef<[u8]> + ?Sized),
        write: impl FnOnce(&mut Object<'_>),
    ) {
        self.out.push(b',');
        plain(self.out, name.as_ref());
        self.out.push(b':');
        let mut inner = Object::begin(self.out);
        write(&mut inner);
        inner.end();
    }

    /// A list of objects inside.
    pub fn objects<T>(
        &mut self,
        name: Key,
        items: impl Iterator<Item = T>,
        mut write: impl FnMut(&mut Object<'_>, T),
    ) {
        self.name(name);
        self.out.push(b'[');
        for (place, item) in items.enumerate() {
            if place > 0 {
                self.out.push(b',');
            }
            let mut inner = Object::begin(self.out);
            write(&mut inner, item);
            inner.end();
        }
        self.out.push(b']');
    }
}

fn digits_of(buffer: &mut itoa::Buffer, number: i128) -> &str {
    // Half the digits of an i128 make for half the work, and nearly every amount fits.
    match i64::try_from(number) {
        Ok(small) => buffer.format(small),
        Err(_) => buffer.format(number),
    }
}

/// Numbers up to here are written eight digits at a time.
const SMALL_MAX: u32 = 99_999_999;

fn digits(out: &mut Vec<u8>, number: i128) {
    match u32::try_from(number) {
        Ok(small @ ..=SMALL_MAX) => small_digits(out, small),
        _ => out.extend_from_slice(digits_of(&mut itoa::Buffer::new(), number).as_bytes()),
    }
}

/// Writes all eight digits without the zeros before them, and takes back what is too much: that is
/// quicker than to copy so many as there are.
fn small_digits(out: &mut Vec<u8>, small: u32) {
    let all = u64::from_le_bytes(eight_digits(small));
    let zeros = (all ^ ZEROS).trailing_zeros().min(63) / 8;
    let shown = all >> (zeros * 8);
    out.extend_from_slice(&shown.to_le_bytes());
    let zeros = usize::try_from(zeros).unwrap_or(0);
    out.truncate(out.len().saturating_sub(zeros));
}

const ZEROS: u64 = u64::from_le_bytes(*b"00000000");

/// Whole units and as many digits behind the point as there are places; at most eight of them.
fn small_decimal(out: &mut Vec<u8>, small: u32, places: u8) -> bool {
    let Some(unit) = 10_u32.checked_pow(places.into()).filter(|_| places <= 8) else {
        return false;
    };
    small_digits(out, small / unit);
    let part = eight_digits(small % unit);
    let kept = part.len().saturating_sub(places.into());
    out.push(b'.');
    out.extend_from_slice(part.get(kept..).unwrap_or_default());
    true
}

fn decimal(out: &mut Vec<u8>, mantissa: i128, places: u8) {
    if places == 0 {
        return digits(out, mantissa);
    }
    if let Ok(small @ ..=SMALL_MAX) = u32::try_from(mantissa)
        && small_decimal(out, small, places)
    {
        return;
    }
    let mut buffer = itoa::Buffer::new();
    let mut digits = digits_of(&mut buffer, mantissa);
    if let Some(rest) = digits.strip_prefix('-') {
        out.push(b'-');
        digits = rest;
    }
    let places = usize::from(places);
    // At least one digit stands before the point.
    let point = digits.len().saturating_sub(places);
    let (whole, part) = digits.split_at_checked(point).unwrap_or_default();
    out.extend_from_slice(if whole.is_empty() { "0" } else { whole }.as_bytes());
    out.push(b'.');
    out.extend(std::iter::repeat_n(b'0', places.saturating_sub(part.len())));
    out.extend_from_slice(part.as_bytes());
}

fn plain(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

/// Source: RFC 8259, section 7.
fn escaped(out: &mut Vec<u8>, text: &str) {
    let is_odd = |byte: u8| (byte < 0x20) | (byte == b'"') | (byte == b'\\');
    // All of them are looked at, which is quicker than to stop at the first.
    if !text.bytes().fold(false, |odd, byte| odd | is_odd(byte)) {
        plain(out, text.as_bytes());
    } else if serde_json::to_writer(&mut *out, text).is_err() {
        out.extend_from_slice(b"null");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_written_as_they_are_shown(
            number in prop_oneof![
                any::<i128>(), 0..20_i128, 99_999_900..100_000_100_i128, -120_000_000..120_000_000_i128,
            ],
            places in 0..20_u8,
        ) {
            let mut out = Vec::new();
            digits(&mut out, number);
            let whole = number.to_string();
            prop_assert_eq!(&out, whole.as_bytes());
            out.clear();
            decimal(&mut out, number, places);
            let width = usize::from(places) + 1;
            let mut due = format!("{:0width$}", number.unsigned_abs());
            if places > 0 {
                due.insert(due.len() - usize::from(places), '.');
            }
            let sign = if number < 0 { "-" } else { "" };
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("{sign}{due}"));
        }
    }

    #[test]
    fn it_reads_back_as_it_was_written() {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        let odd = "a\"b\\c\n\u{1}é\u{2028}";
        object.text(key!("odd"), odd);
        object.plain(key!("plain"), "did:x");
        object.int(key!("small"), -7);
        object.int(key!("large"), i128::MIN);
        object.int_or_null(key!("none"), None);
        object.plain_or_null(key!("word"), Some("w"));
        object.boolean(key!("yes"), true);
        object.json(key!("number"), "0.0144");
        object.decimal(key!("whole"), 12, 0);
        object.decimal(key!("point"), 1_250, 2);
        object.decimal(key!("below"), -5, 3);
        object.decimal(key!("just_below"), -512, 3);
        object.decimal(key!("nothing"), 0, 2);
        object.decimal_number(key!("rate"), 144, 4);
        object.object(key!("inner"), |inner| inner.null(key!("nothing")));
        object.objects(key!("list"), [1, 2].into_iter(), |inner, n| {
            inner.int(key!("n"), n)
        });
        object.object(key!("empty"), |_| ());
        object.object(key!("outer"), |outer| {
            outer.entry("any", |inner| inner.members_of(" {\"a\": 1} "));
            outer.members_of("{}");
            outer.members_of("{\"b\":[]}");
        });
        object.end();
        let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let expected = serde_json::json!({
            "odd": odd, "plain": "did:x", "small": "-7", "large": i128::MIN.to_string(),
            "none": null, "word": "w", "yes": true, "number": 0.0144,
            "whole": "12", "point": "12.50", "below": "-0.005", "just_below": "-0.512",
            "nothing": "0.00", "rate": 0.0144, "inner": {"nothing": null}, "empty": {},
            "outer": {"any": {"a": 1}, "b": []}, "list": [{"n": "1"}, {"n": "2"}],
        });
        assert_eq!(read, expected);
    }
}
