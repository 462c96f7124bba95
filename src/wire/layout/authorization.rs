//! Authorizations and what was asked for them.

use std::sync::Arc;

use super::{Version, stored, stored_kinds};
use crate::domain::{
    command::{Authorize, StepAmount, StepRequest},
    decision::{Conclusion, Decision},
    hold::{Authorization, Counted, FeeCategory, FeeLine, Leg, Refund, Surcharge},
    kept::OpenAuthorization,
    merchant::{Merchant, TransactionMedium},
    money::LocalAmount,
    rate::Rate,
};

stored! {
    LocalAmount { minor, currency }
    Leg { account, ledger, amount, captured, released, excess, refunded }
    FeeLine { name, treasury, basis, value, amount, charged, returned }
        + since 2 { category = FeeCategory::Interchange, payee = None }
    Surcharge { name, kind, target, local, amount, captured, released, returned }
    Counted { account, currency, value, returned, is_void }
    Refund { lsn, local, legs, fees, in_suspense, is_reversed }
        + since 2 { surcharges = Vec::new() }
    StepAmount { value, currency }
    StepRequest { authorization, transaction_id, local, is_final }
    Merchant { id, name, mcc, city, country, address, terminal_id }
    Authorize {
        account, transaction_id, kind, local, usd_amount, merchant, medium, allow_partial, capture,
    }
    Authorization {
        id, account, transaction_id, kind, currency, requested, local, local_captured,
        local_released, local_excess, local_refunded, asset, rate, legs, fees, is_partial,
        is_forced, has_expired, expires_at, created_at, refunds, first_lsn, last_lsn,
    } + since 2 {
        mcc = None, exact_rate = None, surcharges = Vec::new(), counted = Vec::new(),
        decision = Decision::NotAsked,
    }
    Conclusion { verdict, by, reason, latency_us }
}

stored_kinds! {
    Decision {
        0 => NotAsked {},
        1 => Asked { fallback: fallback, captures: captures },
        2 => Concluded { 0: conclusion },
    }
}

/// The authorization whole, however the state keeps it, and its places.
impl bincode::Encode for OpenAuthorization {
    fn encode<E: bincode::enc::Encoder>(
        &self,
        encoder: &mut E,
    ) -> Result<(), bincode::error::EncodeError> {
        self.authorization().as_ref().encode(encoder)?;
        self.first_lsn.encode(encoder)?;
        self.last_lsn.encode(encoder)
    }
}

impl bincode::Decode<Version> for OpenAuthorization {
    fn decode<D: bincode::de::Decoder<Context = Version>>(
        decoder: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        let authorization: Arc<Authorization> = bincode::Decode::decode(decoder)?;
        let (first_lsn, last_lsn) = bincode::Decode::decode(decoder)?;
        Ok(Self::new(&authorization, first_lsn, last_lsn))
    }
}

impl bincode::Encode for TransactionMedium {
    fn encode<E: bincode::enc::Encoder>(
        &self,
        encoder: &mut E,
    ) -> Result<(), bincode::error::EncodeError> {
        self.packed().encode(encoder)
    }
}

impl bincode::Decode<Version> for TransactionMedium {
    fn decode<D: bincode::de::Decoder<Context = Version>>(
        decoder: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        bincode::Decode::decode(decoder).map(Self::from_packed)
    }
}

impl bincode::Encode for Rate {
    fn encode<E: bincode::enc::Encoder>(
        &self,
        encoder: &mut E,
    ) -> Result<(), bincode::error::EncodeError> {
        self.parts().encode(encoder)
    }
}

impl bincode::Decode<Version> for Rate {
    fn decode<D: bincode::de::Decoder<Context = Version>>(
        decoder: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        let (numerator, denominator): (Vec<u8>, Vec<u8>) = bincode::Decode::decode(decoder)?;
        Self::from_parts(&numerator, &denominator).ok_or_else(|| super::wrong("Rate"))
    }
}
