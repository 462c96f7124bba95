//! The page in a real Chromium: `tests/clients/details.mjs` says what is looked at.

use std::{path::Path, process::Command};

use crate::server::{KEY, Server};

#[test]
fn a_holder_sees_copies_and_hides_it_in_a_browser() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let installed = Command::new("bash")
        .arg(root.join("tests/clients/install"))
        .output()
        .expect("bash is needed");
    assert!(installed.status.success(), "{installed:?}");
    let server = Server::start();
    let output = Command::new("node")
        .arg(root.join("tests/clients/details.mjs"))
        .arg(format!("http://{}", server.address()))
        .arg(KEY)
        .arg(root.join(".tools/node/node_modules"))
        .arg("/usr/bin/chromium")
        .arg(root.join("target/pages"))
        .output()
        .expect("node, 18 or later, is needed");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(said.contains("done: 7 steps"), "{said}");
}
