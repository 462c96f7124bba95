//! Random lives of a card and its tokens, held against a plain list: who may pay, and what never comes back.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first fault"
)]

use std::sync::Arc;

use cardwright::domain::{
    account::{Account, Medium, Status},
    apply::{Stamp, apply},
    card::{CardChange, CardFile, DeviceToken, PinVerifier, Sealed, TokenStatus, Wallet},
    command::{Authorize, ChangeAccount, Command, Context, MoveMoney, OpenAccount, Simulation},
    decide::decide,
    event::Event,
    group::Group,
    hold::TransactionType,
    ids::{AccountNo, ActorId, DeviceTokenId, LedgerNo},
    merchant::{Merchant, TOKEN_ID, TransactionMedium},
    money::{Amount, LocalAmount},
    outcome::{DeclineReason, Rejection},
    policy::{AssetTerm, Policy, Terms},
    time::{Month, Timestamp},
};
use proptest::prelude::*;

const CARD: AccountNo = AccountNo(7);

struct House {
    group: Group,
    terms: Terms,
    now: Timestamp,
    lsn: u64,
}

impl House {
    fn new(medium: Medium, file: Option<CardFile>) -> Self {
        let dollar = "DUSD/6".parse().unwrap();
        let terms = Terms {
            assets: vec![AssetTerm {
                asset: dollar,
                pegged: Some("USD".parse().unwrap()),
            }],
            default_asset: dollar,
            fees: Vec::new(),
            hold_seconds: 604_800,
            hold_seconds_by_mcc: Vec::new(),
            over_capture: "0.15".parse().unwrap(),
            rate_age_seconds_max: 86_400,
            base_currency: "USD".parse().unwrap(),
        };
        let mut house = Self {
            group: Group::new(ActorId(CARD.0)),
            terms,
            now: "2026-11-21T10:00:00Z".parse().unwrap(),
            lsn: 0,
        };
        house
            .run(&Command::OpenAccount(Box::new(opening(medium, file))))
            .unwrap();
        house
    }

    fn card() -> Self {
        let mut house = Self::new(card_medium(), Some(file()));
        let money = MoveMoney {
            account: CARD,
            asset: "DUSD/6".parse().unwrap(),
            amount: Amount::from_minor(1_000_000_000).unwrap(),
            reference: "r".into(),
            metadata: "{}".into(),
        };
        house.run(&Command::Deposit(money)).unwrap();
        house
    }

    fn run(&mut self, command: &Command) -> Result<Vec<Event>, Rejection> {
        self.now = self.now.plus_seconds(1);
        self.lsn += 1;
        let events = decide(&self.group, command, &Context::plain(self.now, &self.terms))?;
        let (lsn, time) = (self.lsn, self.now);
        apply(&mut self.group, &events, Stamp { lsn, time });
        Ok(events)
    }

    fn account(&self) -> &Account {
        self.group.account(CARD).unwrap()
    }

    fn change(&mut self, change: CardChange) -> Result<Vec<Event>, Rejection> {
        self.run(&Command::ChangeAccount(Box::new(ChangeAccount {
            card: Some(Box::new(change)),
            ..nothing()
        })))
    }

    fn become_status(&mut self, status: Status) -> Result<Vec<Event>, Rejection> {
        self.run(&Command::ChangeAccount(Box::new(ChangeAccount {
            status: Some(status),
            ..nothing()
        })))
    }

    /// The reason a purchase by that token was declined for, if it was.
    fn pay(&mut self, token: &str) -> Result<Option<DeclineReason>, Rejection> {
        let mut medium = TransactionMedium::default();
        assert!(medium.add(TOKEN_ID, token));
        let request = Authorize {
            account: CARD,
            transaction_id: format!("t-{}", self.lsn),
            kind: TransactionType::Purchase,
            local: LocalAmount::parse("0.01", "USD".parse().unwrap()).unwrap(),
            usd_amount: None,
            merchant: Merchant::default(),
            medium,
            allow_partial: false,
            capture: false,
        };
        let events = self.run(&Command::Authorize(Arc::new(request)))?;
        Ok(events
            .iter()
            .find_map(Event::declined)
            .map(|declined| declined.reason))
    }
}

fn nothing() -> ChangeAccount {
    ChangeAccount {
        account: CARD,
        status: None,
        status_reason: None,
        metadata: None,
        webhook_url: None,
        card: None,
    }
}

fn card_medium() -> Medium {
    Medium::Card {
        programme: "card".into(),
        last_four: *b"1234",
        expiry: Month {
            year: 2031,
            month: 11,
        },
    }
}

fn file() -> CardFile {
    CardFile {
        sealed: sealed(),
        fingerprint: [3; 16],
        pin: None,
        tokens: Vec::new(),
    }
}

fn sealed() -> Sealed {
    Sealed {
        key_id: 1,
        bytes: vec![1, 2, 3],
    }
}

fn opening(medium: Medium, file: Option<CardFile>) -> OpenAccount {
    OpenAccount {
        no: CARD,
        medium,
        holder_urn: "did:bloque:acme:ana".into(),
        ledger: LedgerNo(CARD.0),
        webhook_url: None,
        metadata: "{}".into(),
        policy: Policy::default(),
        card: file.map(Box::new),
    }
}

fn token(number: u32, device: u8) -> DeviceToken {
    let account = CARD;
    DeviceToken {
        id: DeviceTokenId { account, number }.to_string(),
        wallet: if device.is_multiple_of(2) {
            Wallet::Apple
        } else {
            Wallet::Google
        },
        device: format!("device-{device}"),
        last_four: *b"5678",
        sealed: sealed(),
        status: TokenStatus::Issued,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add { device: u8 },
    Set { which: usize, to: TokenStatus },
    Card(Status),
    Pay { which: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let statuses = proptest::sample::select(TokenStatus::ALL.to_vec());
    let cards = [
        Status::Active,
        Status::Frozen,
        Status::Frozen,
        Status::Disabled,
    ];
    prop_oneof![
        3 => (0_u8..4).prop_map(|device| Step::Add { device }),
        5 => (0_usize..8, statuses).prop_map(|(which, to)| Step::Set { which, to }),
        2 => proptest::sample::select(cards.to_vec()).prop_map(Step::Card),
        4 => (0_usize..8).prop_map(|which| Step::Pay { which }),
    ]
}

/// A plain list: each token's device and state by itself, and the card's state.
#[derive(Default)]
struct Plain {
    tokens: Vec<(u8, TokenStatus)>,
    card: Option<Status>,
}

impl Plain {
    fn card(&self) -> Status {
        self.card.unwrap_or(Status::Active)
    }

    fn is_over(&self) -> bool {
        matches!(self.card(), Status::Disabled | Status::Deleted)
    }

    fn add(&mut self, device: u8) -> bool {
        if self.card() != Status::Active {
            return false;
        }
        for (known, status) in &mut self.tokens {
            if *known == device {
                *status = TokenStatus::Deactivated;
            }
        }
        self.tokens.push((device, TokenStatus::Issued));
        true
    }

    fn set(&mut self, which: usize, to: TokenStatus) -> bool {
        use TokenStatus::{Active, Deactivated, Issued, Suspended};
        let is_over = self.is_over();
        let Some((_, status)) = self.tokens.get_mut(which) else {
            return false;
        };
        let is_legal = match (*status, to) {
            (Issued, Active | Suspended | Deactivated)
            | (Active, Suspended | Deactivated)
            | (Suspended, Active | Deactivated) => true,
            (_, Issued | Active | Suspended | Deactivated) => false,
        };
        if is_legal && !is_over {
            *status = to;
        }
        is_legal && !is_over
    }

    fn pays(&self, which: usize) -> bool {
        let known = self.tokens.get(which);
        self.card() == Status::Active && known.is_some_and(|(_, own)| *own == TokenStatus::Active)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_random_life_is_as_the_plain_list_says(steps in proptest::collection::vec(step(), 1..60)) {
        let (mut house, mut plain) = (House::card(), Plain::default());
        let name = |which: usize| token(u32::try_from(which).unwrap(), 0).id;
        for step in steps {
            match step {
                Step::Add { device } => {
                    let number = u32::try_from(plain.tokens.len()).unwrap();
                    let added = house.change(CardChange::AddToken(token(number, device)));
                    prop_assert_eq!(added.is_ok(), plain.add(device));
                }
                Step::Set { which, to } => {
                    let id = name(which);
                    let set = house.change(CardChange::SetTokenStatus { id, status: to });
                    prop_assert_eq!(set.is_ok(), plain.set(which, to), "{:?}", set);
                }
                Step::Card(to) => {
                    let is_legal = plain.card().next().contains(&to);
                    prop_assert_eq!(house.become_status(to).is_ok(), is_legal);
                    if is_legal {
                        plain.card = Some(to);
                    }
                }
                Step::Pay { which } => {
                    let paid = house.pay(&name(which));
                    prop_assert_eq!(paid.is_ok(), which < plain.tokens.len(), "{:?}", paid);
                    let is_approved = matches!(paid, Ok(None));
                    prop_assert_eq!(is_approved, plain.pays(which), "{:?}", paid);
                }
            }
            let account = house.account();
            let told: Vec<_> = account.card.iter().flat_map(|file| &file.tokens).collect();
            prop_assert_eq!(told.len(), plain.tokens.len());
            for (told, (_, own)) in told.iter().zip(&plain.tokens) {
                prop_assert_eq!(told.status, *own);
            }
            let live = |told: &&&DeviceToken| told.status != TokenStatus::Deactivated;
            for one in told.iter().filter(live) {
                let same = told.iter().filter(live);
                let same = same.filter(|it| (it.wallet, &it.device) == (one.wallet, &one.device));
                prop_assert_eq!(same.count(), 1, "one live token a device");
            }
        }
    }
}

#[test]
fn what_is_asked_of_which_account() {
    let pin = || CardChange::SetPin(PinVerifier([9; 32]));
    let mut pocket = House::new(Medium::Virtual, None);
    assert_eq!(pocket.change(pin()), Err(Rejection::NotACard));
    let mut old = House::new(card_medium(), None);
    assert_eq!(old.change(pin()), Err(Rejection::NoCardFile));
    let mut card = House::card();
    assert!(card.change(pin()).is_ok());
    assert_eq!(
        card.account().card.as_ref().unwrap().pin,
        Some(PinVerifier([9; 32]))
    );
    card.become_status(Status::Frozen).unwrap();
    assert!(
        card.change(pin()).is_ok(),
        "a frozen card may get another PIN"
    );
    let status = Status::Frozen;
    let refused = card.change(CardChange::AddToken(token(0, 0)));
    assert_eq!(refused, Err(Rejection::AccountNotOpen { status }));
    card.become_status(Status::Disabled).unwrap();
    let status = Status::Disabled;
    assert_eq!(
        card.change(pin()),
        Err(Rejection::AccountNotOpen { status })
    );
    let (from, to) = (sealed(), sealed());
    let reseal = CardChange::Reseal { from, to };
    assert!(
        card.change(reseal).is_ok(),
        "the data of a card that ended is sealed anew too"
    );
}

#[test]
fn a_creation_ends_once_and_only_by_whom_makes_the_card() {
    for (is_made, expect) in [(true, Status::Active), (false, Status::CreationFailed)] {
        let mut house = House::card();
        house.group = Group::new(ActorId(CARD.0));
        let open = Box::new(opening(card_medium(), Some(file())));
        house
            .run(&Command::Simulate(Simulation::OpenHeld(open)))
            .unwrap();
        assert_eq!(house.account().status, Status::CreationInProgress);
        let status = Status::CreationInProgress;
        for to in Status::ALL {
            let refused = if status.next().contains(&to) {
                Rejection::AccountNotOpen { status }
            } else {
                Rejection::IllegalTransition { from: status, to }
            };
            assert_eq!(house.become_status(to), Err(refused));
        }
        let refused = house.change(CardChange::AddToken(token(0, 0)));
        assert_eq!(refused, Err(Rejection::AccountNotOpen { status }));
        let end = Command::Simulate(Simulation::EndCreation {
            account: CARD,
            is_made,
        });
        house.run(&end).unwrap();
        assert_eq!(house.account().status, expect);
        let (from, to) = (expect, expect);
        assert_eq!(
            house.run(&end),
            Err(Rejection::IllegalTransition { from, to })
        );
    }
}
