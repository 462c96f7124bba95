//! Who an account is, by its number: for those who read the log, where only numbers stand.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    directory::Captured,
    engine::{Engine, EngineError},
};
use crate::{
    domain::{
        account::{Account, Medium},
        ids::AccountNo,
    },
    wire,
};

/// What does not change of an account, and where its events go, which may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Face {
    /// Its URN.
    pub urn: String,
    /// Its holder's URN.
    pub holder_urn: String,
    /// Where its events go.
    pub webhook_url: Option<String>,
    /// Whether its holder is told of purchases: yes, unless its metadata says no.
    pub tells_holder: bool,
    /// The last four digits of its number; empty if it has none.
    pub last_four: String,
}

/// How many faces one generation keeps; some hundred bytes each.
const GENERATION: usize = 16_384;
/// How long a card may take to say who it is.
const WAIT: Duration = Duration::from_secs(5);
/// How often an account is looked for while its group comes into another.
const LOOKS_MAX: usize = 8;

/// Faces looked up lately: two generations, of which the older is dropped when the younger is full.
#[derive(Debug, Default)]
pub struct Faces {
    known: Mutex<[BTreeMap<AccountNo, Arc<Face>>; 2]>,
    /// Grows with each change of a face, so that nothing older than a change is kept after it.
    changes: AtomicU64,
}

impl Faces {
    /// An account's face is another from now on.
    pub fn changed(&self, no: AccountNo) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        for generation in self.known.lock().iter_mut() {
            generation.remove(&no);
        }
    }

    fn get(&self, no: AccountNo) -> Option<Arc<Face>> {
        let mut known = self.known.lock();
        let [young, old] = &mut *known;
        if let Some(face) = young.get(&no) {
            return Some(face.clone());
        }
        let face = old.remove(&no)?;
        keep(&mut known, no, face.clone());
        Some(face)
    }

    fn put(&self, no: AccountNo, face: Arc<Face>, seen: u64) {
        let mut known = self.known.lock();
        if self.changes.load(Ordering::SeqCst) == seen {
            keep(&mut known, no, face);
        }
    }
}

fn keep(known: &mut [BTreeMap<AccountNo, Arc<Face>>; 2], no: AccountNo, face: Arc<Face>) {
    let [young, old] = known;
    if young.len() >= GENERATION {
        *old = std::mem::take(young);
    }
    young.insert(no, face);
}

/// Who an account is, as it is now; nobody, if there is no such account. Blocks: not for the threads on
/// which cards live. A card at rest is not woken.
///
/// # Errors
///
/// [`EngineError`] if it cannot be said now.
pub fn face(engine: &Engine, no: AccountNo) -> Result<Option<Arc<Face>>, EngineError> {
    let faces = &engine.shared.facts.faces;
    if let Some(known) = faces.get(no) {
        return Ok(Some(known));
    }
    for _ in 0..LOOKS_MAX {
        let seen = faces.changes.load(Ordering::SeqCst);
        let actor = engine.shared.indexes.actor_of(no);
        let (reply, answer) = mpsc::channel();
        let bytes = match engine.directory.capture(actor, &reply) {
            Captured::Bytes(bytes) => bytes,
            Captured::Coming => match answer.recv_timeout(WAIT) {
                Ok((_, bytes)) => bytes,
                Err(_) => return Err(EngineError::Busy("the card does not answer")),
            },
            Captured::Gone if engine.shared.indexes.actor_of(no) == actor => return Ok(None),
            Captured::Gone => continue,
        };
        let (group, _) = wire::decode_group(&bytes)?;
        if let Some(account) = group.account(no) {
            let face = Arc::new(of(account));
            faces.put(no, face.clone(), seen);
            return Ok(Some(face));
        }
        if engine.shared.indexes.actor_of(no) == actor {
            return Ok(None);
        }
    }
    Err(EngineError::Busy("the account is just moving"))
}

fn of(account: &Account) -> Face {
    Face {
        urn: account.urn(),
        holder_urn: account.holder_urn.clone(),
        webhook_url: account.webhook_url.clone(),
        tells_holder: tells_holder(&account.metadata),
        last_four: match &account.medium {
            Medium::Card { last_four, .. } => last_four.iter().copied().map(char::from).collect(),
            Medium::Virtual | Medium::Balance(_) => String::new(),
        },
    }
}

/// Source: Bloque docs, WhatsApp Notifications.
fn tells_holder(metadata: &str) -> bool {
    let metadata: serde_json::Value = serde_json::from_str(metadata).unwrap_or_default();
    let said = metadata.get("whatsapp_notification");
    said.and_then(serde_json::Value::as_bool).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(text: &str) -> Arc<Face> {
        Arc::new(Face {
            urn: text.into(),
            holder_urn: String::new(),
            webhook_url: None,
            tells_holder: true,
            last_four: String::new(),
        })
    }

    #[test]
    fn what_was_looked_up_before_a_change_is_not_kept() {
        let faces = Faces::default();
        let no = AccountNo(1);
        faces.put(no, face("a"), 0);
        assert_eq!(faces.get(no), Some(face("a")));
        faces.changed(no);
        assert_eq!(faces.get(no), None);
        faces.put(no, face("a"), 0);
        assert_eq!(faces.get(no), None, "it was read before the change");
        faces.put(no, face("b"), 1);
        assert_eq!(faces.get(no), Some(face("b")));
    }

    #[test]
    fn it_never_holds_more_than_two_generations() {
        let faces = Faces::default();
        for no in 0..u64::try_from(GENERATION).expect("small") * 5 {
            faces.put(AccountNo(no), face("x"), 0);
            assert!(
                faces.get(AccountNo(0)).is_some(),
                "what is used stays: {no}"
            );
        }
        let held: usize = faces.known.lock().iter().map(BTreeMap::len).sum();
        assert!(held <= 2 * GENERATION + 1, "{held}");
    }
}
