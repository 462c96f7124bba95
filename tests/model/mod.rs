//! A plain model of the rules, written from the design and not from the code: big integers, maps and
//! straight lines. It shares only names (ids, commands) with the domain, none of its arithmetic.

mod commands;
mod hold;
mod money;

use std::collections::BTreeMap;

use cardwright::domain::{
    account::{Medium, Status, StatusReason},
    command::{ChangeAccount, Command, MoveMoney, OpenAccount, SendTransfer, Transfer},
    ids::{AccountNo, ActorId, AuthorizationId, LedgerNo, TransferId},
    money::{Asset, Currency},
    policy::Policy,
    posting::House,
    time::Timestamp,
};
use num_bigint::BigInt;

pub(crate) use hold::Hold;
pub(crate) use money::{Fraction, in_range};

/// What a command leads to, in a word or two.
pub(crate) type Answer = String;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Balance {
    pub(crate) current: BigInt,
    pub(crate) pending: BigInt,
    pub(crate) incoming: BigInt,
    pub(crate) outgoing: BigInt,
}

#[derive(Clone, Debug)]
struct Account {
    group: ActorId,
    ledger: LedgerNo,
    status: Status,
    reason: Option<StatusReason>,
    expiry: Option<(u16, u8)>,
    policy: Policy,
}

/// What the house has agreed to.
#[derive(Clone, Debug)]
pub(crate) struct Agreed {
    /// Known assets, in order, with their currency.
    pub(crate) assets: Vec<(Asset, Option<Currency>)>,
    pub(crate) default_asset: Asset,
    /// Each fee's treasury and fraction.
    pub(crate) fees: Vec<(String, Fraction)>,
    pub(crate) over_capture: Fraction,
    pub(crate) hold_seconds: i64,
    /// Whether the programme is asked before an approval is final.
    pub(crate) asks: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    terms: Agreed,
    accounts: BTreeMap<(ActorId, AccountNo), Account>,
    pub(crate) ledgers: BTreeMap<(ActorId, LedgerNo), BTreeMap<Asset, Balance>>,
    pub(crate) house: BTreeMap<(House, Asset), BigInt>,
    pub(crate) holds: BTreeMap<AuthorizationId, Hold>,
    counts: BTreeMap<ActorId, u32>,
    outgoing: BTreeMap<(ActorId, TransferId), Transfer>,
    received: BTreeMap<(ActorId, TransferId), ()>,
    now: Timestamp,
    lsn: u64,
}

/// One movement of a plan: from, to, amount. A plan is carried out whole or not at all.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Spendable(LedgerNo),
    Held(LedgerNo),
    House(House),
}

type Plan = Vec<(Place, Place, BigInt)>;

impl Model {
    pub(crate) fn new(terms: Agreed) -> Self {
        Self {
            terms,
            accounts: BTreeMap::new(),
            ledgers: BTreeMap::new(),
            house: BTreeMap::new(),
            holds: BTreeMap::new(),
            counts: BTreeMap::new(),
            outgoing: BTreeMap::new(),
            received: BTreeMap::new(),
            now: Timestamp::default(),
            lsn: 0,
        }
    }

    /// Runs a command; `lsn` is the position its record will have if there is one.
    pub(crate) fn run(
        &mut self,
        group: ActorId,
        command: &Command,
        now: Timestamp,
        lsn: u64,
    ) -> Answer {
        self.now = now;
        self.lsn = lsn;
        let done = match command {
            Command::OpenAccount(open) => self.open(group, open),
            Command::ChangeAccount(change) => self.change(group, change),
            // The model keeps no metadata: the generator sends changes of state as they are.
            Command::PatchAccount(patch) => self.change(group, &patch.change),
            // The model has no sharing of money after the making of an account: it is not played.
            Command::LinkAccount(link) => self.change(group, &link.change),
            Command::Deposit(money) => self.deposit(group, money),
            Command::Withdraw(money) => self.withdraw(group, money),
            Command::SendTransfer(send) => self.send(group, send),
            Command::ReceiveTransfer(transfer) => self.receive(group, transfer),
            Command::SettleTransfer(id) => self.settle(group, *id),
            Command::ReturnTransfer(id) => self.give_back(group, *id),
            Command::Authorize(request) => self.authorize(group, request),
            Command::ForcePost(request) => self.force_post(group, request),
            Command::Conclude(id, ended) => self.conclude(*id, ended.verdict),
            Command::Increment(step) => self.increment(group, step),
            Command::Capture(step) => self.capture(group, step),
            Command::Reverse(step) => self.reverse(step),
            Command::Expire(id) => self.expire(*id),
            Command::Refund(step) => self.refund(group, step),
            Command::ReverseRefund { step, refund } => self.unrefund(group, step, *refund),
            // The generator links nothing: the model's groups stay apart.
            Command::Absorb(_) => Err("cannot join"),
            Command::Books(_) => Err("no books"),
            Command::Simulate(_) => unreachable!("not played"),
        };
        done.unwrap_or_else(|refused| format!("rejected {refused}"))
    }

    fn open(&mut self, group: ActorId, open: &OpenAccount) -> Result<Answer, &'static str> {
        if self.accounts.contains_key(&(group, open.no)) {
            return Err("account exists");
        }
        let key = (group, open.ledger);
        if open.ledger.0 != open.no.0 && !self.ledgers.contains_key(&key) {
            return Err("no ledger");
        }
        self.ledgers.entry(key).or_default();
        let expiry = match &open.medium {
            Medium::Card { expiry, .. } => Some((expiry.year, expiry.month)),
            Medium::Virtual | Medium::Balance(_) => None,
        };
        let account = Account {
            group,
            ledger: open.ledger,
            status: Status::Active,
            reason: None,
            expiry,
            policy: open.policy.clone(),
        };
        self.accounts.insert((group, open.no), account);
        Ok("opened".into())
    }

    fn change(&mut self, group: ActorId, change: &ChangeAccount) -> Result<Answer, &'static str> {
        let account = self
            .accounts
            .get_mut(&(group, change.account))
            .ok_or("no account")?;
        if let Some(to) = change.status {
            let legal = match account.status {
                Status::Active => matches!(to, Status::Frozen | Status::Disabled | Status::Deleted),
                Status::Frozen => matches!(to, Status::Active | Status::Disabled | Status::Deleted),
                Status::Disabled => to == Status::Deleted,
                Status::Deleted | Status::CreationInProgress | Status::CreationFailed => false,
            };
            if !legal {
                return Err("illegal transition");
            }
            account.status = to;
            account.reason = change.status_reason;
        } else if change.status_reason.is_some() {
            account.reason = change.status_reason;
        }
        if let Some((_, policy)) = &change.metadata {
            account.policy = policy.clone();
        }
        Ok("changed".into())
    }

    fn account(&self, group: ActorId, no: AccountNo) -> Result<Account, &'static str> {
        self.accounts.get(&(group, no)).cloned().ok_or("no account")
    }

    fn open_account(&self, group: ActorId, no: AccountNo) -> Result<Account, &'static str> {
        let account = self.account(group, no)?;
        if account.status == Status::Active {
            Ok(account)
        } else {
            Err("account not open")
        }
    }

    pub(crate) fn balance(&self, group: ActorId, ledger: LedgerNo, asset: Asset) -> Balance {
        let known = self
            .ledgers
            .get(&(group, ledger))
            .and_then(|ledger| ledger.get(&asset));
        known.cloned().unwrap_or_default()
    }

    fn available(&self, account: &Account, asset: Asset) -> BigInt {
        let balance = self.balance(account.group, account.ledger, asset);
        balance.current.max(BigInt::ZERO)
    }

    /// Carries out the plan, or changes nothing if some number would not fit 128 bits.
    fn carry_out(&mut self, group: ActorId, asset: Asset, plan: &Plan) -> Result<(), &'static str> {
        let mut after = self.clone();
        for (from, to, amount) in plan {
            if *amount == BigInt::ZERO {
                continue;
            }
            let crosses = ledger_of(from) != ledger_of(to);
            after.add(group, asset, from, -amount, crosses)?;
            after.add(group, asset, to, amount.clone(), crosses)?;
        }
        *self = after;
        Ok(())
    }

    fn add(
        &mut self,
        group: ActorId,
        asset: Asset,
        place: &Place,
        change: BigInt,
        crosses: bool,
    ) -> Result<(), &'static str> {
        let (no, held) = match place {
            Place::House(house) => {
                *self.house.entry((house.clone(), asset)).or_default() += change;
                return Ok(());
            }
            Place::Spendable(no) => (*no, false),
            Place::Held(no) => (*no, true),
        };
        let ledger = self.ledgers.get_mut(&(group, no)).unwrap();
        let balance = ledger.entry(asset).or_default();
        if crosses && change > BigInt::ZERO {
            balance.incoming += &change;
        } else if crosses {
            balance.outgoing -= &change;
        }
        if held {
            balance.pending += change;
        } else {
            balance.current += change;
        }
        let Balance {
            current,
            pending,
            incoming,
            outgoing,
        } = balance;
        let fits = [current, pending, incoming, outgoing]
            .into_iter()
            .all(|n| in_range(n));
        if fits { Ok(()) } else { Err("out of range") }
    }

    fn deposit(&mut self, group: ActorId, money: &MoveMoney) -> Result<Answer, &'static str> {
        let account = self.open_account(group, money.account)?;
        let amount = BigInt::from(money.amount.minor());
        let world = Place::House(House::World);
        let plan = vec![(world, Place::Spendable(account.ledger), amount)];
        self.carry_out(group, money.asset, &plan)?;
        Ok("deposited".into())
    }

    fn withdraw(&mut self, group: ActorId, money: &MoveMoney) -> Result<Answer, &'static str> {
        let account = self.open_account(group, money.account)?;
        let amount = BigInt::from(money.amount.minor());
        if self.available(&account, money.asset) < amount {
            return Err("insufficient funds");
        }
        let world = Place::House(House::World);
        let plan = vec![(Place::Spendable(account.ledger), world, amount)];
        self.carry_out(group, money.asset, &plan)?;
        Ok("withdrawn".into())
    }

    fn send(&mut self, group: ActorId, send: &SendTransfer) -> Result<Answer, &'static str> {
        let transfer = &send.transfer;
        if self.outgoing.contains_key(&(group, transfer.id)) {
            return Err("transfer known");
        }
        let source = self.open_account(group, transfer.source)?;
        let amount = BigInt::from(transfer.amount.minor());
        if self.available(&source, transfer.asset) < amount {
            return Err("insufficient funds");
        }
        let from = Place::Spendable(source.ledger);
        if send.is_within {
            let destination = self.open_account(group, transfer.destination)?;
            if destination.ledger == source.ledger {
                return Err("same money");
            }
            let plan = vec![(from, Place::Spendable(destination.ledger), amount)];
            self.carry_out(group, transfer.asset, &plan)?;
            return Ok("transferred".into());
        }
        let plan = vec![(from, Place::House(House::Transit), amount)];
        self.carry_out(group, transfer.asset, &plan)?;
        self.outgoing.insert((group, transfer.id), transfer.clone());
        Ok("sent".into())
    }

    fn receive(&mut self, group: ActorId, transfer: &Transfer) -> Result<Answer, &'static str> {
        if self.received.contains_key(&(group, transfer.id)) {
            return Err("transfer known");
        }
        let account = self.open_account(group, transfer.destination)?;
        self.out_of_transit(group, account.ledger, transfer)?;
        self.received.insert((group, transfer.id), ());
        Ok("received".into())
    }

    fn settle(&mut self, group: ActorId, id: TransferId) -> Result<Answer, &'static str> {
        self.outgoing.remove(&(group, id)).ok_or("no transfer")?;
        Ok("settled".into())
    }

    fn give_back(&mut self, group: ActorId, id: TransferId) -> Result<Answer, &'static str> {
        let transfer = self
            .outgoing
            .get(&(group, id))
            .cloned()
            .ok_or("no transfer")?;
        let account = self.account(group, transfer.source)?;
        self.out_of_transit(group, account.ledger, &transfer)?;
        self.outgoing.remove(&(group, id));
        Ok("returned".into())
    }

    fn out_of_transit(
        &mut self,
        group: ActorId,
        ledger: LedgerNo,
        transfer: &Transfer,
    ) -> Result<(), &'static str> {
        let amount = BigInt::from(transfer.amount.minor());
        let plan = vec![(
            Place::House(House::Transit),
            Place::Spendable(ledger),
            amount,
        )];
        self.carry_out(group, transfer.asset, &plan)
    }
}

const fn ledger_of(place: &Place) -> Option<LedgerNo> {
    match place {
        Place::Spendable(no) | Place::Held(no) => Some(*no),
        Place::House(_) => None,
    }
}
