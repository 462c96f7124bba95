//! Decides what each connection asks next, and keeps the ids its follow-ups act on.

use std::collections::VecDeque;
use std::sync::Arc;

use super::books::{self, HOT_MERCHANT, MERCHANTS};
use super::cards::Cards;
use super::rng::Rng;
use super::template::{Price, Templates, TransactionIds};

/// Ids a connection remembers of each kind; the oldest makes room.
const IDS_MAX: usize = 256;
/// Bytes of an authorization's id the driver can remember.
const ID_BYTES_MAX: usize = 63;
/// Amounts are from one cent to this many.
const CENTS_MAX: usize = 9_999;

/// One kind of request, with figures of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Authorize,
    Capture,
    Reverse,
    Refund,
    Decline,
    Batch,
    /// An inflight transaction of the ledger face.
    Create,
    /// Its commit.
    Commit,
    Echo,
}

impl Operation {
    pub(super) const ALL: [Self; 9] = [
        Self::Authorize,
        Self::Capture,
        Self::Reverse,
        Self::Refund,
        Self::Decline,
        Self::Batch,
        Self::Create,
        Self::Commit,
        Self::Echo,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Capture => "capture",
            Self::Reverse => "reverse",
            Self::Refund => "refund",
            Self::Decline => "decline",
            Self::Batch => "batch",
            Self::Create => "create",
            Self::Commit => "commit",
            Self::Echo => "echo",
        }
    }
}

/// What one phase sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Authorize,
    Lifecycle,
    Rules,
    /// Authorize and capture, in turn.
    Purchase,
    /// Create inflight and commit through the ledger face, in turn.
    Ledger,
    Batch {
        items: usize,
    },
    Echo {
        bytes: usize,
    },
}

impl Work {
    /// Items of one request.
    pub(super) fn items(self) -> usize {
        match self {
            Self::Batch { items } => items,
            Self::Authorize
            | Self::Lifecycle
            | Self::Rules
            | Self::Purchase
            | Self::Ledger
            | Self::Echo { .. } => 1,
        }
    }

    /// The operation that completes what takes two requests.
    pub(super) fn completed_by(self) -> Option<Operation> {
        match self {
            Self::Purchase => Some(Operation::Capture),
            Self::Ledger => Some(Operation::Commit),
            Self::Authorize
            | Self::Lifecycle
            | Self::Rules
            | Self::Batch { .. }
            | Self::Echo { .. } => None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Id {
    bytes: [u8; ID_BYTES_MAX],
    len: u8,
}

impl Id {
    fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; ID_BYTES_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self {
            bytes,
            len: u8::try_from(text.len()).ok()?,
        })
    }

    fn text(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// The outgoing side of one connection.
#[derive(Debug)]
pub(super) struct Traffic {
    work: Work,
    hot_percent: u8,
    templates: Arc<Templates>,
    cards: Arc<Cards>,
    ids: TransactionIds,
    rng: Rng,
    held: VecDeque<Id>,
    captured: VecDeque<Id>,
    /// The authorization the request on its way acts on.
    acting_on: Option<Id>,
    echo_path: Vec<u8>,
    body: Vec<u8>,
    request: Vec<u8>,
}

impl Traffic {
    pub(super) fn new(
        (work, hot_percent): (Work, u8),
        templates: Arc<Templates>,
        cards: Arc<Cards>,
        ids: TransactionIds,
        rng: Rng,
    ) -> Self {
        let echo_path = match work {
            Work::Echo { bytes } => format!("/v1/bench/echo?bytes={bytes}").into_bytes(),
            Work::Authorize
            | Work::Lifecycle
            | Work::Rules
            | Work::Purchase
            | Work::Ledger
            | Work::Batch { .. } => Vec::new(),
        };
        Self {
            work,
            hot_percent,
            templates,
            cards,
            ids,
            rng,
            held: VecDeque::with_capacity(IDS_MAX),
            captured: VecDeque::with_capacity(IDS_MAX),
            acting_on: None,
            echo_path,
            body: Vec::new(),
            request: Vec::new(),
        }
    }

    /// Items of one request.
    pub(super) fn items(&self) -> usize {
        self.work.items()
    }

    /// The bytes prepared by [`Self::prepare`].
    pub(super) fn request(&self) -> &[u8] {
        &self.request
    }

    /// Writes the next request and says what it is.
    pub(super) fn prepare(&mut self) -> Operation {
        self.body.clear();
        let operation = self.choose();
        match operation {
            Operation::Authorize => self.prepare_authorization(b"/v1/authorizations", false),
            Operation::Decline => self.prepare_authorization(b"/v1/authorizations", true),
            Operation::Echo => {
                let path = std::mem::take(&mut self.echo_path);
                self.prepare_authorization(&path, false);
                self.echo_path = path;
            }
            Operation::Create => self.prepare_payment(),
            Operation::Commit => self.prepare_commit(),
            Operation::Capture => self.prepare_step(b"/capture"),
            Operation::Reverse => self.prepare_step(b"/reverse"),
            Operation::Refund => self.prepare_step(b"/refund"),
            Operation::Batch => self.prepare_batch(),
        }
        operation
    }

    /// Takes note of an approved authorization, for its follow-ups.
    pub(super) fn remember_hold(&mut self, id: &[u8]) -> bool {
        let Some(id) = Id::new(id) else { return false };
        push_bounded(&mut self.held, id);
        true
    }

    /// True if answers' ids are of use.
    pub(super) fn wants_ids(&self) -> bool {
        match self.work {
            Work::Lifecycle | Work::Purchase | Work::Ledger => true,
            Work::Authorize | Work::Rules | Work::Batch { .. } | Work::Echo { .. } => false,
        }
    }

    /// Takes note that the capture just answered went through.
    pub(super) fn remember_capture(&mut self) {
        if let Some(id) = self.acting_on.take() {
            push_bounded(&mut self.captured, id);
        }
    }

    /// Picks the operation; a follow-up without anything to act on becomes an authorization.
    fn choose(&mut self) -> Operation {
        match self.work {
            Work::Authorize | Work::Rules => Operation::Authorize,
            Work::Batch { .. } => Operation::Batch,
            Work::Echo { .. } => Operation::Echo,
            Work::Purchase => self.first_or_then(Operation::Authorize, Operation::Capture),
            Work::Ledger => self.first_or_then(Operation::Create, Operation::Commit),
            Work::Lifecycle => {
                let (operation, source) = match self.rng.percent() {
                    0..40 => return Operation::Authorize,
                    40..50 => return Operation::Decline,
                    50..80 => (Operation::Capture, &mut self.held),
                    80..90 => (Operation::Reverse, &mut self.held),
                    _ => (Operation::Refund, &mut self.captured),
                };
                self.acting_on = source.pop_front();
                if self.acting_on.is_some() {
                    operation
                } else {
                    Operation::Authorize
                }
            }
        }
    }

    /// What completes the one that is held, or another one.
    fn first_or_then(&mut self, first: Operation, then: Operation) -> Operation {
        self.acting_on = self.held.pop_front();
        if self.acting_on.is_some() {
            then
        } else {
            first
        }
    }

    fn prepare_payment(&mut self) {
        let source = self.rng.below(self.cards.len());
        let is_hot = self.rng.percent() < self.hot_percent;
        let merchant = self.rng.below(MERCHANTS);
        let destination = if is_hot {
            HOT_MERCHANT.to_owned()
        } else {
            books::merchant(merchant)
        };
        let price = Price::Cents(1 + self.rng.below(CENTS_MAX));
        let shop = self.rng.below(self.templates.shop_count());
        let payment = (self.cards.urn(source), destination.as_bytes(), shop, price);
        self.templates
            .append_payment(&mut self.body, &mut self.ids, payment);
        let path: [&[u8]; 3] = [b"/transactions", b"", b""];
        self.templates
            .write_request(&mut self.request, (b"POST", path), &self.body);
    }

    fn prepare_commit(&mut self) {
        self.body
            .extend_from_slice(b"{\"status\":\"commit\",\"skip_queue\":true}");
        let id = self.acting_on.as_ref().map_or(&[][..], Id::text);
        let path = [b"/transactions/inflight/", id, b""];
        self.templates
            .write_request(&mut self.request, (b"PUT", path), &self.body);
    }

    fn append_authorization(&mut self, beyond_means: bool) {
        let hot = self.rng.percent() < self.hot_percent;
        let card = if hot {
            Cards::HOT
        } else {
            self.rng.below(self.cards.len())
        };
        let price = if beyond_means {
            Price::Unaffordable
        } else {
            Price::Cents(1 + self.rng.below(CENTS_MAX))
        };
        let shop = self.rng.below(self.templates.shop_count());
        let purchase = (self.cards.urn(card), shop, price);
        self.templates
            .append_authorization(&mut self.body, &mut self.ids, purchase);
    }

    fn prepare_authorization(&mut self, path: &[u8], beyond_means: bool) {
        self.append_authorization(beyond_means);
        self.templates
            .write_request(&mut self.request, (b"POST", [path, b"", b""]), &self.body);
    }

    fn prepare_batch(&mut self) {
        for item in 0..self.work.items() {
            self.body.push(if item == 0 { b'[' } else { b',' });
            self.append_authorization(false);
        }
        self.body.push(b']');
        let path: [&[u8]; 3] = [b"/v1/authorizations/batch", b"", b""];
        self.templates
            .write_request(&mut self.request, (b"POST", path), &self.body);
    }

    fn prepare_step(&mut self, step: &[u8]) {
        Templates::append_step(&mut self.body, &mut self.ids);
        let id = self.acting_on.as_ref().map_or(&[][..], Id::text);
        let path = [b"/v1/authorizations/", id, step];
        self.templates
            .write_request(&mut self.request, (b"POST", path), &self.body);
    }
}

fn push_bounded(ids: &mut VecDeque<Id>, id: Id) {
    if ids.len() == IDS_MAX {
        ids.pop_front();
    }
    ids.push_back(id);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;

    fn traffic(work: Work, hot_percent: u8) -> Traffic {
        let mut cards = Cards::default();
        for number in 0..10 {
            cards.push(&format!("urn-{number}"));
        }
        let templates = Arc::new(Templates::new("h", "k"));
        let ids = TransactionIds::new(1, 1);
        Traffic::new(
            (work, hot_percent),
            templates,
            Arc::new(cards),
            ids,
            Rng::from_seed(3),
        )
    }

    fn card_of(traffic: &Traffic) -> String {
        let body: Value = serde_json::from_slice(&traffic.body).unwrap();
        body["card"].as_str().unwrap().to_owned()
    }

    #[test]
    fn hot_share_goes_to_one_card() {
        for (hot, range) in [(0, 50..200), (50, 500..600), (100, 1000..1001)] {
            let mut traffic = traffic(Work::Authorize, hot);
            let mut hits = 0;
            for _ in 0..1000 {
                traffic.prepare();
                hits += usize::from(card_of(&traffic) == "urn-0");
            }
            assert!(range.contains(&hits), "seed 3, hot {hot}: {hits}");
        }
    }

    #[test]
    fn lifecycle_keeps_its_shares() {
        let mut traffic = traffic(Work::Lifecycle, 0);
        let mut counts = BTreeMap::new();
        for number in 0..20_000 {
            let operation = traffic.prepare();
            *counts.entry(operation).or_insert(0) += 1;
            match operation {
                Operation::Authorize => {
                    assert!(traffic.remember_hold(format!("auth_{number}").as_bytes()));
                }
                Operation::Capture => traffic.remember_capture(),
                Operation::Reverse
                | Operation::Refund
                | Operation::Decline
                | Operation::Batch
                | Operation::Create
                | Operation::Commit
                | Operation::Echo => {}
            }
        }
        let near = |operation, percent: i32| {
            let share = counts[&operation] / 200;
            assert!(
                (share - percent).abs() <= 2,
                "{operation:?} {share} %, wanted {percent} %"
            );
        };
        near(Operation::Authorize, 40);
        near(Operation::Capture, 30);
        near(Operation::Reverse, 10);
        near(Operation::Refund, 10);
        near(Operation::Decline, 10);
    }

    #[test]
    fn a_batch_is_an_array_of_its_items() {
        let mut traffic = traffic(Work::Batch { items: 7 }, 0);
        assert_eq!(traffic.prepare(), Operation::Batch);
        let body: Vec<Value> = serde_json::from_slice(&traffic.body).unwrap();
        assert_eq!(body.len(), 7);
        assert!(
            traffic
                .request()
                .starts_with(b"POST /v1/authorizations/batch HTTP/1.1\r\n")
        );
    }

    #[test]
    fn what_takes_two_requests_is_completed_before_the_next() {
        let mut traffic = traffic(Work::Ledger, 100);
        for number in 0..3 {
            assert_eq!(traffic.prepare(), Operation::Create);
            let body: Value = serde_json::from_slice(&traffic.body).unwrap();
            assert_eq!(body["destination"], HOT_MERCHANT);
            assert!(traffic.remember_hold(format!("txn_{number}").as_bytes()));
            assert_eq!(traffic.prepare(), Operation::Commit);
            let line = format!("PUT /transactions/inflight/txn_{number} HTTP/1.1\r\n");
            assert!(traffic.request().starts_with(line.as_bytes()));
        }
        assert_eq!(traffic.prepare(), Operation::Create);
        assert_eq!(traffic.prepare(), Operation::Create, "the answer had no id");
    }

    #[test]
    fn an_id_too_long_is_refused() {
        let mut traffic = traffic(Work::Lifecycle, 0);
        assert!(!traffic.remember_hold(&[b'a'; ID_BYTES_MAX + 1]));
        assert!(traffic.remember_hold(&[b'a'; ID_BYTES_MAX]));
    }
}
