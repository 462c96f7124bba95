//! How the server is asked to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT, listened to from the moment this exists.
pub(super) struct StopSignals(std::io::Result<(Signal, Signal)>);

impl StopSignals {
    pub(super) fn listen() -> Self {
        let terminate = signal(SignalKind::terminate());
        Self(terminate.and_then(|terminate| Ok((terminate, signal(SignalKind::interrupt())?))))
    }

    pub(super) async fn wait(self) {
        match self.0 {
            Ok((mut terminate, mut interrupt)) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            Err(error) => {
                tracing::error!(%error, "signals cannot be listened to; stop with SIGKILL, it is safe");
                std::future::pending::<()>().await;
            }
        }
    }
}
