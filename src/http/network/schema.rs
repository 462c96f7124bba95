//! What the answers of this face look like, for the OpenAPI document alone: `view` writes them field by field.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

/// An authorization. A declined one has null amounts.
#[derive(ToSchema)]
pub struct AuthorizationAnswer {
    /// Null for a simulation.
    #[schema(required, example = "auth_5f2a9c01d3e4b678")]
    pub id: Option<String>,
    /// The processor's id.
    #[schema(example = "ctx-1")]
    pub transaction_id: String,
    /// The card's URN.
    #[schema(example = "did:bloque:account:card:usr-1:crd-1")]
    pub card: String,
    /// What it is for.
    pub transaction_type: TransactionTypeWord,
    /// What was answered.
    pub status: StatusWord,
    /// What has become of it.
    pub state: StateWord,
    /// Why it was declined: one of a closed list.
    #[schema(required, example = "insufficient_funds")]
    pub decline_reason: Option<String>,
    /// ISO 8583 field 39.
    #[schema(example = "00")]
    pub response_code: String,
    /// What it draws on, `SYMBOL/DECIMALS`.
    #[schema(required, example = "DUSD/6")]
    pub asset: Option<String>,
    /// The amount, in smallest units.
    #[schema(required, example = "50000000")]
    pub amount: Option<String>,
    /// What was asked, a decimal.
    #[schema(example = "50.00")]
    pub local_amount: String,
    /// What was approved of it.
    #[schema(required, example = "50.00")]
    pub approved_local_amount: Option<String>,
    /// ISO 4217.
    #[schema(example = "USD")]
    pub local_currency: String,
    /// Units of the asset for one of the currency.
    #[schema(required, example = "1")]
    pub exchange_rate: Option<String>,
    /// Of a decline for want of money: what it came to in US dollars, if that is known.
    pub required_usd: Option<String>,
    /// Where the money is held.
    pub legs: Vec<LegAnswer>,
    /// What is set aside on top, in smallest units; only where something is.
    pub surcharge_amount: Option<String>,
    /// What for.
    pub surcharges: Option<Vec<Value>>,
    /// The fees inside the amount.
    #[schema(required)]
    pub fee_breakdown: Option<FeesAnswer>,
    /// Captured so far, in smallest units.
    #[schema(example = "0")]
    pub captured_amount: String,
    /// Let go so far.
    #[schema(example = "0")]
    pub reversed_amount: String,
    /// Given back so far.
    #[schema(example = "0")]
    pub refunded_amount: String,
    /// Still held.
    #[schema(example = "50000000")]
    pub held_amount: String,
    /// Whether it is a clearing without an authorization.
    pub forced: bool,
    /// The balances after it, by asset.
    pub balance: BTreeMap<String, BalanceAnswer>,
    /// The step that brought it there, if one was asked.
    pub operation: Option<OperationAnswer>,
    /// What the programme said, if it was asked.
    #[schema(value_type = Option<Object>)]
    pub decision: Option<Value>,
    /// Which control declined it, and how much was left.
    #[schema(value_type = Option<Object>)]
    pub decline_details: Option<Value>,
    /// Why it was decided so; of a simulation, and where it is asked for.
    #[schema(value_type = Option<Object>)]
    pub explanation: Option<Value>,
    /// Of a simulation only.
    pub simulated: Option<bool>,
    /// When what is held is let go.
    #[schema(required, format = DateTime)]
    pub expires_at: Option<String>,
    /// When it was decided.
    #[schema(format = DateTime)]
    pub created_at: String,
}

/// What a purchase is for. `CREDIT` is what a declined credit is shown as.
#[derive(ToSchema)]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TransactionTypeWord {
    /// Goods or services.
    Purchase,
    /// Cash from a machine.
    Withdrawal,
    /// Cash beside a purchase.
    #[schema(rename = "EXTRACASH")]
    ExtraCash,
    /// A question.
    BalanceInquiry,
    /// A bill.
    Payment,
    /// Money towards the cardholder.
    Credit,
}

/// What was answered.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum StatusWord {
    /// All of it.
    Approved,
    /// A part.
    PartiallyApproved,
    /// Nothing.
    Declined,
}

/// What has become of an authorization.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum StateWord {
    /// Held.
    Pending,
    /// Captured in part.
    PartiallyCaptured,
    /// Captured.
    Captured,
    /// Let go.
    Reversed,
    /// Let go by time.
    Expired,
    /// Given back.
    Refunded,
    /// Given back in part.
    PartiallyRefunded,
    /// Declined.
    Declined,
}

/// Money held for an authorization.
#[derive(ToSchema)]
pub struct LegAnswer {
    /// The account.
    pub account_urn: String,
    /// Its money.
    pub ledger_account_id: String,
    /// `SYMBOL/DECIMALS`.
    pub asset: String,
    /// Smallest units.
    pub amount: String,
}

/// Fees inside an amount.
#[derive(ToSchema)]
pub struct FeesAnswer {
    /// All of them, in smallest units.
    #[schema(example = "720000")]
    pub total_fees: String,
    /// Each.
    pub fees: Vec<FeeAnswer>,
    /// What is left for the network.
    #[schema(example = "49280000")]
    pub settlement: String,
}

/// One fee.
#[derive(ToSchema)]
pub struct FeeAnswer {
    /// Its name.
    pub fee_name: String,
    /// Smallest units.
    pub amount: String,
    /// Its value: a fraction, or an amount.
    pub rate: f64,
}

/// A balance: `current + pending = in - out`.
#[derive(ToSchema)]
pub struct BalanceAnswer {
    /// Spendable.
    pub current: String,
    /// Held.
    pub pending: String,
    /// All that came.
    #[schema(rename = "in")]
    pub incoming: String,
    /// All that went.
    #[schema(rename = "out")]
    pub outgoing: String,
}

/// A step on an authorization.
#[derive(ToSchema)]
pub struct OperationAnswer {
    /// Its id.
    #[schema(example = "op_1a2b3c")]
    pub id: String,
    /// Which.
    #[schema(rename = "type", example = "capture")]
    pub kind: String,
    /// `approved`, or `declined` for an increment.
    pub status: String,
    /// Why it was declined.
    #[schema(required)]
    pub decline_reason: Option<String>,
    /// ISO 8583 field 39.
    pub response_code: String,
    /// The processor's id of the step.
    pub transaction_id: String,
    /// Smallest units.
    pub amount: String,
    /// A decimal.
    pub local_amount: String,
    /// The fees of this step.
    #[schema(required)]
    pub fee_breakdown: Option<FeesAnswer>,
    /// What is set aside by it.
    pub surcharges: Option<Vec<Value>>,
    /// Captured above what was held, within the tolerance.
    pub over_capture: Option<String>,
    /// Captured beyond it.
    pub adjustment: Option<String>,
    /// What came back and waits in suspense.
    pub suspended: Option<String>,
    /// When.
    #[schema(format = DateTime)]
    pub created_at: String,
}

/// A page of authorizations.
#[derive(ToSchema)]
pub struct AuthorizationPage {
    /// Newest first.
    pub data: Vec<AuthorizationAnswer>,
    /// Whether there is another that fits.
    pub has_more: bool,
    /// To go on with.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// What came of an item of a batch: `body`, or `error`.
#[derive(ToSchema)]
pub struct AuthorizationResult {
    /// As a request of its own would have had.
    #[schema(example = 200)]
    pub status: u16,
    /// Whether it was answered before.
    pub replayed: Option<bool>,
    /// The authorization.
    pub body: Option<AuthorizationAnswer>,
    /// Why there is none; `retry_after` in seconds where it is to be tried again.
    pub error: Option<ErrorObject>,
    /// ISO 8583 field 39, where there is one for the error.
    pub response_code: Option<String>,
}

/// A deposit or a withdrawal.
#[derive(ToSchema)]
pub struct MoneyAnswer {
    /// Its id.
    pub id: String,
    /// `completed`.
    #[schema(example = "completed")]
    pub status: String,
    /// The account.
    pub account_urn: String,
    /// `SYMBOL/DECIMALS`.
    pub asset: String,
    /// Smallest units.
    pub amount: String,
    /// The caller's reference.
    pub reference: String,
    /// The caller's own.
    #[schema(value_type = Object)]
    pub metadata: Value,
    /// The balances after it, by asset.
    pub balance: BTreeMap<String, BalanceAnswer>,
    /// When.
    #[schema(format = DateTime)]
    pub created_at: String,
}

/// Why a request of the `/v1` routes was refused.
#[derive(ToSchema)]
pub struct ErrorAnswer {
    /// What is wrong.
    pub error: ErrorObject,
    /// The request's id, as in the log.
    pub request_id: String,
    /// ISO 8583 field 39, where there is one.
    pub response_code: Option<String>,
}

/// Why a request of the ledger face was refused, as Blnk's clients read it.
#[derive(ToSchema)]
pub struct LedgerErrorAnswer {
    /// For people.
    pub error: String,
    /// For programs.
    pub error_detail: LedgerErrorDetail,
    /// The request's id, as in the log.
    pub request_id: String,
}

/// What is wrong with a request of the ledger face.
#[derive(ToSchema)]
pub struct LedgerErrorDetail {
    /// Such as `GEN_VALIDATION_ERROR`.
    pub code: String,
    /// For people.
    pub message: String,
    /// More for programs.
    #[schema(value_type = Option<Object>)]
    pub details: Option<Value>,
}

/// What is wrong with a request, and what to do.
#[derive(ToSchema)]
pub struct ErrorObject {
    /// For programs.
    #[schema(example = "impossible_value")]
    pub code: String,
    /// For people.
    pub message: String,
    /// Which field.
    pub field: Option<String>,
    /// More for programs.
    #[schema(value_type = Option<Object>)]
    pub details: Option<Value>,
    /// Of an item of a batch: when to try it again, in seconds.
    pub retry_after: Option<u64>,
}
