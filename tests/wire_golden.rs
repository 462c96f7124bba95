//! Stored bytes stay readable: each golden file decodes to the value it was made from, and that value
//! encodes to the same bytes.
//!
//! `UPDATE_GOLDEN=1 cargo test --test wire_golden` writes files that are missing. A file that is there
//! is never overwritten: bytes that were once written do not change, a new version comes beside them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

mod books;
mod golden;

use std::{collections::BTreeSet, fs, path::PathBuf};

use cardwright::wire::{VERSION, decode_entry_head, decode_group, decode_group_head, decode_item};

use golden::Stored;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("snapshots/golden/v{VERSION}"))
}

fn path(name: &str) -> PathBuf {
    folder().join(format!("{name}.hex"))
}

fn to_hex(bytes: &[u8]) -> String {
    let line = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    bytes.chunks(32).map(|bytes| line(bytes) + "\n").collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// The bytes of every golden file, written first if the environment asks for it.
fn files() -> Vec<(&'static str, Stored, Vec<u8>)> {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1");
    let read = |(name, value): (&'static str, Stored)| {
        if update && !path(name).exists() {
            fs::create_dir_all(folder()).unwrap();
            fs::write(path(name), to_hex(&value.encode())).unwrap();
        }
        let text = fs::read_to_string(path(name))
            .unwrap_or_else(|error| panic!("{name}: {error}; UPDATE_GOLDEN=1 writes it"));
        (name, value, from_hex(&text))
    };
    golden::all().into_iter().map(read).collect()
}

#[test]
fn golden_files_are_what_is_stored() {
    for (name, value, bytes) in files() {
        let read = value
            .decode_like(&bytes)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(read, value, "{name} decodes to something else");
        assert_eq!(
            to_hex(&value.encode()),
            to_hex(&bytes),
            "{name} encodes to other bytes"
        );
        assert_eq!(bytes[0], VERSION, "{name} begins with its version");
    }
}

/// What earlier versions could say, they still say.
#[test]
fn files_of_earlier_versions_still_decode_to_their_values() {
    let values: std::collections::BTreeMap<_, _> = golden::all().into_iter().collect();
    for version in 1..VERSION {
        let folder = format!("snapshots/golden/v{version}");
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut seen = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if !path.is_file() {
                continue; // the journal's golden files have their own folder
            }
            let name = path.file_stem().unwrap().to_str().unwrap();
            let bytes = from_hex(&fs::read_to_string(&path).unwrap());
            assert_eq!(bytes[0], version, "{name}");
            let value = &values[name];
            let read = value
                .decode_like(&bytes)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(
                &read, value,
                "{name} of version {version} says something else"
            );
            seen += 1;
        }
        assert!(seen > 20, "only {seen} files of version {version}");
    }
}

#[test]
fn every_golden_file_has_its_value() {
    let known: BTreeSet<_> = files().iter().map(|(name, ..)| path(name)).collect();
    let found: BTreeSet<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file()) // the journal's golden files have their own folder
        .collect();
    assert_eq!(found, known);
}

#[test]
fn nothing_cut_short_and_nothing_longer_decodes() {
    for (name, value, bytes) in files() {
        for len in 0..bytes.len() {
            assert!(
                value.decode_like(&bytes[..len]).is_err(),
                "{name} at {len} bytes"
            );
        }
        for extra in [0, 1, 0xff] {
            let longer = [bytes.as_slice(), &[extra]].concat();
            assert!(
                value.decode_like(&longer).is_err(),
                "{name} with one byte more"
            );
        }
    }
}

#[test]
fn no_changed_byte_stops_the_process() {
    for (_, value, bytes) in files() {
        let mut changed = bytes.clone();
        for place in 0..bytes.len() {
            for byte in 0..=u8::MAX {
                changed[place] = byte;
                // Whatever this says, it says it: records and items carry their own checksums.
                let _ = value.decode_like(&changed);
            }
            changed[place] = bytes[place];
        }
    }
}

#[test]
fn a_length_that_cannot_be_is_refused_before_memory_is_asked_for() {
    // A keys item that claims 2^62 keys; a registry that claims as many origins; a text of 2^62 bytes.
    let claim = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0x40];
    for head in [
        &[VERSION, 2][..],
        &[VERSION, 0, 1, 0],
        &[VERSION, 0, 1, 0, 1],
    ] {
        let bytes = [head, &claim].concat();
        assert!(decode_item(&bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn other_versions_are_named_and_refused() {
    for (name, value, mut bytes) in files() {
        for version in [0, VERSION + 1, u8::MAX] {
            bytes[0] = version;
            let said = value.decode_like(&bytes).unwrap_err();
            assert!(
                said.contains(&format!("format version {version}")),
                "{name}: {said}"
            );
        }
    }
}

#[test]
fn heads_are_read_without_the_rest() {
    for (name, value, bytes) in files() {
        match value {
            Stored::Record(entry) => {
                let head = decode_entry_head(&bytes).unwrap();
                assert_eq!(head, (entry.time, entry.actor, entry.sequence), "{name}");
            }
            Stored::Item(item) => {
                let is_group = matches!(*item, cardwright::wire::Item::Group(..));
                assert_eq!(decode_group(&bytes).is_ok(), is_group, "{name}");
                assert_eq!(decode_group_head(&bytes).is_ok(), is_group, "{name}");
                if let cardwright::wire::Item::Group(group, trail) = *item {
                    assert_eq!(
                        decode_group_head(&bytes).unwrap(),
                        (group.id, group.sequence)
                    );
                    assert_eq!(decode_group(&bytes).unwrap(), (*group, trail));
                }
            }
            // Another log's: nobody reads their heads.
            Stored::OutboxRecord(_) | Stored::OutboxItem(_) => {}
        }
    }
}
