//! What a server says when it is ready, and the snapshots that it takes by itself.

use std::{io::Write, sync::Arc, time::Duration};

use crate::{actors::Engine, config::Config, http::operator::snapshots::Snapshots};

/// Takes a snapshot each time the log has grown by `every` bytes.
pub(super) fn spawn_snapshots(snapshots: &Arc<Snapshots>, engine: &Arc<Engine>, every: u64) {
    if every == 0 {
        return;
    }
    let (snapshots, engine) = (snapshots.clone(), engine.clone());
    std::thread::spawn(move || {
        let newest = engine.shared.journal.snapshots().list().ok();
        let newest = newest.and_then(|list| list.first().map(|info| info.lsn.get()));
        let mut last = newest.unwrap_or(0);
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let now = engine.durability.durable();
            if now.saturating_sub(last) < every {
                continue;
            }
            last = now;
            if let Err(error) = snapshots.take() {
                tracing::error!(%error, "the snapshot failed; the earlier ones and the log stand");
            }
        }
    });
}

/// One JSON line for programs on standard output, a few hints for people on standard error.
pub(super) fn announce(listening: &str, config: &Config, sandbox: Option<&serde_json::Value>) {
    let mut line = serde_json::json!({
        "listening": listening,
        "version": env!("CARGO_PKG_VERSION"),
        "data_dir": config.data.dir.display().to_string(),
    });
    if let (Some(sandbox), Some(object)) = (sandbox, line.as_object_mut()) {
        object.insert("sandbox".to_owned(), sandbox.clone());
    }
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
    // Where logs are for programs, nothing else is to stand between their lines.
    let hinted = sandbox.filter(|_| config.log.format == "text");
    let Some(key) = hinted.and_then(|sandbox| sandbox.get("api_key")?.as_str()) else {
        return;
    };
    eprintln!(
        "\nThe sandbox is ready. Try, in another terminal:\n\n  \
         export KEY={key}\n  \
         curl -s http://{listening}/api/mediums/card -H \"Authorization: Bearer $KEY\" \\\n    \
         -H 'Content-Type: application/json' \\\n    \
         -d '{{\"holder_urn\":\"did:bloque:sandbox:demo\",\"input\":{{\"create\":\
         {{\"card_type\":\"VIRTUAL\"}}}},\"metadata\":{{\"name\":\"First card\"}}}}'\n\n\
         The same money as ledgers and balances, for the Blnk clients:\n\n  \
         curl -s http://{listening}/ledgers -H \"X-Blnk-Key: $KEY\" \\\n    \
         -H 'Content-Type: application/json' -d '{{\"name\":\"USD Ledger\"}}'\n  \
         cardwright balances list --url http://{listening} --key $KEY\n\n\
         README.md goes on from there; http://{listening}/docs/ has every route.\n"
    );
}
