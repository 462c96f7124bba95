//! A programme that knows nothing but its events, and must come to the same sums as the books.

use std::collections::BTreeMap;

use cardwright::{
    domain::{
        command::{Purpose, Transfer},
        event::Event,
        hold::{Authorization, Surcharge},
        ids::{AccountNo, LedgerNo},
        money::Amount,
        posting::{Place, Posting},
    },
    outbox::event::{Name, Names, OutEvent, events_of, words},
    wire::{Body, Entry},
};
use serde_json::Value;

/// What was told, and what a listener makes of it.
#[derive(Default)]
pub(crate) struct Told {
    entries: BTreeMap<u64, Entry>,
    names: BTreeMap<AccountNo, Name>,
    ledgers: BTreeMap<AccountNo, LedgerNo>,
    sums: BTreeMap<String, Sums>,
    /// The events of the record heard last.
    pub(crate) last: Vec<OutEvent>,
}

/// What a listener knows of one authorization, in smallest units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    authorized: i128,
    captured: i128,
    released: i128,
    refunded: i128,
    local_authorized: i128,
    local_captured: i128,
    local_released: i128,
    local_refunded: i128,
    fees: i128,
}

impl Names for Told {
    fn of(&self, account: AccountNo) -> Option<Name> {
        self.names.get(&account).cloned()
    }

    fn earlier(&self, lsn: u64) -> Option<Entry> {
        self.entries.get(&lsn).cloned()
    }
}

impl Told {
    pub(crate) fn hear(&mut self, lsn: u64, entry: Entry) {
        if let Body::Group(events) = &entry.body {
            events.iter().for_each(|event| self.learn(event));
        }
        self.entries.insert(lsn, entry.clone());
        let told = events_of(lsn, &entry, self);
        assert_eq!(
            told,
            events_of(lsn, &entry, self),
            "made twice it is the same"
        );
        for (place, event) in told.iter().enumerate() {
            self.check_form(event, (lsn, place));
            self.add(event);
        }
        if let Body::Group(events) = &entry.body {
            self.check_money(events, &told);
        }
        self.last = told;
    }

    fn learn(&mut self, event: &Event) {
        let account = match event {
            Event::AccountOpened(account) | Event::AccountChanged { account, .. } => account,
            Event::Deposited(..)
            | Event::Withdrawn(..)
            | Event::TransferredWithin(..)
            | Event::TransferSent(..)
            | Event::TransferReceived(..)
            | Event::TransferSettled(_)
            | Event::TransferReturned(..)
            | Event::AuthorizationApproved(_)
            | Event::AuthorizationDeclined(_)
            | Event::AuthorizationStepped(_)
            | Event::Absorbed(_)
            | Event::Booked(_) => return,
        };
        let name = Name {
            urn: account.urn(),
            holder_urn: account.holder_urn.clone(),
            webhook_url: account.webhook_url.clone(),
        };
        self.names.insert(account.no, name);
        self.ledgers.insert(account.no, account.ledger);
    }

    fn check_form(&self, event: &OutEvent, (lsn, place): (u64, usize)) {
        assert_eq!((event.lsn, usize::from(event.place)), (lsn, place));
        assert!(
            words::ALL.contains(&event.event.as_str()),
            "{}",
            event.event
        );
        let said: Value = serde_json::from_str(&event.payload).unwrap();
        assert_eq!(said["event"], event.event.as_str());
        assert_eq!(said["created_at"], event.at.to_string());
        if let Some((no, urn)) = &event.account {
            assert_eq!(said["account_urn"], urn.as_str());
            let name = &self.names[no];
            assert_eq!(event.holder_urn.as_ref(), Some(&name.holder_urn));
        }
        let kind = said["type"].as_str().unwrap();
        if matches!(kind, "authorization" | "adjustment") {
            let id = said["transaction_id"].as_str().unwrap();
            assert!(!id.is_empty());
            let key = format!("{kind}-{}-{id}", event.event);
            assert_eq!(event.idempotency_key, key);
        } else {
            assert_eq!(event.idempotency_key, event.id);
            assert_eq!(said["event_id"], event.id.as_str());
        }
    }

    fn add(&mut self, event: &OutEvent) {
        let said: Value = serde_json::from_str(&event.payload).unwrap();
        let Some(id) = said["authorization_id"].as_str() else {
            return;
        };
        let sums = self.sums.entry(id.to_owned()).or_default();
        let (amount, local) = (
            minor(&said["amount"]),
            units(&event.payload, "local_amount"),
        );
        let fees = minor(&said["fee_breakdown"]["total_fees"]);
        if !said["fee_breakdown"].is_null() {
            let parts = said["fee_breakdown"]["fees"].as_array().unwrap();
            let sum: i128 = parts.iter().map(|fee| minor(&fee["amount"])).sum();
            assert_eq!(sum, fees, "{said}");
            let settlement = minor(&said["fee_breakdown"]["settlement"]);
            assert_eq!(settlement + fees, amount, "{said}");
        }
        match (event.event.as_str(), said["lifecycle_status"].as_str()) {
            ("purchase", Some("pending_authorization")) => {
                sums.authorized += amount;
                sums.local_authorized += local;
            }
            ("debit_adjustment", Some("captured")) => {
                sums.captured += amount;
                sums.local_captured += local;
                sums.fees += fees;
            }
            ("debit_adjustment", Some("refund_reversed")) => {
                sums.refunded -= amount;
                sums.local_refunded -= local;
                sums.fees += fees;
            }
            ("credit_adjustment", Some("refunded")) => {
                sums.refunded += amount;
                sums.local_refunded += local;
                sums.fees -= fees;
            }
            ("credit_adjustment", Some("authorization_reversed" | "payment_reversed")) => {
                assert!(
                    said["fee_breakdown"].is_null(),
                    "nothing was charged: {said}"
                );
                sums.released += amount;
                sums.local_released += local;
            }
            ("cashback_surcharge", Some("pending_authorization")) => {}
            (event, None) if event.starts_with("rejected_") => {
                assert!(said["transaction_type"].is_null(), "{said}");
                assert!(said["reason"].is_string(), "{said}");
            }
            other => panic!("{other:?}: {said}"),
        }
    }

    /// What a listener added up is what the authorization says.
    pub(crate) fn check(&self, known: &Authorization) {
        let sums = self.sums.get(&known.id.text()).cloned();
        let fees = known.fees.iter();
        let fees = fees.map(|fee| fee.charged.minor() - fee.returned.minor());
        let authorized = |amount: Amount| if known.is_forced { 0 } else { amount.minor() };
        let expected = Sums {
            authorized: authorized(known.amount()),
            captured: known.captured().minor(),
            released: known.released().minor(),
            refunded: known.refunded().minor(),
            local_authorized: authorized(known.local),
            local_captured: known.local_paid().minor(),
            local_released: known.local_released.minor(),
            local_refunded: known.local_refunded.minor(),
            fees: fees.sum(),
        };
        // Of what its programme has yet to say, or said no to, nobody hears a purchase.
        let is_no_purchase = known.decision.is_open() || known.decision.decline_reason().is_some();
        let expected = if is_no_purchase {
            Sums::default()
        } else {
            expected
        };
        assert_eq!(sums.unwrap_or_default(), expected, "{known:?}");
        let aside: Amount = known
            .surcharges
            .iter()
            .map(|part: &Surcharge| part.amount)
            .fold(Amount::ZERO, Amount::saturating_plus);
        let is_told = |event: &OutEvent| event.event == words::CASHBACK_SURCHARGE;
        let is_new = self.last.iter().any(|event| event.event == words::PURCHASE);
        let is_first = known.first_lsn == known.last_lsn;
        if is_new && is_first && aside.minor() > 0 {
            assert!(self.last.iter().any(is_told), "{:?}", self.last);
        }
    }

    /// What came to and went from accounts otherwise is told of too.
    fn check_money(&self, events: &[Event], told: &[OutEvent]) {
        let mut moved: BTreeMap<LedgerNo, i128> = BTreeMap::new();
        for event in events {
            let is_card = event.authorization_id().is_some() || is_of_the_books(event);
            let postings = event
                .movement()
                .map(|movement| movement.postings.as_slice());
            for posting in postings.unwrap_or_default().iter().filter(|_| !is_card) {
                fold(&mut moved, posting);
            }
        }
        let mut said: BTreeMap<LedgerNo, i128> = BTreeMap::new();
        let is_card = events
            .iter()
            .any(|event| event.authorization_id().is_some());
        for event in told.iter().filter(|_| !is_card) {
            let sign = match event.event.as_str() {
                "deposit" | "transfer.received" | "transfer.returned" | "fee.received" => 1,
                "withdrawal" | "transfer.sent" | "fee.returned" => -1,
                _ => continue,
            };
            let payload: Value = serde_json::from_str(&event.payload).unwrap();
            let ledger = self.ledgers[&event.account.as_ref().unwrap().0];
            *said.entry(ledger).or_default() += sign * minor(&payload["data"]["amount"]);
        }
        moved.retain(|_, amount| *amount != 0);
        said.retain(|_, amount| *amount != 0);
        assert_eq!(moved, said, "{told:?}");
    }
}

/// What the ledger face's transactions move, its own events tell.
fn is_of_the_books(event: &Event) -> bool {
    let is_booking = |transfer: &Transfer| transfer.purpose == Purpose::Booking;
    match event {
        Event::Booked(_) => true,
        Event::TransferSent(transfer, _)
        | Event::TransferReceived(transfer, _)
        | Event::TransferReturned(transfer, _) => is_booking(transfer),
        Event::AccountOpened(_)
        | Event::AccountChanged { .. }
        | Event::Deposited(..)
        | Event::Withdrawn(..)
        | Event::TransferredWithin(..)
        | Event::TransferSettled(_)
        | Event::AuthorizationApproved(_)
        | Event::AuthorizationDeclined(_)
        | Event::AuthorizationStepped(_)
        | Event::Absorbed(_) => false,
    }
}

fn fold(moved: &mut BTreeMap<LedgerNo, i128>, posting: &Posting) {
    for (place, sign) in [(&posting.source, -1), (&posting.destination, 1)] {
        if let Place::Spendable(ledger) | Place::Held(ledger) = place {
            *moved.entry(*ledger).or_default() += sign * posting.amount.minor();
        }
    }
}

fn minor(value: &Value) -> i128 {
    value.as_str().map_or(0, |text| text.parse().unwrap())
}

/// The digits of a number as they stand in the text, without their point.
fn units(payload: &str, name: &str) -> i128 {
    let Some((_, rest)) = payload.split_once(&format!("\"{name}\":")) else {
        return 0;
    };
    let number = rest.split([',', '}']).next().unwrap();
    number.replace('.', "").parse().unwrap()
}
