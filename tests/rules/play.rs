//! Plays random purchases to the domain and to the model, and compares to the unit.

use std::{collections::BTreeMap, sync::Arc};

use cardwright::domain::{
    account::{Medium, Status},
    command::{
        Authorize, ChangeAccount, Command, MoveMoney, OpenAccount, StepAmount, StepRequest,
        Transfer,
    },
    event::{Event, StepKind, Stepped},
    hold::{Authorization, TransactionType},
    ids::{AccountNo, ActorId, AuthorizationId, LedgerNo},
    merchant::{Merchant, TransactionMedium},
    money::{Amount, Asset, Decimal, LocalAmount, MoneyError},
    outcome::Rejection,
    policy::{Policy, origin::OriginTerms},
    posting::{House, Place},
    rates::RateTable,
    time::Month,
};
use num_bigint::BigInt;
use proptest::prelude::*;

use super::{
    cases::{CARDS, CODES, CURRENCIES, Case, ELSEWHERE, FACES, HOLDER, URL, WALLETS, list},
    model::{Account, Hold, InTransit, Known, Model, N, State, ZERO},
    ratio::Ratio,
};
use crate::books::{currency, shell::Shell, terms};

const HOLD_SECONDS: i64 = 100_000;
/// Amounts below this never leave the range of what is counted.
const HUGE: u128 = 10_u128.pow(14);

/// How much.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Size {
    Nothing,
    /// Smallest units of the currency.
    Minor(u128),
    /// So many hundredths of what is left, at least one smallest unit.
    Part(u8),
}

/// One operation, to be read against the state it meets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    pub(crate) verb: u8,
    pub(crate) a: u8,
    pub(crate) b: u8,
    pub(crate) size: Size,
    pub(crate) flags: u8,
}

pub(crate) fn op(digits_max: u32) -> impl Strategy<Value = Op> {
    let any_digits = (0..digits_max, 1_u128..1_000_000);
    let size = prop_oneof![
        2 => Just(Size::Nothing),
        8 => (1_u128..100_000).prop_map(Size::Minor),
        1 => Just(Size::Minor(0)),
        2 => any_digits.prop_map(|(digits, lead)| Size::Minor(lead * 10_u128.pow(digits) / 1_000_000 + 1)),
        8 => (1_u8..110).prop_map(Size::Part),
    ];
    (any::<u8>(), any::<u8>(), any::<u8>(), size, any::<u8>()).prop_map(
        |(verb, a, b, size, flags)| Op {
            verb,
            a,
            b,
            size,
            flags,
        },
    )
}

/// Both sides, and what is between them.
pub(crate) struct Play {
    pub(crate) shell: Shell,
    pub(crate) model: Model,
    pub(crate) answers: Vec<String>,
    pub(crate) transfers: Vec<Transfer>,
    /// What was put in beside the first funds, by ledger account and asset.
    pub(crate) topped_up: BTreeMap<(u64, Asset), N>,
}

impl Play {
    pub(crate) fn new(case: &Case) -> Self {
        let [base, origin, _] = case.fees.clone();
        let mut terms = terms();
        terms.fees = base;
        terms.over_capture = case.over_capture;
        terms.hold_seconds = HOLD_SECONDS;
        terms.hold_seconds_by_mcc.clear();
        terms.rate_age_seconds_max = 20 * 366 * 86_400;
        let known = |quote: &cardwright::domain::rates::Quote| Known {
            from: quote.base.symbol().into(),
            to: quote.quote.symbol().into(),
            rate: Ratio::decimal(quote.rate),
            is_old: quote.at < "2001-01-01T00:00:00Z".parse().unwrap(),
        };
        let model = Model {
            terms: terms.clone(),
            origin_fees: origin.clone(),
            rates: case.quotes.iter().map(known).collect(),
            lists: case
                .list
                .iter()
                .map(|codes| (URL.into(), codes.clone()))
                .collect(),
            state: State::default(),
        };
        let mut shell = Shell::new(terms);
        shell.origin = OriginTerms {
            fees: origin,
            ..OriginTerms::default()
        };
        shell.rates = RateTable::default().with(&case.quotes);
        if let Some(codes) = &case.list {
            shell.lists.set(URL.into(), list(codes.clone()));
        }
        shell.earners = [3, 4, 21, 22].map(LedgerNo).into_iter().collect();
        let mut play = Self {
            shell,
            model,
            answers: Vec::new(),
            transfers: Vec::new(),
            topped_up: BTreeMap::new(),
        };
        // A card's pockets are there before it.
        let (cards, pockets): (Vec<_>, Vec<_>) =
            FACES.into_iter().partition(|(no, _)| CARDS.contains(no));
        for (no, ledger) in pockets.into_iter().chain(cards) {
            let place = CARDS.iter().position(|card| *card == no);
            let policy = place.map_or_else(Policy::default, |place| case.cards[place].clone());
            play.open(ActorId(1), no, ledger, policy);
        }
        for no in ELSEWHERE {
            play.open(ActorId(2), no, no, Policy::default());
        }
        play.fund(&case.funds);
        play
    }

    fn open(&mut self, actor: ActorId, no: u64, ledger: u64, policy: Policy) {
        let account = Account {
            actor,
            ledger: LedgerNo(ledger),
            status: Status::Active,
            policy: policy.clone(),
        };
        self.model.state.accounts.insert(AccountNo(no), account);
        let card = Medium::Card {
            programme: "card".into(),
            last_four: *b"0000",
            expiry: Month {
                year: 2040,
                month: 1,
            },
        };
        let command = Command::OpenAccount(Box::new(OpenAccount {
            card: None,
            no: AccountNo(no),
            medium: if CARDS.contains(&no) {
                card
            } else {
                Medium::Virtual
            },
            holder_urn: HOLDER.into(),
            ledger: LedgerNo(ledger),
            webhook_url: None,
            metadata: "{}".into(),
            policy,
        }));
        self.shell.run(actor, &command).unwrap();
    }

    /// From nothing to 10^32 smallest units, most often enough for some purchases.
    fn fund(&mut self, digits: &[u8]) {
        let mut digits = digits.iter();
        for (actor, no) in everybody() {
            if no == 5 {
                continue;
            }
            for term in self.shell.terms.assets.clone() {
                let digits = digits.next().unwrap_or(&0) % 34;
                let usual = u32::from(term.asset.decimals()) + u32::from(digits % 6);
                let minor = match digits {
                    0..6 => continue,
                    6..28 => 3 * 10_i128.pow(usual),
                    _ => 7 * 10_i128.pow(u32::from(digits)),
                };
                let command = Command::Deposit(money(no, term.asset, minor));
                assert_eq!(self.ask(actor, &command), "deposited");
            }
        }
    }

    /// Gives every account so much that nothing can be short.
    pub(crate) fn top_up(&mut self) {
        let active = |play: &Self, no: u64| {
            let account = &play.model.state.accounts[&AccountNo(no)];
            account.status == Status::Active
        };
        for (actor, no) in everybody() {
            for term in self.shell.terms.assets.clone() {
                if no == 5 || !active(self, no) {
                    continue;
                }
                let minor = 10_i128.pow(34);
                self.ask(actor, &Command::Deposit(money(no, term.asset, minor)));
                *self.topped_up.entry((no, term.asset)).or_default() += minor;
            }
        }
    }

    /// What every ledger account has, less what was put in.
    pub(crate) fn money(&self) -> BTreeMap<(u64, Asset), N> {
        let mut money = BTreeMap::new();
        for (key, balance) in &self.model.state.balances {
            let put_in = self.topped_up.get(key).cloned().unwrap_or_default();
            let there = &balance.current + &balance.pending - put_in;
            if there != ZERO {
                money.insert(*key, there);
            }
        }
        money
    }

    /// Asks both, and compares answers and books.
    pub(crate) fn ask(&mut self, actor: ActorId, command: &Command) -> String {
        let result = self.shell.run(actor, command);
        let lsn = self.shell.lsn + u64::from(result.is_err());
        let before = self.model.state.clone();
        let expected = self.model.run(actor, command, self.shell.now, lsn);
        let said = said(&result);
        let is_beyond = said == "rejected out of range" && said != expected;
        if is_beyond {
            // Steps in between may leave the range too: only where amounts are past all purpose.
            assert!(self.is_huge(command), "{command:?} is in range: {expected}");
            self.model.state = before;
            return said;
        }
        assert_eq!(said, expected, "the answer to {command:?}");
        if let Ok(events) = &result {
            self.compare(events);
        }
        self.answers.push(said.clone());
        said
    }

    fn is_huge(&self, command: &Command) -> bool {
        let minor = |amount: Amount| amount.minor().unsigned_abs();
        let local = match command {
            Command::Authorize(request) | Command::ForcePost(request) => minor(request.local.minor),
            Command::Increment(step) | Command::Capture(step) | Command::Refund(step) => {
                let known = &self.shell.recalled[&step.authorization];
                minor(known.local).max(
                    step.local
                        .map_or(0, |given| given.value.mantissa.unsigned_abs()),
                )
            }
            _ => 0,
        };
        local >= HUGE
    }

    fn compare(&mut self, events: &[Event]) {
        let mut sent = Vec::new();
        for event in events {
            if let Event::TransferSent(transfer, _) = event {
                sent.push(InTransit {
                    purpose: transfer.purpose,
                    destination: transfer.destination,
                    asset: transfer.asset,
                    amount: transfer.amount.minor().into(),
                });
                self.transfers.push((**transfer).clone());
            }
        }
        assert_eq!(sent, self.model.state.sent, "what was sent");
        self.compare_books();
        check_laws(events);
        if let Some(id) = subject(&events[0]) {
            let known = &self.shell.recalled[&id];
            compare_hold(known, &self.model.state.holds[&id]);
        }
    }

    fn compare_books(&self) {
        for group in self.shell.groups.values() {
            for ledger in &group.ledgers {
                for (asset, balance) in &ledger.balances {
                    let expected = self.model.balance(ledger.no.0, *asset);
                    let books = [
                        (balance.current, expected.current, "current"),
                        (balance.pending, expected.pending, "pending"),
                        (balance.incoming, expected.incoming, "in"),
                        (balance.outgoing, expected.outgoing, "out"),
                    ];
                    for (known, expected, what) in books {
                        assert_eq!(N::from(known), expected, "{what} {asset} of {}", ledger.no);
                    }
                }
            }
        }
        let kept = |books: &BTreeMap<(House, Asset), BigInt>| {
            let mut books = books.clone();
            books.retain(|_, amount| *amount != ZERO);
            books
        };
        let (known, expected) = (kept(&self.shell.house), kept(&self.model.state.house));
        assert_eq!(known, expected, "the house's books");
    }

    /// Reads the operation against what is there, and plays it.
    pub(crate) fn step(&mut self, op: &Op) {
        match op.verb % 32 {
            0..10 => self.authorize(op),
            10..12 => self.on(op, "increment"),
            12..17 => self.on(op, "capture"),
            17..20 => self.on(op, "reverse"),
            20..25 => self.on(op, "refund"),
            25..27 => self.unrefund(op),
            27 => self.force(op),
            28 => self.expire(op),
            29 => self.status(op),
            30 => self.deliver(usize::from(op.a)),
            _ => self.withdraw(op),
        }
    }

    /// Whether it takes money away from accounts or accounts from the world.
    pub(crate) const fn is_harmful(op: &Op) -> bool {
        matches!(op.verb % 32, 29 | 31)
    }

    pub(crate) fn request(&self, op: &Op) -> Arc<Authorize> {
        let currency = currency(CURRENCIES[usize::from(op.b) % CURRENCIES.len()]);
        let minor = match op.size {
            Size::Nothing => 100,
            Size::Minor(minor) => minor,
            Size::Part(part) => u128::from(part) * 1_000,
        };
        let mut medium = TransactionMedium::default();
        let wallet = WALLETS[usize::from(op.b / 8) % WALLETS.len()];
        if wallet != "?" {
            medium.add("tokenization_wallet_name", wallet);
        }
        let code = CODES.get(usize::from(op.a / 4) % (CODES.len() + 1));
        let usd = (op.flags & 0x30 == 0x30).then(|| Decimal {
            mantissa: i128::from(op.a) * 4_001,
            scale: 3,
        });
        Arc::new(Authorize {
            account: AccountNo(CARDS[usize::from(op.a.is_multiple_of(4))]),
            transaction_id: "tx".into(),
            kind: TransactionType::Purchase,
            local: LocalAmount {
                minor: Amount::from_minor(i128::try_from(minor).unwrap()).unwrap(),
                currency,
            },
            usd_amount: usd,
            merchant: Merchant {
                mcc: code.map(|code| code.parse().unwrap()),
                ..Merchant::default()
            },
            medium,
            allow_partial: op.flags & 3 == 3,
            capture: op.flags & 12 == 12,
        })
    }

    fn authorize(&mut self, op: &Op) {
        let request = self.request(op);
        self.ask(ActorId(1), &Command::Authorize(request));
    }

    fn force(&mut self, op: &Op) {
        let request = self.request(op);
        self.ask(ActorId(1), &Command::ForcePost(request));
    }

    fn pick(&self, op: &Op) -> Option<AuthorizationId> {
        let known: Vec<_> = self.shell.recalled.keys().copied().collect();
        let place = usize::from(op.a) % known.len().max(1);
        // The latest is the most interesting.
        known
            .iter()
            .rev()
            .nth(place % (1 + known.len() / 2))
            .copied()
    }

    fn on(&mut self, op: &Op, verb: &str) {
        let Some(id) = self.pick(op) else { return };
        let known = &self.shell.recalled[&id];
        let left = match verb {
            "refund" => known.local_refundable(),
            _ => known.local_held(),
        };
        let minor = match op.size {
            Size::Nothing if verb == "increment" => Some(1),
            Size::Nothing => None,
            Size::Minor(minor) => Some(i128::try_from(minor.max(1)).unwrap()),
            Size::Part(part) => Some((left.minor() / 100 * i128::from(part)).max(1)),
        };
        let is_final = match op.flags & 7 {
            0 => Some(true),
            1 => Some(false),
            _ => None,
        };
        let step = request(id, known, minor, is_final);
        let command = match verb {
            "increment" => Command::Increment(step),
            "capture" => Command::Capture(step),
            "reverse" => Command::Reverse(step),
            _ => Command::Refund(step),
        };
        self.ask(id.actor, &command);
    }

    fn unrefund(&mut self, op: &Op) {
        let Some(id) = self.pick(op) else { return };
        let known = &self.shell.recalled[&id];
        let place = usize::from(op.b) % known.refunds.len().max(1);
        let refund = known.refunds.get(place).map_or(7, |refund| refund.lsn);
        let step = request(id, known, None, None);
        self.ask(id.actor, &Command::ReverseRefund { step, refund });
    }

    fn expire(&mut self, op: &Op) {
        let open: Vec<_> = self.shell.groups[&ActorId(1)]
            .open
            .keys()
            .copied()
            .collect();
        let Some(id) = open.get(usize::from(op.a) % open.len().max(1)).copied() else {
            return;
        };
        if op.flags & 3 != 0 {
            self.shell.now = self.shell.now.plus_seconds(HOLD_SECONDS);
        }
        self.ask(id.actor, &Command::Expire(id));
    }

    fn status(&mut self, op: &Op) {
        let all = everybody();
        let (actor, no) = all[usize::from(op.a) % all.len()];
        let status = match op.b % 8 {
            0..3 => Status::Frozen,
            3 => Status::Deleted,
            _ => Status::Active,
        };
        let change = ChangeAccount {
            card: None,
            account: AccountNo(no),
            status: Some(status),
            status_reason: None,
            metadata: None,
            webhook_url: None,
        };
        self.ask(actor, &Command::ChangeAccount(Box::new(change)));
    }

    fn withdraw(&mut self, op: &Op) {
        let all = everybody();
        let (actor, no) = all[usize::from(op.a) % all.len()];
        let assets = &self.shell.terms.assets;
        let asset = assets[usize::from(op.b) % assets.len()].asset;
        let there = self.model.account(AccountNo(no)).unwrap().ledger.0;
        let there = i128::try_from(self.model.available(there, asset)).unwrap();
        let part = if op.flags & 1 == 0 { there } else { there / 3 };
        self.ask(actor, &Command::Withdraw(money(no, asset, part.max(1))));
    }

    /// Brings a fee to who earns it elsewhere, or back; twice changes nothing.
    pub(crate) fn deliver(&mut self, place: usize) {
        if self.transfers.is_empty() {
            return;
        }
        let transfer = self.transfers.remove(place % self.transfers.len());
        let command = Command::ReceiveTransfer(Box::new(transfer.clone()));
        let said = self.ask(ActorId(2), &command);
        if said == "received" {
            let again = self.shell.run(ActorId(2), &command);
            assert_eq!(again, Err(Rejection::TransferKnown));
            self.ask(ActorId(1), &Command::SettleTransfer(transfer.id));
            return;
        }
        let back = self
            .shell
            .run(ActorId(1), &Command::ReturnTransfer(transfer.id));
        assert!(matches!(back.unwrap()[0], Event::TransferReturned(..)));
        self.model.give_back(&transfer);
        self.compare_books();
    }
}

pub(crate) fn request(
    id: AuthorizationId,
    known: &Authorization,
    minor: Option<i128>,
    is_final: Option<bool>,
) -> StepRequest {
    let scale = known.currency.digits();
    StepRequest {
        authorization: id,
        transaction_id: "step".into(),
        local: minor.map(|mantissa| StepAmount {
            value: Decimal { mantissa, scale },
            currency: None,
        }),
        is_final,
    }
}

fn everybody() -> Vec<(ActorId, u64)> {
    let here = FACES.iter().map(|(no, _)| (ActorId(1), *no));
    here.chain(ELSEWHERE.map(|no| (ActorId(2), no))).collect()
}

fn money(no: u64, asset: Asset, minor: i128) -> MoveMoney {
    MoveMoney {
        account: AccountNo(no),
        asset,
        amount: Amount::from_minor(minor).unwrap(),
        reference: "ref".into(),
        metadata: "{}".into(),
    }
}

/// What holds of every record, whatever the model says.
fn check_laws(events: &[Event]) {
    let (known, step) = match &events[0] {
        Event::AuthorizationApproved(approved) => (&approved.authorization, None),
        Event::AuthorizationStepped(step) => (&step.authorization, Some(&**step)),
        _ => return,
    };
    let legs: i128 = known.legs.iter().map(|leg| leg.amount.minor()).sum();
    let whole = known.amount().minor() + known.surcharged().minor();
    assert_eq!(legs, whole, "legs are the debit and the surcharges");
    let fees: i128 = known.fees.iter().map(|fee| fee.amount.minor()).sum();
    assert!(fees <= known.amount().minor(), "fees are inside the debit");
    let charged: i128 = known.fees.iter().map(|fee| fee.charged.minor()).sum();
    assert!(
        charged <= known.captured().minor(),
        "fees are inside the capture"
    );
    for fee in &known.fees {
        assert!(
            fee.returned <= fee.charged,
            "no fee gives back more than it got"
        );
    }
    for leg in &known.legs {
        assert!(
            leg.refunded <= leg.paid(),
            "nobody gets back more than it paid"
        );
        let gone = leg.captured.minor() + leg.released.minor();
        assert!(
            gone <= leg.amount.minor(),
            "no leg gives more than it holds"
        );
    }
    for aside in &known.surcharges {
        assert!(aside.returned <= aside.captured);
        assert!(aside.captured.minor() + aside.released.minor() <= aside.amount.minor());
    }
    check_settlement(events, known, step);
}

/// What the network's account gets is what is captured, less the fees.
fn check_settlement(events: &[Event], known: &Authorization, step: Option<&Stepped>) {
    let mut settled = 0;
    for posting in events
        .iter()
        .filter_map(Event::movement)
        .flat_map(|m| &m.postings)
    {
        let network = Place::House(House::Settlement);
        settled += if posting.destination == network {
            posting.amount.minor()
        } else {
            0
        };
        settled -= if posting.source == network {
            posting.amount.minor()
        } else {
            0
        };
    }
    if let Some(step) = step {
        let fees: i128 = step.fees.iter().map(|fee| fee.minor()).sum();
        let net = step.amount.minor() - fees;
        let expected = match step.kind {
            StepKind::Capture | StepKind::RefundReversal => net,
            StepKind::Refund => -net,
            StepKind::Increment
            | StepKind::IncrementDeclined(_)
            | StepKind::Reversal
            | StepKind::Expiry
            | StepKind::Concluded(_) => 0,
        };
        assert_eq!(
            settled, expected,
            "fees and settlement are the {:?}",
            step.kind
        );
        assert!(net >= 0, "no negative settlement");
    } else {
        let charged: i128 = known.fees.iter().map(|fee| fee.charged.minor()).sum();
        assert_eq!(settled, known.captured().minor() - charged);
    }
}

fn compare_hold(known: &Authorization, hold: &Hold) {
    let n = |amount: Amount| N::from(amount.minor());
    let same = |known: Amount, expected: &N, what: &str| assert_eq!(n(known), *expected, "{what}");
    same(known.local, &hold.local, "local");
    same(known.local_captured, &hold.local_captured, "local captured");
    same(known.local_released, &hold.local_released, "local released");
    same(known.local_excess, &hold.local_excess, "local excess");
    same(known.local_refunded, &hold.local_refunded, "local refunded");
    same(known.amount(), &hold.debit, "debit");
    same(
        known.captured(),
        &(&hold.captured + &hold.excess),
        "captured",
    );
    same(known.released(), &hold.released, "released");
    same(known.refunded(), &hold.refunded, "refunded");
    same(known.held(), &hold.held(), "held");
    assert_eq!(known.asset, hold.asset);
    assert_eq!(known.legs.len(), hold.legs.len(), "legs");
    for (known, leg) in known.legs.iter().zip(&hold.legs) {
        assert_eq!((known.account.0, known.ledger.0), (leg.account, leg.ledger));
        same(known.amount, &leg.amount, "a leg");
        same(known.captured, &leg.captured, "a leg's captured");
        same(known.released, &leg.released, "a leg's released");
        same(known.excess, &leg.excess, "a leg's excess");
        same(known.refunded, &leg.refunded, "a leg's refunded");
    }
    assert_eq!(known.fees.len(), hold.fees.len(), "fees");
    for (known, fee) in known.fees.iter().zip(&hold.fees) {
        assert_eq!(known.name, fee.term.name);
        assert_eq!(known.value, fee.term.value);
        same(known.amount, &fee.amount, "a fee");
        same(known.charged, &fee.charged, "a fee's charged");
        same(known.returned, &fee.returned, "a fee's returned");
    }
    assert_eq!(known.surcharges.len(), hold.asides.len(), "surcharges");
    for (known, aside) in known.surcharges.iter().zip(&hold.asides) {
        assert_eq!(known.target, aside.programme.target);
        same(known.amount, &aside.amount, "a surcharge");
        same(known.captured, &aside.captured, "a surcharge's captured");
        same(known.released, &aside.released, "a surcharge's released");
        same(known.returned, &aside.returned, "a surcharge's returned");
    }
}

/// The domain's answers in the model's words.
fn said(result: &Result<Vec<Event>, Rejection>) -> String {
    match result {
        Ok(events) => event(&events[0]),
        Err(rejection) => format!("rejected {}", word(rejection)),
    }
}

fn subject(event: &Event) -> Option<AuthorizationId> {
    let approved = event.approved().map(|approved| approved.authorization.id);
    approved.or(event.stepped().map(|stepped| stepped.authorization.id))
}

fn event(event: &Event) -> String {
    match event {
        Event::AccountOpened(_) => "opened".into(),
        Event::AccountChanged { .. } => "changed".into(),
        Event::Deposited(..) => "deposited".into(),
        Event::Withdrawn(..) => "withdrawn".into(),
        Event::TransferReceived(..) => "received".into(),
        Event::TransferSettled(_) => "settled".into(),
        Event::AuthorizationApproved(approved) => {
            let known = &approved.authorization;
            let word = match (known.is_forced, known.is_partial) {
                (true, _) => "posted",
                (false, true) => "partially approved",
                (false, false) => "approved",
            };
            format!("{word} {} {}", known.amount(), known.asset)
        }
        Event::AuthorizationDeclined(no) => format!("declined {}", no.reason.word()),
        Event::AuthorizationStepped(step) => stepped(step),
        other => format!("{other:?}"),
    }
}

fn stepped(step: &Stepped) -> String {
    let amount = step.amount;
    match step.kind {
        StepKind::Increment => format!("incremented {amount}"),
        StepKind::IncrementDeclined(reason) => format!("declined {}", reason.word()),
        StepKind::Capture => format!("captured {amount} adjusted {}", step.over.adjusted),
        StepKind::Reversal => format!("reversed {amount}"),
        StepKind::Expiry => format!("expired {amount}"),
        StepKind::Refund => format!("refunded {amount}"),
        StepKind::RefundReversal => format!("refund reversed {amount}"),
        StepKind::Concluded(verdict) => format!("decided {} {amount}", verdict.word()),
    }
}

fn word(rejection: &Rejection) -> String {
    match rejection {
        Rejection::AccountNotOpen { .. } => "account not open".into(),
        Rejection::AuthorizationNotFound => "no authorization".into(),
        Rejection::RefundNotFound => "no refund".into(),
        Rejection::IllegalTransition { .. } => "illegal transition".into(),
        Rejection::InsufficientFunds { .. } => "insufficient funds".into(),
        Rejection::StateForbids { .. } => "state".into(),
        Rejection::MoreThanLeft { .. } => "more than left".into(),
        Rejection::RefundAlreadyReversed { .. } => "already reversed".into(),
        Rejection::AmountRequired => "amount required".into(),
        Rejection::Money(MoneyError::OutOfRange) => "out of range".into(),
        Rejection::NoAssetForCurrency { .. } => "no asset".into(),
        other => format!("{other:?}"),
    }
}
