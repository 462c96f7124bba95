//! Authorizations and what was asked for them.

use super::stored;
use crate::domain::{
    command::{Authorize, StepAmount, StepRequest},
    hold::{Authorization, FeeLine, Leg, OpenAuthorization, Refund},
    merchant::{Merchant, TransactionMedium},
    money::LocalAmount,
};

stored! {
    LocalAmount { minor, currency }
    Leg { account, ledger, amount, captured, released, excess, refunded }
    FeeLine { name, treasury, basis, value, amount, charged, returned }
    Refund { lsn, local, legs, fees, in_suspense, is_reversed }
    StepAmount { value, currency }
    StepRequest { authorization, transaction_id, local, is_final }
    Merchant { id, name, mcc, city, country, address, terminal_id }
    Authorize {
        account, transaction_id, kind, local, usd_amount, merchant, medium, allow_partial, capture,
    }
    OpenAuthorization { authorization, first_lsn, last_lsn }
    Authorization {
        id, account, transaction_id, kind, currency, requested, local, local_captured,
        local_released, local_excess, local_refunded, asset, rate, legs, fees, is_partial,
        is_forced, has_expired, expires_at, created_at, refunds, first_lsn, last_lsn,
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

impl<C> bincode::Decode<C> for TransactionMedium {
    fn decode<D: bincode::de::Decoder<Context = C>>(
        decoder: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        bincode::Decode::decode(decoder).map(Self::from_packed)
    }
}
