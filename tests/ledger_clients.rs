//! The official Blnk clients, as they come from npm and PyPI, against a running server: the guide from its
//! first step to its last, every method with what was seen, every refusal
//! (`cargo test --test ledger_clients -- --nocapture` prints the tables). `tests/clients/tools` installs
//! them.
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
use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn programmes() -> PathBuf {
    root().join("tests/clients/ledger")
}

fn said(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    format!("{out}{errors}")
}

/// The TypeScript compiler; the clients are installed with it if they are not there.
static TSC: LazyLock<PathBuf> = LazyLock::new(|| {
    let tools = root().join("tests/clients/tools");
    let output = Command::new("bash").arg(tools).output();
    let output = output.expect("bash is needed");
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap().trim().into()
});

/// The walks as JavaScript, beside the packages that npm installed. The strict type check against the
/// client's types is part of it: nothing is written if it fails.
static COMPILED: LazyLock<TempDir> = LazyLock::new(|| {
    let out = tempfile::tempdir().unwrap();
    let output = Command::new("node")
        .arg(&*TSC)
        .arg("--project")
        .arg(programmes())
        .args(["--strict", "--noEmitOnError", "--outDir"])
        .arg(out.path())
        .output()
        .expect("node, 18 or later, is needed");
    assert!(output.status.success(), "{}", said(&output));
    fs::write(out.path().join("package.json"), r#"{ "type": "module" }"#).unwrap();
    let modules = root().join(".tools/node/node_modules");
    symlink(modules, out.path().join("node_modules")).unwrap();
    out
});

fn with_server<'a>(command: &'a mut Command, server: &Server) -> &'a mut Command {
    let address = format!("http://{}", server.address());
    command
        .env("BLNK_BASE_URL", format!("{address}/"))
        .env("BLNK_API_KEY", KEY)
        .env("API", address)
        .env("KEY", KEY)
        .env("PYTHONDONTWRITEBYTECODE", "1")
}

fn node(server: &Server, programme: &Path, arguments: &[&Path]) -> Output {
    let mut command = Command::new("node");
    let command = with_server(command.arg(programme).args(arguments), server);
    command.output().expect("node, 18 or later, is needed")
}

fn python(server: &Server, programme: &Path) -> Output {
    let _ = &*TSC;
    let mut command = Command::new(root().join(".tools/blnk/bin/python"));
    let command = with_server(command.arg(programme), server);
    command.output().expect("tests/clients/tools installs it")
}

/// What the money of every face comes to, and what the log says of itself.
fn books_are_in_order(server: &mut Server) {
    server.client().trial_balance();
    assert_eq!(server.terminate(), Some(0));
    let output = Command::new(env!("CARGO_BIN_EXE_cardwright"))
        .args(["verify", "--data-dir"])
        .arg(server.data_dir())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[track_caller]
fn succeeded(output: &Output) {
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", said(output));
}

#[test]
fn the_guide_runs_with_the_client_for_typescript() {
    let mut server = Server::start();
    let guide = COMPILED.path().join("guide.mjs");
    fs::copy(programmes().join("guide.mjs"), &guide).unwrap();
    let output = node(&server, &guide, &[]);
    succeeded(&output);
    assert!(said(&output).contains("750 USD available, BLOCKED"));
    books_are_in_order(&mut server);
}

#[test]
fn the_guide_runs_with_the_client_for_python() {
    let mut server = Server::start();
    let output = python(&server, &programmes().join("guide.py"));
    succeeded(&output);
    assert!(said(&output).contains("750.0 USD available, BLOCKED"));
    books_are_in_order(&mut server);
}

#[test]
fn every_method_of_the_client_for_typescript_is_answered() {
    let mut server = Server::start();
    let answers = COMPILED.path().join("answers.ts");
    let output = node(&server, &COMPILED.path().join("methods.js"), &[&answers]);
    // What came is judged by the client's types too, also when something else failed.
    let judged = Command::new("node")
        .arg(&*TSC)
        .args(["--strict", "--noEmit", "--skipLibCheck", "--target"])
        .args(["ES2022", "--module", "NodeNext", "--types", "node"])
        .arg(&answers)
        .current_dir(COMPILED.path())
        .output()
        .unwrap();
    succeeded(&output);
    assert!(
        judged.status.success(),
        "answers are not of the client's types:\n{}",
        said(&judged)
    );
    let lines = said(&output).lines().count();
    assert!(lines > 100, "{lines} lines");
    books_are_in_order(&mut server);
}

#[test]
fn every_method_of_the_client_for_python_is_answered() {
    let mut server = Server::start();
    let output = python(&server, &programmes().join("methods.py"));
    succeeded(&output);
    let lines = said(&output).lines().count();
    assert!(lines > 100, "{lines} lines");
    books_are_in_order(&mut server);
}

#[test]
fn every_refusal_says_its_code() {
    let mut server = Server::start();
    let output = node(&server, &COMPILED.path().join("refusals.js"), &[]);
    succeeded(&output);
    books_are_in_order(&mut server);
}
