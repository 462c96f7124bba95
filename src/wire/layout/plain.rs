//! Numbers, names and words.

use bincode::{
    Decode, Encode,
    de::Decoder,
    enc::Encoder,
    error::{DecodeError, EncodeError},
};

use super::{Version, stored, stored_number, stored_words, wrong};
use crate::{
    domain::{
        account::{Status, StatusReason},
        card::{PinVerifier, TokenStatus, Wallet},
        command::Purpose,
        decision::{Decider, Ruling},
        documents::Shelf,
        explanation::{PassedOver, Verdict},
        hold::{FeeBasis, FeeCategory, TransactionType},
        identity::{IdentityKind, IdentityStatus},
        ids::{AccountNo, ActorId, AuthorizationId, LedgerNo, TransactionId, TransferId},
        merchant::Mcc,
        money::{Amount, Asset, Currency, Decimal},
        outcome::DeclineReason,
        policy::controls::Channel,
        rates::Unit,
        registry::{Scopes, SigningKey},
        time::{Month, Timestamp},
        trail::{Links, Trail},
    },
    wire::{Key, KeyLife},
};

stored_number! {
    AccountNo as u64 { |no| no.0, |no| Some(AccountNo(no)) }
    ActorId as u64 { |id| id.0, |id| Some(ActorId(id)) }
    LedgerNo as u64 { |no| no.0, |no| Some(LedgerNo(no)) }
    TransferId as u64 { |id| id.0, |id| Some(TransferId(id)) }
    Amount as i128 { |amount| amount.minor(), |minor| Amount::from_minor(minor).ok() }
    Mcc as u16 { |mcc| mcc.code(), Mcc::new }
    Timestamp as i64 { |time| time.micros(), |micros| Some(Timestamp::from_micros(micros)) }
    Scopes as u8 { |scopes| scopes.bits(), |bits| Some(Scopes::from_bits(bits)) }
    SigningKey as [u8; 32] { |key| key.0, |key| Some(SigningKey(key)) }
    PinVerifier as [u8; 32] { |verifier| verifier.0, |bytes| Some(PinVerifier(bytes)) }
    Key as [u64; 2] { |key| key.0, |key| Some(Key(key)) }
    Currency as ([u8; 3], u8) {
        |currency| currency.parts(),
        |(code, digits)| Some(Currency::from_parts(code, digits))
    }
}

stored! {
    AuthorizationId { actor, number }
    TransactionId { actor, number }
    Decimal { mantissa, scale }
    Month { year, month }
    Links { previous, skip }
}

stored_words! {
    Ruling { 0 => Approved, 1 => Declined }
    Decider { 0 => Programme, 1 => Timeout, 2 => Fault, 3 => Overload, 4 => Abandoned }
    IdentityKind { 0 => Individual, 1 => Business, 2 => Dao, 3 => Proxy, 4 => Other }
    IdentityStatus { 0 => Active, 1 => Disabled }
    KeyLife { 0 => Permanent, 1 => Expiring }
    Wallet { 0 => Apple, 1 => Google }
    TokenStatus { 0 => Issued, 1 => Active, 2 => Suspended, 3 => Deactivated }
    Shelf {
        0 => Endpoint, 1 => Decision, 2 => CompliancePolicy, 3 => Verification, 4 => Consumption,
        5 => Vault, 6 => Notice, 7 => WebhookSecrets, 8 => Ledger, 9 => LedgerIdentity,
        10 => Monitor, 11 => Hook, 12 => MatchingRule, 13 => Reconciliation, 14 => LedgerKey,
    }
    FeeBasis { 0 => Percentage, 1 => Flat }
    Purpose { 0 => Transfer, 1 => Fee, 2 => FeeRecall, 3 => Booking }
    FeeCategory { 0 => Fx, 1 => Interchange, 2 => Custom }
    Channel { 0 => Ecommerce, 1 => Pos, 2 => Atm }
    Verdict { 0 => Chosen, 1 => ChosenInPart, 2 => NoRate, 3 => StaleRate, 4 => Short }
    PassedOver {
        0 => Category, 1 => NoList, 2 => NotActive, 3 => NotLinked, 4 => Controls,
    }
    Status {
        0 => CreationInProgress, 1 => Active, 2 => Frozen, 3 => Disabled, 4 => Deleted,
        5 => CreationFailed,
    }
    StatusReason {
        0 => Client, 1 => User, 2 => Processor, 3 => Provider, 4 => Lost, 5 => Stolen,
        6 => Broken, 7 => Upgrade,
    }
    TransactionType {
        0 => Purchase, 1 => Withdrawal, 2 => ExtraCash, 3 => BalanceInquiry, 4 => Payment,
        5 => Credit,
    }
    DeclineReason {
        0 => InsufficientFunds, 1 => CardNotActive, 2 => CardFrozen, 3 => CardDisabled,
        4 => CardStolen, 5 => CardDeleted, 6 => CardExpired, 7 => CurrencyNotSupported,
        8 => CreditNotSupported, 9 => SystemUnavailable, 10 => MccNotAllowed,
        11 => MerchantNotAllowed, 12 => CountryNotAllowed, 13 => ChannelNotAllowed,
        14 => TimeNotAllowed, 15 => AmountLimitExceeded, 16 => CountLimitExceeded,
        17 => SingleUseSpent, 18 => FeesExceedAmount, 19 => DecisionDeclined,
        20 => DecisionTimeout,
    }
}

impl Encode for Unit {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.symbol().encode(encoder)
    }
}

impl Decode<Version> for Unit {
    fn decode<D: Decoder<Context = Version>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let symbol = String::decode(decoder)?;
        Self::from_symbol(&symbol).ok_or_else(|| wrong("Unit"))
    }
}

impl Encode for Asset {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        // A text is stored as its bytes are.
        self.symbol_bytes().encode(encoder)?;
        self.stored_decimals().encode(encoder)
    }
}

impl Decode<Version> for Asset {
    fn decode<D: Decoder<Context = Version>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let symbol = String::decode(decoder)?;
        let decimals = u8::decode(decoder)?;
        Self::from_parts(&symbol, decimals).map_err(|_| wrong("Asset"))
    }
}

impl Encode for Trail {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.anchors().encode(encoder)
    }
}

impl Decode<Version> for Trail {
    fn decode<D: Decoder<Context = Version>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Vec::decode(decoder).map(Self::from_anchors)
    }
}
