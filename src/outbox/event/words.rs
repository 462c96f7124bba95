//! The words of events: what each decline and each change of money is called.

use crate::domain::{hold::TransactionType, outcome::DeclineReason};

/// A purchase, or an increment of one, was approved.
pub const PURCHASE: &str = "purchase";
/// What cashback programmes set aside beside a purchase.
pub const CASHBACK_SURCHARGE: &str = "cashback_surcharge";
/// Money towards the cardholder.
pub const CREDIT_ADJUSTMENT: &str = "credit_adjustment";
/// Money from the cardholder.
pub const DEBIT_ADJUSTMENT: &str = "debit_adjustment";

/// A transaction of the ledger face waits for its turn.
pub const TRANSACTION_QUEUED: &str = "transaction.queued";
/// The condition of a watch on a balance became true.
pub const BALANCE_MONITOR: &str = "balance.monitor";

/// Whether that word is of a card's transactions, in the seed page's payload: a purchase, a rejection, an
/// adjustment.
#[must_use]
pub fn is_of_card(event: &str) -> bool {
    [
        PURCHASE,
        CASHBACK_SURCHARGE,
        CREDIT_ADJUSTMENT,
        DEBIT_ADJUSTMENT,
    ]
    .contains(&event)
        || event.starts_with("rejected_")
}

/// What a decline is called as an event. The first three are the seed page's own.
#[must_use]
pub const fn rejected(reason: DeclineReason) -> &'static str {
    match reason {
        DeclineReason::InsufficientFunds => "rejected_insufficient_funds",
        DeclineReason::CreditNotSupported => "rejected_credit",
        DeclineReason::CurrencyNotSupported => "rejected_currency",
        DeclineReason::CardNotActive => "rejected_card_not_active",
        DeclineReason::CardFrozen => "rejected_card_frozen",
        DeclineReason::CardDisabled | DeclineReason::CardStolen => "rejected_card_disabled",
        DeclineReason::CardDeleted => "rejected_card_deleted",
        DeclineReason::CardExpired => "rejected_card_expired",
        DeclineReason::SystemUnavailable => "rejected_system_unavailable",
        DeclineReason::MccNotAllowed => "rejected_mcc",
        DeclineReason::MerchantNotAllowed => "rejected_merchant",
        DeclineReason::CountryNotAllowed => "rejected_country",
        DeclineReason::ChannelNotAllowed => "rejected_channel",
        DeclineReason::TimeNotAllowed => "rejected_time",
        DeclineReason::AmountLimitExceeded => "rejected_amount_limit",
        DeclineReason::CountLimitExceeded => "rejected_count_limit",
        DeclineReason::SingleUseSpent => "rejected_single_use",
        DeclineReason::FeesExceedAmount => "rejected_fees_exceed_amount",
        DeclineReason::DecisionDeclined => "rejected_by_programme",
        DeclineReason::DecisionTimeout => "rejected_decision_timeout",
    }
}

/// Why it was declined, for people.
#[must_use]
pub const fn reason(reason: DeclineReason) -> &'static str {
    match reason {
        DeclineReason::InsufficientFunds => "Insufficient funds",
        DeclineReason::CreditNotSupported => "Credit authorizations are not supported",
        DeclineReason::CurrencyNotSupported => "Currency not supported",
        DeclineReason::CardNotActive => "Card is not active",
        DeclineReason::CardFrozen => "Card is frozen",
        DeclineReason::CardDisabled => "Card is disabled",
        DeclineReason::CardStolen => "Card is disabled: it was reported stolen",
        DeclineReason::CardDeleted => "Card was deleted",
        DeclineReason::CardExpired => "Card has expired",
        DeclineReason::SystemUnavailable => "The decision could not be made",
        DeclineReason::MccNotAllowed => "Merchant category not allowed",
        DeclineReason::MerchantNotAllowed => "Merchant not allowed",
        DeclineReason::CountryNotAllowed => "Country not allowed",
        DeclineReason::ChannelNotAllowed => "Channel not allowed",
        DeclineReason::TimeNotAllowed => "Not allowed at this time",
        DeclineReason::AmountLimitExceeded => "Amount limit exceeded",
        DeclineReason::CountLimitExceeded => "Count limit exceeded",
        DeclineReason::SingleUseSpent => "Single-use card was used before",
        DeclineReason::FeesExceedAmount => "Fees would be more than the purchase",
        DeclineReason::DecisionDeclined => "Declined by the programme",
        DeclineReason::DecisionTimeout => "The programme gave no answer in time",
    }
}

/// What a release is of, in the network's words.
#[must_use]
pub const fn reversal_of(kind: TransactionType) -> &'static str {
    match kind {
        TransactionType::Purchase => "REVERSAL_PURCHASE",
        TransactionType::Withdrawal => "REVERSAL_WITHDRAWAL",
        TransactionType::ExtraCash => "REVERSAL_EXTRACASH",
        TransactionType::BalanceInquiry => "REVERSAL_BALANCE_INQUIRY",
        TransactionType::Payment => "REVERSAL_PAYMENT",
        // Never approved, so never released.
        TransactionType::Credit => "REVERSAL_CREDIT",
    }
}

/// Where a release leaves the purchase. Source: Bloque SDK, lifecycle by transaction type.
#[must_use]
pub const fn lifecycle_of_release(kind: TransactionType) -> &'static str {
    match kind {
        TransactionType::Payment => "payment_reversed",
        TransactionType::Purchase
        | TransactionType::Withdrawal
        | TransactionType::ExtraCash
        | TransactionType::BalanceInquiry
        | TransactionType::Credit => "authorization_reversed",
    }
}

/// Every event there is, in the order of README.md's table.
pub const ALL: [&str; 56] = [
    PURCHASE,
    CASHBACK_SURCHARGE,
    "rejected_insufficient_funds",
    "rejected_credit",
    "rejected_currency",
    "rejected_card_not_active",
    "rejected_card_frozen",
    "rejected_card_disabled",
    "rejected_card_deleted",
    "rejected_card_expired",
    "rejected_system_unavailable",
    "rejected_mcc",
    "rejected_merchant",
    "rejected_country",
    "rejected_channel",
    "rejected_time",
    "rejected_amount_limit",
    "rejected_count_limit",
    "rejected_single_use",
    "rejected_fees_exceed_amount",
    "rejected_by_programme",
    "rejected_decision_timeout",
    CREDIT_ADJUSTMENT,
    DEBIT_ADJUSTMENT,
    "card.created",
    "card.updated",
    "card.metadata_updated",
    "card.status_changed",
    "card.pin_changed",
    "account.created",
    "account.updated",
    "account.metadata_updated",
    "account.status_changed",
    "token.created",
    "token.status_changed",
    "deposit",
    "withdrawal",
    "transfer.sent",
    "transfer.received",
    "transfer.returned",
    "fee.received",
    "fee.returned",
    "identity.created",
    "identity.updated",
    "compliance.updated",
    "origin.updated",
    TRANSACTION_QUEUED,
    "transaction.scheduled",
    "transaction.applied",
    "transaction.inflight",
    "transaction.commit",
    "transaction.void",
    "transaction.rejected",
    "balance.created",
    "ledger.created",
    BALANCE_MONITOR,
];
