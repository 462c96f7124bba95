//! Who may use whom, and what must be absent: ARCHITECTURE.md as a test.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first fault"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src")
        .join(folder);
    let mut files = Vec::new();
    let mut waiting = vec![root];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            files.push((path, text));
        }
    }
    assert!(!files.is_empty(), "src/{folder} has no files");
    files
}

/// The code without comments and without what stands behind `#[cfg(test)]`.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// What each module may not use.
const FORBIDDEN: [(&str, &[&str]); 16] = [
    (
        "search",
        &[
            "access",
            "app",
            "cli",
            "clock",
            "config",
            "decisions",
            "http",
            "outbox",
            "outside",
            "reconciliation",
            "replay",
            "tokens",
            "vault",
        ],
    ),
    (
        "domain",
        &[
            "actors",
            "app",
            "cli",
            "clock",
            "config",
            "http",
            "journal",
            "outside",
            "replay",
            "telemetry",
            "tokens",
            "wire",
        ],
    ),
    (
        "journal",
        &[
            "actors",
            "app",
            "cli",
            "clock",
            "config",
            "domain",
            "http",
            "outside",
            "replay",
            "telemetry",
            "tokens",
            "wire",
        ],
    ),
    (
        "wire",
        &[
            "actors",
            "app",
            "cli",
            "clock",
            "config",
            "http",
            "outside",
            "replay",
            "telemetry",
            "tokens",
        ],
    ),
    (
        "access",
        &[
            "actors",
            "app",
            "cli",
            "clock",
            "config",
            "http",
            "journal",
            "outside",
            "replay",
            "telemetry",
            "tokens",
            "wire",
        ],
    ),
    (
        "vault",
        &[
            "access", "actors", "app", "cli", "clock", "http", "journal", "outbox", "outside",
            "replay", "tokens", "wire",
        ],
    ),
    (
        "tokens",
        &[
            "access",
            "actors",
            "app",
            "cli",
            "clock",
            "config",
            "http",
            "journal",
            "outbox",
            "outside",
            "replay",
            "telemetry",
            "wire",
        ],
    ),
    ("outbox", &["app", "cli", "config", "http"]),
    (
        "decisions",
        &[
            "access",
            "app",
            "cli",
            "clock",
            "config",
            "http",
            "journal",
            "outbox",
            "replay",
            "telemetry",
        ],
    ),
    (
        "actors",
        &[
            "access", "app", "cli", "config", "http", "outside", "replay",
        ],
    ),
    (
        "books",
        &[
            "access",
            "app",
            "cli",
            "config",
            "decisions",
            "http",
            "reconciliation",
            "replay",
            "search",
            "telemetry",
            "tokens",
        ],
    ),
    (
        "monitors",
        &[
            "access",
            "app",
            "cli",
            "config",
            "http",
            "outbox",
            "outside",
            "replay",
            "telemetry",
            "tokens",
        ],
    ),
    ("replay", &["app", "cli", "config", "http", "outside"]),
    (
        "reconciliation",
        &[
            "access",
            "app",
            "books",
            "cli",
            "clock",
            "config",
            "decisions",
            "http",
            "journal",
            "outbox",
            "outside",
            "replay",
            "telemetry",
            "tokens",
            "vault",
            "wire",
        ],
    ),
    ("http", &["app", "cli", "config", "outside"]),
    (
        "outside",
        &["app", "cli", "config", "http", "journal", "replay", "wire"],
    ),
];

#[test]
fn modules_use_only_what_they_may() {
    for (module, forbidden) in FORBIDDEN {
        for (path, text) in sources(module) {
            let code = code(&text);
            for other in forbidden {
                let arrow = format!("crate::{other}::");
                let group = format!("    {other}::");
                let in_group = code.contains("use crate::{")
                    && code.lines().any(|line| line.starts_with(&group));
                assert!(
                    !code.contains(&arrow) && !in_group,
                    "{} uses {other}, which {module} may not",
                    path.display()
                );
            }
        }
    }
}

/// A thread begins on the processors of the one that starts it, and those that serve have one each.
#[test]
fn who_serves_starts_threads_by_the_module_for_that_only() {
    for (path, text) in sources("") {
        let name = path.display().to_string();
        if name.ends_with("src/threads.rs") {
            continue;
        }
        let code = code(&text);
        for by_itself in ["spawn_blocking", "web::block("] {
            assert!(!code.contains(by_itself), "{name} uses {by_itself}");
        }
        let serves = ["/http/", "/decisions/", "/books/", "/reconciliation/"];
        if serves.iter().any(|folder| name.contains(folder)) {
            assert!(!code.contains("thread::spawn"), "{name} starts a thread");
        }
    }
}

#[test]
fn the_domain_is_pure() {
    for (path, text) in sources("domain") {
        for impure in [
            "actix",
            "tokio",
            "std::fs",
            "std::io",
            "std::net",
            "std::thread",
            "SystemTime",
            "Instant::now",
            "getrandom",
            "tracing::",
            "println!",
            "f64",
            "f32",
            "HashMap",
            "static mut",
        ] {
            assert!(
                !code(&text).contains(impure),
                "{} has {impure}",
                path.display()
            );
        }
    }
}

/// What decides which records are the same thing knows no file, no clock and no float.
#[test]
fn the_matcher_is_pure() {
    let shell = ["intake.rs", "report.rs", "runs.rs", "store.rs"];
    for (path, text) in sources("reconciliation") {
        let name = path.file_name().unwrap().to_str().unwrap();
        for float in ["f64", "f32"] {
            assert!(!code(&text).contains(float), "{name} has {float}");
        }
        if shell.contains(&name) {
            continue;
        }
        for impure in [
            "actix",
            "tokio",
            "std::fs",
            "std::io",
            "std::thread",
            "Instant::now",
            "getrandom",
            "tracing::",
            "HashMap",
            "crate::actors",
            "crate::search",
            "Mutex",
        ] {
            assert!(!code(&text).contains(impure), "{name} has {impure}");
        }
    }
}

#[test]
fn only_wire_knows_bincode() {
    for folder in [
        "domain",
        "journal",
        "access",
        "actors",
        "replay",
        "reconciliation",
        "outside",
        "http",
        "cli",
    ] {
        for (path, text) in sources(folder) {
            let code = code(&text).replace("bincode::Encode", "");
            assert!(!code.contains("bincode"), "{} uses bincode", path.display());
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_stays_readable() {
    for (path, text) in sources("") {
        assert!(
            text.starts_with("//!"),
            "{} does not say what it is for",
            path.display()
        );
        let lines = code(&text).lines().count();
        assert!(
            lines <= 520,
            "{} has {lines} lines: split it",
            path.display()
        );
    }
}

#[test]
fn every_setting_has_a_comment() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("config.toml")).unwrap();
    let mut before = "";
    for line in text.lines() {
        let is_setting = line.split_once(" = ").is_some_and(|(name, _)| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        });
        assert!(
            !is_setting || before.starts_with('#'),
            "no comment above: {line}"
        );
        before = line;
    }
}
