//! The answers other than yes: declines (recorded facts) and rejections (nothing happened).

use super::{
    account::Status,
    books,
    card::TokenStatus,
    hold::State,
    money::{Amount, Asset, MoneyError},
    policy::{Link, metadata::MetadataError},
};

/// Why an authorization was declined: a closed list. Source: network-face contract; codes are
/// ISO 8583 field 39.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeclineReason {
    /// Too little money.
    InsufficientFunds,
    /// The card is not active yet, or never was.
    CardNotActive,
    /// The card is frozen.
    CardFrozen,
    /// The card was disabled as lost, or for another reason.
    CardDisabled,
    /// The card was disabled as stolen.
    CardStolen,
    /// The card was deleted.
    CardDeleted,
    /// The card's last month is over.
    CardExpired,
    /// No asset of the card can pay in this currency.
    CurrencyNotSupported,
    /// Money towards the cardholder is not taken by authorization.
    CreditNotSupported,
    /// The decision could not be made.
    SystemUnavailable,
    /// The merchant's category is not for this card.
    MccNotAllowed,
    /// The merchant is not for this card.
    MerchantNotAllowed,
    /// The country is not for this card.
    CountryNotAllowed,
    /// The card may not be used this way.
    ChannelNotAllowed,
    /// The card may not be used at this time.
    TimeNotAllowed,
    /// More than a limit leaves.
    AmountLimitExceeded,
    /// More often than a limit allows.
    CountLimitExceeded,
    /// The card was for one purchase, which was made.
    SingleUseSpent,
    /// The fees would be more than the purchase.
    FeesExceedAmount,
    /// The programme was asked and said no.
    DecisionDeclined,
    /// The programme was asked, gave no usable answer in time, and has it so that this is a no.
    DecisionTimeout,
}

impl DeclineReason {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::InsufficientFunds => "insufficient_funds",
            Self::CardNotActive => "card_not_active",
            Self::CardFrozen => "card_frozen",
            Self::CardDisabled | Self::CardStolen => "card_disabled",
            Self::CardDeleted => "card_deleted",
            Self::CardExpired => "card_expired",
            Self::CurrencyNotSupported => "currency_not_supported",
            Self::CreditNotSupported => "credit_not_supported",
            Self::SystemUnavailable => "system_unavailable",
            Self::MccNotAllowed => "mcc_not_allowed",
            Self::MerchantNotAllowed => "merchant_not_allowed",
            Self::CountryNotAllowed => "country_not_allowed",
            Self::ChannelNotAllowed => "channel_not_allowed",
            Self::TimeNotAllowed => "time_not_allowed",
            Self::AmountLimitExceeded => "amount_limit_exceeded",
            Self::CountLimitExceeded => "count_limit_exceeded",
            Self::SingleUseSpent => "single_use_spent",
            Self::FeesExceedAmount => "fees_exceed_amount",
            Self::DecisionDeclined => "decision_declined",
            Self::DecisionTimeout => "decision_timeout",
        }
    }

    /// The ISO 8583 field 39 response code.
    #[must_use]
    pub const fn response_code(self) -> &'static str {
        match self {
            Self::InsufficientFunds => "51",
            Self::CardNotActive
            | Self::CurrencyNotSupported
            | Self::CreditNotSupported
            | Self::MccNotAllowed
            | Self::MerchantNotAllowed
            | Self::CountryNotAllowed
            | Self::ChannelNotAllowed
            | Self::TimeNotAllowed
            | Self::SingleUseSpent => "57",
            Self::AmountLimitExceeded => "61",
            Self::CountLimitExceeded => "65",
            Self::FeesExceedAmount => "13",
            Self::CardFrozen => "62",
            Self::CardDisabled => "41",
            Self::CardStolen => "43",
            Self::CardDeleted => "14",
            Self::CardExpired => "54",
            Self::DecisionDeclined => "05",
            Self::SystemUnavailable | Self::DecisionTimeout => "91",
        }
    }

    /// Every reason; the position of each is its permanent number in the log.
    pub const ALL: [Self; 21] = [
        Self::InsufficientFunds,
        Self::CardNotActive,
        Self::CardFrozen,
        Self::CardDisabled,
        Self::CardStolen,
        Self::CardDeleted,
        Self::CardExpired,
        Self::CurrencyNotSupported,
        Self::CreditNotSupported,
        Self::SystemUnavailable,
        Self::MccNotAllowed,
        Self::MerchantNotAllowed,
        Self::CountryNotAllowed,
        Self::ChannelNotAllowed,
        Self::TimeNotAllowed,
        Self::AmountLimitExceeded,
        Self::CountLimitExceeded,
        Self::SingleUseSpent,
        Self::FeesExceedAmount,
        Self::DecisionDeclined,
        Self::DecisionTimeout,
    ];
}

/// Why a command cannot be decided. Nothing has changed and nothing is recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such account here.
    #[error("account not found")]
    AccountNotFound,
    /// There is no such ledger account here.
    #[error("ledger account not found")]
    LedgerNotFound,
    /// There is no such authorization here.
    #[error("authorization not found")]
    AuthorizationNotFound,
    /// There is no such refund.
    #[error("refund not found")]
    RefundNotFound,
    /// The transfer is not on its way.
    #[error("transfer not found")]
    TransferNotFound,
    /// An account with that number exists.
    #[error("the account exists already")]
    AccountExists,
    /// The transfer was sent or received before.
    #[error("the transfer is known already")]
    TransferKnown,
    /// The account cannot go to that state from where it is.
    #[error("an account that is {} cannot become {}", from.word(), to.word())]
    IllegalTransition {
        /// Where it is.
        from: Status,
        /// What was asked.
        to: Status,
    },
    /// The account takes no part in this in its state.
    #[error("account is {}", status.word())]
    AccountNotOpen {
        /// Its state.
        status: Status,
    },
    /// Too little money for a withdrawal or transfer.
    #[error("insufficient funds: {available} of {asset} available, {required} required")]
    InsufficientFunds {
        /// What is counted.
        asset: Asset,
        /// What there is.
        available: Amount,
        /// What was asked.
        required: Amount,
    },
    /// The authorization's state does not allow the step.
    #[error("the authorization is {}: nothing is left to {step}", state.word())]
    StateForbids {
        /// Its state.
        state: State,
        /// The step, as a verb.
        step: &'static str,
    },
    /// The step is about more than is left.
    #[error("only {left} is left to {step}, {asked} was asked")]
    MoreThanLeft {
        /// Its state.
        state: State,
        /// The step, as a verb.
        step: &'static str,
        /// What is left, as a decimal in the authorization's currency.
        left: String,
        /// What was asked, as a decimal.
        asked: String,
    },
    /// The refund was reversed before.
    #[error("the refund is already reversed: nothing of it is left to reverse")]
    RefundAlreadyReversed {
        /// The authorization's state.
        state: State,
    },
    /// The step names another currency than the authorization.
    #[error("the authorization is in {expected}")]
    OtherCurrency {
        /// The authorization's.
        expected: super::money::Currency,
    },
    /// The step needs an amount above zero.
    #[error("local_amount must be above zero")]
    AmountRequired,
    /// An amount is not one.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// The metadata cannot be used.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// A clearing in a currency that no asset of the house equals, of which no rate was ever known, and
    /// the network's settlement amount is not given.
    #[error(
        "no asset equals {currency}, and there is no rate for it: send usd_amount, or set a rate"
    )]
    NoAssetForCurrency {
        /// The clearing's.
        currency: super::money::Currency,
    },
    /// A clearing takes money; a credit posted as one would go the wrong way.
    #[error("a clearing takes money from the card: a credit is a refund or a deposit")]
    CreditClearing,
    /// The metadata names accounts that live apart from this one: they must be brought together
    /// first.
    #[error("{} must be an account that exists", first_key(links))]
    Apart {
        /// Whose they must be.
        holder_urn: String,
        /// The accounts.
        links: Vec<Link>,
    },
    /// The metadata names an account that this one may not draw on.
    #[error(transparent)]
    Link(MetadataError),
    /// The account cannot go in front of other money: why not.
    #[error("{0}")]
    CannotLink(&'static str),
    /// As many accounts share the money as may.
    #[error("{0} accounts share an actor already, which is the most")]
    TooManyAccounts(usize),
    /// Two groups of accounts cannot become one.
    #[error("{0}")]
    CannotJoin(&'static str),
    /// What only cards have was asked of a pocket.
    #[error("the account is not a card")]
    NotACard,
    /// The account has no card data: it is a pocket, or a card from before there was a vault.
    #[error("the account has no card data")]
    NoCardFile,
    /// The card's data is no longer what was read.
    #[error("the card's data was sealed anew meanwhile")]
    SealedMeanwhile,
    /// The card has no such token.
    #[error("token not found")]
    TokenNotFound,
    /// The token cannot go to that state from where it is.
    #[error("a token that is {} cannot become {}", from.word(), to.word())]
    IllegalTokenTransition {
        /// Where it is.
        from: TokenStatus,
        /// What was asked.
        to: TokenStatus,
    },
    /// The card has as many tokens as it may have.
    #[error("a card has at most {0} tokens")]
    TooManyTokens(usize),
    /// The programme is being asked: until it has answered, nothing can follow.
    #[error("the authorization is being decided by its programme")]
    BeingDecided,
    /// There is no such transaction here.
    #[error("transaction not found")]
    TransactionNotFound,
    /// The transaction's state does not allow the step.
    #[error("the transaction is {}", state.word())]
    TransactionForbids {
        /// Its state.
        state: books::State,
    },
    /// The step is about more than is left of what is inflight.
    #[error("only {left} is left inflight, {asked} was asked")]
    MoreThanInflight {
        /// What is left, in the smallest unit.
        left: Amount,
        /// What was asked.
        asked: Amount,
    },
    /// More would go back than came.
    #[error("only {left} is left to refund, {asked} was asked")]
    MoreThanApplied {
        /// What is left, in the smallest unit.
        left: Amount,
        /// What was asked.
        asked: Amount,
    },
    /// The transaction cannot be done, and was to leave no record then.
    #[error("the transaction cannot be done")]
    Unbooked {
        /// The place of the one that cannot, among those of the record.
        place: usize,
        /// Why.
        reason: books::Reason,
    },
    /// The transaction's time has not come, or it is over.
    #[error("nothing is due")]
    NothingDue,
    /// The account counts another thing.
    #[error("the balance is in {expected}")]
    OtherAsset {
        /// What it counts.
        expected: Asset,
    },
    /// A group has numbered as many transactions as it can.
    #[error("the balance has as many transactions as it can have")]
    TooManyTransactions,
    /// Source and destination are the same money.
    #[error("source and destination share one ledger account")]
    SameMoney,
}

fn first_key(links: &[Link]) -> &str {
    links.first().map_or("metadata", |link| &link.key)
}
