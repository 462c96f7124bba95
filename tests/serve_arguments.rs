//! What `serve` is told is refused by name before anything is opened, and what it says is for its reader.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first fault")]

use std::{
    io::{BufRead, BufReader},
    process::{Command, Output, Stdio},
};

fn serve(dir: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cardwright"));
    command
        .args(["serve", "--sandbox", "--data-dir"])
        .arg(dir)
        .env("CARDWRIGHT_JOURNAL__MIN_FREE_MIB", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[track_caller]
fn refused(command: &mut Command, name: &str) -> Output {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(name), "{said} should name {name}");
    output
}

#[test]
fn an_address_that_is_none_is_refused_before_the_data_is_opened() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("data");
    for address in ["8080", "127.0.0.1", "127.0.0.1:http", ":8080", ""] {
        refused(serve(&dir).args(["--listen", address]), "--listen");
        refused(
            serve(&dir).env("CARDWRIGHT_SERVER__LISTEN", address),
            "server.listen",
        );
    }
    assert!(!dir.exists(), "nothing was made");
}

#[test]
fn a_sandbox_key_that_no_header_takes_is_refused_and_not_repeated() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("data");
    for key in ["", "two words", "schlüssel"] {
        let name = "CARDWRIGHT_SANDBOX_KEY";
        let output = refused(serve(&dir).env(name, key), name);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(key.is_empty() || !said.contains(key), "{said}");
    }
    assert!(!dir.exists(), "nothing was made");
}

#[test]
fn a_setting_s_variable_with_one_underscore_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let mut command = serve(&temp.path().join("data"));
    command.env("CARDWRIGHT_SERVER_LISTEN", "127.0.0.1:0");
    refused(&mut command, "CARDWRIGHT_SERVER__LISTEN");
}

#[test]
fn logs_for_programs_have_no_hints_and_no_key_between_them() {
    let temp = tempfile::tempdir().unwrap();
    for (format, has_hints) in [("json", false), ("text", true)] {
        let mut child = serve(&temp.path().join("data"))
            .args(["--listen", "127.0.0.1:0"])
            .env("CARDWRIGHT_LOG__FORMAT", format)
            .env("CARDWRIGHT_LOG__LEVEL", "info")
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut ready).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
        let key = ready["sandbox"]["api_key"].as_str().unwrap();
        let id = child.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(killed.success());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.contains(key), has_hints, "{said}");
        let is_json = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
        assert_eq!(said.lines().all(is_json), !has_hints, "{said}");
    }
}
