//! The Bloque SDK's programmes against a running server: the guide's examples, section by section, the
//! transport, and every method with what was seen (`cargo test --test sdk -- --nocapture` prints the
//! table). TypeScript comes from npm, see `tests/clients/tools`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

#[path = "common/server.rs"]
mod server;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::LazyLock,
    thread,
};

use server::{KEY, Server};
use tempfile::TempDir;

/// The guide's examples, in its order.
const EXAMPLES: [&str; 19] = [
    "create-card",
    "list-cards",
    "check-balance",
    "list-transactions",
    "filter-transactions",
    "paginate-transactions",
    "update-card",
    "card-states",
    "view-card-details",
    "multiple-cards",
    "error-handling",
    "setup-user-card",
    "create-card-default",
    "create-card-smart",
    "origin-fee-configuration",
    "card-fee-override",
    "fee-types",
    "card-webhooks",
    "card-webhook-handler",
];

/// Examples and methods that the server does not serve yet: taken off this list, they must work.
const WAITING: &[&str] = &[
    "view-card-details",
    "card-webhooks",
    "card-webhook-handler",
    "card.update, pin",
    "card.tokenizeApple",
    "card.tokenizeGoogle",
    "compliance.startVerification",
    "compliance.getVerification",
    "compliance.tierStatus",
];

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

fn said(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    format!("{out}{errors}")
}

/// The TypeScript compiler, installed if it is not there.
static TSC: LazyLock<PathBuf> = LazyLock::new(|| {
    let output = Command::new("bash").arg(clients().join("tools")).output();
    let output = output.expect("bash is needed");
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap().trim().into()
});

/// The programmes as JavaScript, with the stand-in where they look for the SDK. The type check is part
/// of it: strict, and nothing is written if it fails.
static COMPILED: LazyLock<TempDir> = LazyLock::new(|| {
    let out = tempfile::tempdir().unwrap();
    let output = Command::new("node")
        .arg(&*TSC)
        .arg("--project")
        .arg(clients())
        .args(["--strict", "--noEmitOnError", "--outDir"])
        .arg(out.path())
        .output()
        .expect("node, 18 or later, is needed");
    assert!(output.status.success(), "{}", said(&output));
    let module = r#"{ "type": "module", "main": "index.js" }"#;
    fs::write(out.path().join("package.json"), r#"{ "type": "module" }"#).unwrap();
    let sdk = out.path().join("node_modules/@bloque/sdk");
    fs::create_dir_all(&sdk).unwrap();
    fs::write(sdk.join("package.json"), module).unwrap();
    fs::write(sdk.join("index.js"), "export * from \"../../../sdk.js\";\n").unwrap();
    out
});

fn run(server: &Server, programme: &str) -> Output {
    Command::new("node")
        .arg(COMPILED.path().join(programme))
        .env("BLOQUE_BASE_URL", format!("http://{}", server.address()))
        .env("BLOQUE_API_KEY", KEY)
        .env(
            "CLIENTS_CODES_FILE",
            server.data_dir().join("one-time-codes.log"),
        )
        .env("CLIENTS_WAITING", WAITING.join("\n"))
        .output()
        .expect("node, 18 or later, is needed")
}

/// Webhooks of the examples go to this machine.
fn start() -> Server {
    Server::with(&[("CARDWRIGHT_OUTGOING__ALLOW_PRIVATE", "true")])
}

#[test]
fn every_file_of_the_guide_is_run() {
    let files = fs::read_dir(clients().join("seed")).unwrap();
    let mut names: Vec<_> = files
        .map(|file| {
            file.unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    names.sort();
    let mut listed = EXAMPLES.map(str::to_owned);
    listed.sort();
    assert_eq!(names, listed);
}

#[test]
fn the_guide_s_examples_do_what_it_says() {
    let server = start();
    let _ = &*COMPILED;
    let ready: Vec<&'static str> = EXAMPLES
        .into_iter()
        .filter(|name| !WAITING.contains(name))
        .collect();
    // A few at a time: each is a process of its own.
    for some in ready.chunks(4) {
        thread::scope(|scope| {
            let server = &server;
            let begin = |name: &&'static str| {
                let file = format!("seed/{name}.js");
                (*name, scope.spawn(move || run(server, &file)))
            };
            let started: Vec<_> = some.iter().map(begin).collect();
            for (name, running) in started {
                let output = running.join().unwrap();
                assert!(output.status.success(), "{name}:\n{}", said(&output));
            }
        });
    }
    server.client().trial_balance();
}

#[test]
fn the_readme_s_quick_start_runs_as_typed() {
    let server = start();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let (_, rest) = readme.split_once("`first-card.mjs`:\n\n```js\n").unwrap();
    let (script, _) = rest.split_once("```\n").unwrap();
    let file = COMPILED.path().join("first-card.mjs");
    fs::write(&file, script).unwrap();
    let output = Command::new("node")
        .arg(file)
        .env("API", format!("http://{}", server.address()))
        .env("KEY", KEY)
        .output()
        .expect("node, 18 or later, is needed");
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("active") && said.contains("Found 1 card accounts"),
        "{said}"
    );
}

#[test]
fn the_transport_retries_and_refreshes_as_the_sdk_does() {
    let server = start();
    let output = run(&server, "transport.js");
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn every_method_is_answered() {
    let server = start();
    let output = run(&server, "methods.js");
    let table = String::from_utf8_lossy(&output.stdout);
    println!("{table}");
    assert!(output.status.success(), "{}", said(&output));
    assert!(table.lines().count() >= 50, "{table}");
    server.client().trial_balance();
}
