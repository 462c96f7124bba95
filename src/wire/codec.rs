//! The one user of bincode: version byte, payload, nothing behind it.

use bincode::{
    config::{self, Configuration, Limit, LittleEndian, Varint},
    de::{Decode, DecoderImpl, read::SliceReader},
    enc::{Encode, write::Writer},
    error::{DecodeError, EncodeError},
};

use super::{VERSION, WireError, layout::Version};

const fn settings() -> Configuration<LittleEndian, Varint> {
    config::standard()
}

/// Appends to memory, without the detour of a general output.
struct Appender<'a>(&'a mut Vec<u8>);

impl Writer for Appender<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        // Three of four writes are of one byte, for which copying is a detour.
        match bytes {
            [one] => self.0.push(*one),
            _ => self.0.extend_from_slice(bytes),
        }
        Ok(())
    }
}

/// Up to this length of input, what is read may take 64 times as much memory, which no stored type
/// needs.
const SMALL_LEN_MAX: usize = 1 << 20;
const SMALL_MEMORY_MAX: usize = SMALL_LEN_MAX << 6;
/// Beyond it: more than any machine has, so that only an impossible length is refused.
const LARGE_MEMORY_MAX: usize = 1 << 44;

/// Settings that refuse a length that cannot be before memory is asked for it: a refused allocation
/// ends the process.
const fn bounded<const MAX: usize>() -> Configuration<LittleEndian, Varint, Limit<MAX>> {
    settings().with_limit::<MAX>()
}

fn append(value: &impl Encode, out: &mut Vec<u8>) {
    bincode::encode_into_writer(value, Appender(out), settings())
        .expect("Invariant: writing to memory cannot fail and every stored type encodes");
}

pub(super) fn encode(value: &impl Encode, out: &mut Vec<u8>) {
    out.clear();
    out.push(VERSION);
    append(value, out);
}

pub(super) fn encode_with_tag(tag: u8, value: &impl Encode, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&[VERSION, tag]);
    append(value, out);
}

fn payload<'a>(bytes: &'a [u8], kind: &'static str) -> Result<(Version, &'a [u8]), WireError> {
    match bytes.split_first() {
        Some((version @ 1..=VERSION, payload)) => Ok((Version(*version), payload)),
        Some((&version, _)) => Err(WireError::Version { kind, version }),
        None => Err(WireError::Undecodable {
            kind,
            what: "it is empty".into(),
        }),
    }
}

fn tagged<'a>(bytes: &'a [u8], kind: &'static str) -> Result<(u8, (Version, &'a [u8])), WireError> {
    let (version, payload) = payload(bytes, kind)?;
    let (tag, rest) = payload
        .split_first()
        .ok_or_else(|| WireError::Undecodable {
            kind,
            what: "it has no kind".into(),
        })?;
    Ok((*tag, (version, rest)))
}

pub(super) fn tag(bytes: &[u8], kind: &'static str) -> Result<u8, WireError> {
    tagged(bytes, kind).map(|(tag, _)| tag)
}

fn whole<T: Decode<Version>>(
    (version, payload): (Version, &[u8]),
    kind: &'static str,
) -> Result<T, WireError> {
    let undecodable = |error: DecodeError| WireError::Undecodable {
        kind,
        what: error.to_string(),
    };
    let decoded = if payload.len() <= SMALL_LEN_MAX {
        bincode::decode_from_slice_with_context(payload, bounded::<SMALL_MEMORY_MAX>(), version)
    } else {
        bincode::decode_from_slice_with_context(payload, bounded::<LARGE_MEMORY_MAX>(), version)
    };
    let (value, used) = decoded.map_err(undecodable)?;
    match payload.len().checked_sub(used) {
        Some(0) => Ok(value),
        extra => Err(WireError::Trailing {
            kind,
            extra: extra.unwrap_or_default(),
        }),
    }
}

fn prefix<T: Decode<Version>>(
    (version, payload): (Version, &[u8]),
    kind: &'static str,
) -> Result<T, WireError> {
    let mut decoder = DecoderImpl::new(SliceReader::new(payload), settings(), version);
    T::decode(&mut decoder).map_err(|error| WireError::Undecodable {
        kind,
        what: error.to_string(),
    })
}

pub(super) fn decode<T: Decode<Version>>(bytes: &[u8], kind: &'static str) -> Result<T, WireError> {
    whole(payload(bytes, kind)?, kind)
}

pub(super) fn decode_prefix<T: Decode<Version>>(
    bytes: &[u8],
    kind: &'static str,
) -> Result<T, WireError> {
    prefix(payload(bytes, kind)?, kind)
}

pub(super) fn decode_tagged<T: Decode<Version>>(
    bytes: &[u8],
    kind: &'static str,
) -> Result<T, WireError> {
    whole(tagged(bytes, kind)?.1, kind)
}

pub(super) fn decode_tagged_prefix<T: Decode<Version>>(
    bytes: &[u8],
    kind: &'static str,
) -> Result<T, WireError> {
    prefix(tagged(bytes, kind)?.1, kind)
}

/// A keyless SipHash 2-4 of the class and the encoded request: stable over restarts and versions.
pub(super) fn fingerprint(class: &str, request: &impl Encode) -> u64 {
    use std::hash::Hasher;
    let mut bytes = Vec::with_capacity(256);
    append(&class, &mut bytes);
    append(request, &mut bytes);
    let mut hasher = siphasher::sip::SipHasher24::new();
    hasher.write(&bytes);
    hasher.finish()
}
