//! Ends long work in order at an interrupt.

use std::{sync::mpsc, thread};

/// Does `then` once SIGINT, SIGTERM or SIGHUP (the terminal is gone) comes; they are listened to when this returns.
pub(super) fn on_signals(then: impl FnOnce() + Send + 'static) {
    let (ready, is_ready) = mpsc::channel::<()>();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let kinds = (
                signal(SignalKind::interrupt()),
                signal(SignalKind::terminate()),
                signal(SignalKind::hangup()),
            );
            let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = kinds else {
                return;
            };
            drop(ready);
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            then();
        });
    });
    // Nothing is ever sent: it ends when the other side is dropped.
    let _ = is_ready.recv();
}
