//! README's walk through the ledger face, as typed: with both clients as they come from their registries, with
//! curl, and in the terminal.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

#[path = "common/server.rs"]
mod server;

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::LazyLock,
};

use server::{KEY, Server};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cardwright");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a block that follows `before` in README.md.
fn block(before: &str) -> String {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, rest) = readme.split_once(before).unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    rest.split_once("```\n").unwrap().0.to_owned()
}

fn said(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    format!("{out}{errors}")
}

/// Puts both clients where they are looked for.
static TOOLS: LazyLock<PathBuf> = LazyLock::new(|| {
    let output = Command::new("bash")
        .arg(root().join("tests/clients/tools"))
        .output()
        .expect("bash is needed");
    assert!(output.status.success(), "{}", said(&output));
    root().join(".tools")
});

fn run(command: &mut Command, server: &Server) -> String {
    let output = command
        .env("API", format!("http://{}", server.address()))
        .env("KEY", KEY)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

#[test]
fn the_walk_runs_with_the_client_for_typescript() {
    let server = Server::start();
    let dir = tempfile::tempdir().unwrap();
    symlink(
        TOOLS.join("node/node_modules"),
        dir.path().join("node_modules"),
    )
    .unwrap();
    let walk = dir.path().join("walk.mjs");
    fs::write(&walk, block("`walk.mjs`:\n\n```js")).unwrap();
    let text = run(Command::new("node").arg(walk), &server);
    assert!(text.contains("INFLIGHT 750\navailable 750\n"), "{text}");
    server.client().trial_balance();
}

#[test]
fn the_walk_runs_with_the_client_for_python() {
    let server = Server::start();
    let dir = tempfile::tempdir().unwrap();
    let walk = dir.path().join("walk.py");
    fs::write(&walk, block("`walk.py`:\n\n```python")).unwrap();
    let text = run(
        Command::new(TOOLS.join("blnk/bin/python")).arg(walk),
        &server,
    );
    assert!(text.contains("INFLIGHT 750.0\navailable 750.0\n"), "{text}");
    server.client().trial_balance();
}

#[test]
fn the_walk_runs_with_curl_and_is_seen_in_the_terminal() {
    let server = Server::start();
    let terminal = block("What is there, in your terminal:\n\n```sh");
    let built = "cardwright() { cargo run --quiet --release -- \"$@\"; }";
    assert!(terminal.contains(built), "{terminal}");
    let terminal = terminal.replace(built, &format!("cardwright() {{ {PROGRAM} \"$@\"; }}"));
    let script = format!(
        "set -eu\n{}{terminal}",
        block("And with curl alone:\n\n```sh")
    );
    // The index is a moment behind the log.
    let text = run(Command::new("bash").args(["-c", &script]), &server);
    for part in [
        "USD Ledger",
        "1 of 1 balances",
        "available                974.01",
        "last transactions",
        "@World",
        "-1,000.00",
        "APPLIED",
        "children",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
