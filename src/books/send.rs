//! Commands on their way to actors, and what comes back: facts, and money for others.

use std::{sync::Arc, time::Duration};

use super::{Books, Origin, Stands};
use crate::{
    actors::{Answer, EngineError, Request, Target, courier, recall::transaction_in},
    domain::{
        account::Account,
        books::{Booked, BooksCommand, Transaction, settle_own_lsn},
        command::{Command, Transfer},
        event::Event,
        ids::{ActorId, TransactionId},
    },
    wire::{Key, KeyLife},
};

/// How often what must be done is tried again while the house is busy: half a minute together.
const TRIES_MAX: u32 = 64;
const PAUSE_MS_MAX: u64 = 500;

/// The keys of a request and what tells it from others under them.
#[derive(Clone, Debug, Default)]
pub(super) struct Keyed {
    pub(super) keys: Vec<(Key, KeyLife)>,
    pub(super) fingerprint: u64,
}

/// A command for a group's books.
pub(super) fn request(
    actor: ActorId,
    origin: Option<&Origin>,
    command: BooksCommand,
    keyed: Keyed,
) -> Request {
    Request {
        target: Target::Actor(actor),
        origin: origin.cloned(),
        command: Command::Books(Box::new(command)),
        keys: keyed.keys,
        fingerprint: keyed.fingerprint,
        recalled: None,
    }
}

impl Books {
    /// Has a command done, however busy the house is at this moment.
    pub(super) async fn insist(&self, request: Request) -> Result<Answer, EngineError> {
        let mut left = TRIES_MAX;
        loop {
            match self.engine.execute(request.clone()).await {
                Err(EngineError::Busy(_)) if left > 0 => {
                    pause(TRIES_MAX.saturating_sub(left)).await;
                    left = left.saturating_sub(1);
                }
                ended => return ended,
            }
        }
    }

    /// The same of many at once; the answers stand in the order of the requests. Requests for one actor are
    /// decided in their order, unless the house was busy between.
    pub(super) async fn insist_all(
        &self,
        requests: Vec<Request>,
    ) -> Vec<Result<Answer, EngineError>> {
        let mut again = requests.clone();
        let mut answers = self.engine.execute_batch(requests).await;
        let mut places: Vec<usize> = (0..answers.len()).collect();
        for count in 0..TRIES_MAX {
            let is_busy = |place: &usize| {
                let answer = answers.get(*place);
                matches!(answer, Some(Err(EngineError::Busy(_))))
            };
            let kept: Vec<bool> = places.iter().map(is_busy).collect();
            let mut is_kept = kept.iter().copied();
            again.retain(|_| is_kept.next().unwrap_or(false));
            let mut is_kept = kept.iter().copied();
            places.retain(|_| is_kept.next().unwrap_or(false));
            if places.is_empty() {
                break;
            }
            pause(count).await;
            let ended = self.engine.execute_batch(again.clone()).await;
            for (place, answer) in places.iter().zip(ended) {
                if let Some(slot) = answers.get_mut(*place) {
                    *slot = answer;
                }
            }
        }
        answers
    }

    /// Brings the money of these facts to where it goes, and returns once it is there. It goes on if the
    /// caller stops waiting; what cannot arrive now is taken up again by the sweep.
    pub(super) async fn carry(&self, events: &[Event]) {
        self.carry_all(transfers_in(events)).await;
    }

    /// The same of transfers.
    pub(super) async fn carry_all(&self, transfers: Vec<Transfer>) {
        if transfers.is_empty() {
            return;
        }
        let engine = self.engine.clone();
        let carried = actix_rt::spawn(async move {
            for ended in courier::carry(&engine, transfers).await {
                if let Err(error) = ended {
                    tracing::warn!(%error, "a transfer stays in transit");
                }
            }
        });
        if let Err(error) = carried.await {
            tracing::warn!(%error, "transfers stay in transit");
        }
    }
}

async fn pause(count: u32) {
    let millis = 1_u64.checked_shl(count).unwrap_or(PAUSE_MS_MAX);
    let millis = millis.clamp(1, PAUSE_MS_MAX);
    actix_rt::time::sleep(Duration::from_millis(millis)).await;
}

/// The money that leaves by these facts for other actors.
pub(super) fn transfers_in(events: &[Event]) -> Vec<Transfer> {
    let sent = |event: &Event| {
        if let Event::TransferSent(transfer, _) = event {
            Some((**transfer).clone())
        } else {
            None
        }
    };
    events.iter().filter_map(sent).collect()
}

/// The facts about transactions, in order.
pub(super) fn booked_in(events: &[Event]) -> impl DoubleEndedIterator<Item = &Booked> {
    events.iter().filter_map(Event::booked)
}

/// A transaction as these facts leave it behind, in a record that stands at `lsn`.
pub(super) fn left_behind(events: &[Event], id: TransactionId, lsn: u64) -> Option<Stands> {
    transaction_in(events, id, lsn).map(Arc::new)
}

/// A transaction as a record holds it, with its places in the log.
pub(super) fn settled(transaction: &Arc<Transaction>, lsn: u64) -> Stands {
    let mut transaction = (**transaction).clone();
    settle_own_lsn(&mut transaction, lsn);
    Arc::new(transaction)
}

/// The account that an event made or changed.
pub(super) fn account_in(event: &Event) -> Option<&Account> {
    if let Event::AccountOpened(account) | Event::AccountChanged { account, .. } = event {
        Some(account)
    } else {
        None
    }
}
