//! Takes snapshots while traffic runs: each group hands over its bytes with its own count, and
//! replay skips what they hold already. Nothing pauses, and there is never a second copy of all
//! cards in memory.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use super::{directory::Captured, engine::Engine};
use crate::{
    domain::ids::ActorId,
    journal::{JournalError, Lsn, SnapshotInfo},
    wire,
};

/// How many live actors are asked at a time, so that a snapshot never fills their threads.
const ASKED_MAX: usize = 64;
/// How many keys go into one item.
const KEYS_PER_ITEM: usize = 4_096;
/// After how many resting groups the thread gives way to running traffic.
const GROUPS_PER_TURN: usize = 512;

/// What is done with a group's bytes.
type Visit<'a> = dyn FnMut(&[u8]) -> Result<(), JournalError> + 'a;

/// Takes a snapshot on this thread, which must not be an arbiter's.
///
/// # Errors
///
/// [`JournalError`]; the earlier snapshots and the log stay as they are.
pub fn take(engine: &Engine) -> Result<SnapshotInfo, JournalError> {
    let shared = &engine.shared;
    let lsn = shared.journal.durable();
    let now_ms = shared.clock.now().micros().div_euclid(1_000);
    let mut sink = shared.journal.snapshots().create(lsn, now_ms)?;
    sink.put(&engine.registrar.capture())?;
    each_group(engine, &mut |bytes| sink.put(bytes))?;
    // After the groups: of a group that was not found any more, it is known where it went, and so it is
    // of one that was taken before it went.
    let joined = shared.indexes.all_joined();
    if !joined.is_empty() {
        sink.put(&wire::encode_joined(&joined))?;
    }
    // After the groups: every record up to `lsn` has settled its keys before its group was asked.
    shared
        .keys
        .for_each_batch(KEYS_PER_ITEM, |keys| sink.put(&wire::encode_keys(&keys)))?;
    wait_durable(engine, shared.journal.appended())?;
    sink.finish()
}

/// Calls `visit` with every group's bytes, each as it is at that moment, while traffic runs and without
/// waking any. The thread must not be an arbiter's. What a group shows may be ahead of the disk, and of
/// one that comes into another meanwhile nothing may be seen.
///
/// # Errors
///
/// The first error of `visit`; [`JournalError::Halted`] if an actor does not answer.
pub fn each_group(engine: &Engine, visit: &mut Visit<'_>) -> Result<(), JournalError> {
    let (out, captured) = mpsc::channel();
    let mut asked = 0_usize;
    for (count, actor) in engine.directory.actors().into_iter().enumerate() {
        match engine.directory.capture(actor, &out) {
            Captured::Bytes(bytes) => visit(&bytes)?,
            Captured::Coming => asked = asked.saturating_add(1),
            Captured::Gone => {}
        }
        if asked >= ASKED_MAX {
            receive(&captured, &mut asked, visit)?;
        }
        if count % GROUPS_PER_TURN == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    receive(&captured, &mut asked, visit)
}

fn receive(
    captured: &mpsc::Receiver<(ActorId, Vec<u8>)>,
    asked: &mut usize,
    visit: &mut Visit<'_>,
) -> Result<(), JournalError> {
    while *asked > 0 {
        match captured.recv_timeout(Duration::from_secs(30)) {
            Ok((_, bytes)) if bytes.is_empty() => {}
            Ok((_, bytes)) => visit(&bytes)?,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                let reason = "an actor did not hand over its state within 30 s".to_owned();
                return Err(JournalError::Halted { reason });
            }
        }
        *asked = asked.saturating_sub(1);
    }
    Ok(())
}

/// What a group handed over may be ahead of the disk; the snapshot must not be.
fn wait_durable(engine: &Engine, lsn: Lsn) -> Result<(), JournalError> {
    let mut waited_ms = 0_u32;
    while engine.shared.journal.durable() < lsn {
        if waited_ms > 30_000 {
            let reason = "the log did not become durable within 30 s".to_owned();
            return Err(JournalError::Halted { reason });
        }
        std::thread::sleep(Duration::from_millis(1));
        waited_ms = waited_ms.saturating_add(1);
    }
    Ok(())
}
