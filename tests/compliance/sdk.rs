//! The exchange as the SDK does it.

use std::{path::Path, process::Command};

use crate::{KEY, server::Server};

#[test]
fn the_sdk_s_exchanges_as_captured() {
    let server = Server::start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/compliance.mjs");
    let output = Command::new("node")
        .arg(script)
        .arg(format!("http://{}", server.address()))
        .arg(KEY)
        .output()
        .expect("node, 18 or later, is needed");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(said.contains("done: 4 steps"), "{said}");
}
