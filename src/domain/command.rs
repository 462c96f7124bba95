//! What may be asked of a group of accounts. Everything a decision needs from outside comes in here
//! or in the [`Context`]: ids, time, terms.

use std::sync::Arc;

use super::{
    account::{Medium, Status, StatusReason},
    books::BooksCommand,
    card::{CardChange, CardFile},
    decision::Conclusion,
    group::Absorption,
    hold::{Authorization, TransactionType},
    ids::{AccountNo, ActorId, AuthorizationId, LedgerNo, TransferId},
    lists::{self, Lists},
    merchant::{Merchant, TransactionMedium},
    money::{Amount, Asset, Currency, Decimal, LocalAmount},
    policy::{
        Link, Policy, Terms,
        controls::Calendar,
        origin::{self, OriginTerms},
    },
    rates::{self, RateTable},
    time::Timestamp,
};

/// What a decision may look at beside the state.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The moment of the decision.
    pub now: Timestamp,
    /// The house's terms: assets, fees, lifetimes, tolerances.
    pub terms: &'a Terms,
    /// What the account's origin says of all its cards.
    pub origin: &'a OriginTerms,
    /// The exchange rates accepted last.
    pub rates: &'a RateTable,
    /// The lists of merchant categories fetched last.
    pub lists: &'a Lists,
    /// Where the moment stands in the house's time zone.
    pub calendar: Calendar,
    /// From here on [`TRANSFERS_MAX`] ids are free for transfers that the decision sends.
    pub transfers_from: TransferId,
    /// The authorization a step is about, fetched from the log, when the state no longer holds it.
    pub recalled: Option<&'a Authorization>,
}

impl<'a> Context<'a> {
    /// A decision at `now` on the house's terms alone, in UTC, without rates or lists.
    #[must_use]
    pub fn plain(now: Timestamp, terms: &'a Terms) -> Self {
        Self {
            now,
            terms,
            origin: &origin::NONE,
            rates: &rates::NONE,
            lists: &lists::NONE,
            calendar: Calendar::utc(now),
            transfers_from: TransferId(1 << 62),
            recalled: None,
        }
    }
}

/// How many transfers one decision sends at most.
pub const TRANSFERS_MAX: u64 = 64;

/// One request to one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Make an account.
    OpenAccount(Box<OpenAccount>),
    /// Change an account's face.
    ChangeAccount(Box<ChangeAccount>),
    /// Change an account's face and merge into the metadata it has at that moment.
    PatchAccount(Box<PatchAccount>),
    /// Put an account in front of other money, and change its face.
    LinkAccount(Box<LinkAccount>),
    /// Money from the world.
    Deposit(MoveMoney),
    /// Money to the world.
    Withdraw(MoveMoney),
    /// Money to another account.
    SendTransfer(Box<SendTransfer>),
    /// Money from another actor.
    ReceiveTransfer(Box<Transfer>),
    /// The money arrived.
    SettleTransfer(TransferId),
    /// The money could not arrive.
    ReturnTransfer(TransferId),
    /// A purchase wants money held.
    Authorize(Arc<Authorize>),
    /// A clearing without an authorization.
    ForcePost(Arc<Authorize>),
    /// What came of asking the programme.
    Conclude(AuthorizationId, Box<Conclusion>),
    /// More is wanted for an authorization.
    Increment(StepRequest),
    /// The held money is taken.
    Capture(StepRequest),
    /// The held money is let go.
    Reverse(StepRequest),
    /// The hold's time may have run out.
    Expire(AuthorizationId),
    /// Captured money comes back.
    Refund(StepRequest),
    /// A refund is undone; `refund` is the position of its record.
    ReverseRefund {
        /// Which authorization, and the reversal's own transaction id.
        step: StepRequest,
        /// The refund's record.
        refund: u64,
    },
    /// Take in another group: as it is now, and it does nothing more.
    Absorb(Arc<Absorption>),
    /// What only a sandbox asks.
    Simulate(Simulation),
    /// What the ledger face asks.
    Books(Box<BooksCommand>),
}

/// What the world does in its own time, and a sandbox at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Simulation {
    /// Make an account that stays in `creation_in_progress`.
    OpenHeld(Box<OpenAccount>),
    /// The making of an account ends.
    EndCreation {
        /// Which.
        account: AccountNo,
        /// Whether it went well.
        is_made: bool,
    },
    /// A hold's time runs out at this moment.
    ExpireNow(StepRequest),
}

/// A new account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAccount {
    /// Its number.
    pub no: AccountNo,
    /// Its kind.
    pub medium: Medium,
    /// Its holder.
    pub holder_urn: String,
    /// The money to share, or the number of the money to make.
    pub ledger: LedgerNo,
    /// Where its events go.
    pub webhook_url: Option<String>,
    /// A JSON object as text.
    pub metadata: String,
    /// What the metadata says of money.
    pub policy: Policy,
    /// What only a card has.
    pub card: Option<Box<CardFile>>,
}

/// A change of an account's face; what is `None` stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeAccount {
    /// Which.
    pub account: AccountNo,
    /// The state to go to.
    pub status: Option<Status>,
    /// Why.
    pub status_reason: Option<StatusReason>,
    /// The whole new metadata and what it says of money.
    pub metadata: Option<(String, Policy)>,
    /// The new address, or none at all.
    pub webhook_url: Option<Option<String>>,
    /// A change of what only a card has.
    pub card: Option<Box<CardChange>>,
}

/// A change whose metadata is a difference: it is merged where the account lives, in the order of
/// its other changes, so that two merges at once are both kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchAccount {
    /// All but the metadata, which is `None` here.
    pub change: ChangeAccount,
    /// The key of the metadata into whose object the merge goes; the metadata itself, if none.
    pub within: Option<&'static str>,
    /// The keys to set; a null removes its key.
    pub merge: serde_json::Map<String, serde_json::Value>,
}

/// An account goes in front of other money of its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkAccount {
    /// What else changes; its metadata is `None` here.
    pub change: ChangeAccount,
    /// What goes into the metadata, if anything.
    pub merge: Option<serde_json::Map<String, serde_json::Value>>,
    /// The money.
    pub ledger: LedgerNo,
    /// An account in front of it.
    pub face: Link,
}

/// A deposit or a withdrawal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveMoney {
    /// The account.
    pub account: AccountNo,
    /// What is counted.
    pub asset: Asset,
    /// How much, in the asset's smallest unit; not zero.
    pub amount: Amount,
    /// Unique per origin.
    pub reference: String,
    /// A JSON object as text.
    pub metadata: String,
}

/// A transfer to another account of this group or of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendTransfer {
    /// The transfer.
    pub transfer: Transfer,
    /// Whether the destination lives in the same group.
    pub is_within: bool,
}

/// Money on its way from account to account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Its id.
    pub id: TransferId,
    /// Where it leaves.
    pub source: AccountNo,
    /// The source's URN, for the destination's books.
    pub source_urn: String,
    /// The actor it leaves.
    pub source_actor: ActorId,
    /// Where it goes.
    pub destination: AccountNo,
    /// The destination's URN, for the source's books.
    pub destination_urn: String,
    /// The actor it goes to.
    pub destination_actor: ActorId,
    /// What is counted.
    pub asset: Asset,
    /// How much, in the asset's smallest unit; not zero.
    pub amount: Amount,
    /// The caller's reference, empty if none.
    pub reference: String,
    /// A JSON object as text.
    pub metadata: String,
    /// What it is for.
    pub purpose: Purpose,
}

/// What a transfer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Somebody sent it.
    Transfer,
    /// A fee of the source's purchase, for whoever earns it.
    Fee,
    /// A fee that the destination earned goes back, below zero if it must: the refund at the source
    /// did not wait for it, so transit has given it already.
    FeeRecall,
    /// A transaction of the ledger face. It arrives frozen or not; if the destination is gone it ends in
    /// suspense.
    Booking,
}

/// A purchase as the processor sent it. The fields that steer nothing are kept for the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorize {
    /// The card.
    pub account: AccountNo,
    /// The processor's id.
    pub transaction_id: String,
    /// What the cardholder does.
    pub kind: TransactionType,
    /// What the merchant asks.
    pub local: LocalAmount,
    /// The network's USD settlement amount.
    pub usd_amount: Option<Decimal>,
    /// Who asks.
    pub merchant: Merchant,
    /// By what means.
    pub medium: TransactionMedium,
    /// Whether less than asked may be approved.
    pub allow_partial: bool,
    /// Whether to capture at once.
    pub capture: bool,
}

impl Authorize {
    /// What the purchase needs in US dollars, as far as the request itself says.
    #[must_use]
    pub fn required_usd(&self) -> Option<Decimal> {
        let is_usd = self.local.currency.code() == "USD";
        let local = Decimal {
            mantissa: self.local.minor.minor(),
            scale: self.local.currency.digits(),
        };
        self.usd_amount.or(is_usd.then_some(local))
    }
}

/// A step on an authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRequest {
    /// Which.
    pub authorization: AuthorizationId,
    /// The step's own id.
    pub transaction_id: String,
    /// How much, in the authorization's currency; all that is left if not said.
    pub local: Option<StepAmount>,
    /// For a capture: whether what is left of the hold is released. By default yes when no amount
    /// is said or the hold is used up.
    pub is_final: Option<bool>,
}

/// How much a step is about. The currency's decimal places are known only to the authorization, so
/// the text's value comes as an exact decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepAmount {
    /// The value.
    pub value: Decimal,
    /// The currency, if the caller named one.
    pub currency: Option<Currency>,
}
