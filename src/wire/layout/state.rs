//! What a snapshot holds.

use std::sync::Arc;

use bincode::{
    Decode, Encode,
    de::Decoder,
    enc::Encoder,
    error::{DecodeError, EncodeError},
};

use super::{Version, stored, stored_kinds};
use crate::domain::{
    account::{Account, Medium},
    card::{CardChange, CardFile, DeviceToken, Sealed},
    documents::{Documents, Shelf},
    funds::{Balance, LedgerAccount},
    group::{Absorption, Branch, Group},
    identity::{Identities, Identity},
    lists::{List, Lists},
    policy::{
        Pocket, Policy, Rules, Whitelist,
        cashback::{Programme, ProgrammeKind},
        controls::{Controls, Counter, Hours, Limit, MccRange, Recent, Rule, Tally, Usage, Window},
        fees::{FeeRule, FeeTerm},
    },
    rates::{Quote, RateTable},
    registry::Registry,
};

stored! {
    Balance { current, pending, incoming, outgoing }
    LedgerAccount { no, balances }
    Policy { default_asset, fallback_asset, currency_assets } + since 2 { rules = None }
    Rules { pockets, fees, cashback, controls }
    Pocket { account, urn, whitelist }
    FeeTerm { name, treasury, payee, basis, value, category, rule }
    Programme { name, kind, target, target_urn }
    Controls {
        currency, limits, mcc, merchants, countries, channels, hours, is_single_use,
        is_merchant_locked,
    }
    MccRange { from, to }
    Hours { days, from, until }
    Limit { window, amount, count }
    Usage { merchant, is_tentative, is_spent, tallies }
    Tally { currency, windows, recent }
    Counter { since, amount, count }
    Recent { authorization, at, amount, purchases }
    Account {
        no, medium, holder_urn, ledger, status, status_reason, webhook_url, metadata, policy,
        created_at, updated_at,
    } + since 2 { usage = None, card = None }
    Group {
        id, sequence, last_time, accounts, ledgers, authorizations, open, closed, outgoing,
        received,
    } + since 2 { branches = Vec::new() }
        + since 3 { books = None }
    Branch { actor, newest, joined }
    Sealed { key_id, bytes }
    DeviceToken { id, wallet, device, last_four, sealed, status, created_at, updated_at }
    CardFile { sealed, fingerprint, pin, tokens }
    Absorption { group, trail }
    Registry { sequence, last_time, origins, keys }
        + since 2 {
            rates = Arc::default(), lists = Arc::default(), identities = Identities::default(),
            signing_key = None, documents = Documents::default(),
        }
}

impl<T: Encode> Encode for Rule<T> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.allow.encode(encoder)?;
        self.deny.encode(encoder)
    }
}

impl<T: Decode<Version> + 'static> Decode<Version> for Rule<T> {
    fn decode<D: Decoder<Context = Version>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (allow, deny) = (Decode::decode(decoder)?, Decode::decode(decoder)?);
        Ok(Self { allow, deny })
    }
}

impl Encode for RateTable {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.quotes().collect::<Vec<_>>().encode(encoder)
    }
}

impl Decode<Version> for RateTable {
    fn decode<D: Decoder<Context = Version>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let quotes: Vec<Quote> = Decode::decode(decoder)?;
        Ok(Self::default().with(&quotes))
    }
}

impl Encode for Identities {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.iter().collect::<Vec<_>>().encode(encoder)
    }
}

impl Decode<Version> for Identities {
    fn decode<D: Decoder<Context = Version>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let known: Vec<Arc<Identity>> = Decode::decode(decoder)?;
        let mut identities = Self::default();
        for identity in known {
            identities.set(identity);
        }
        Ok(identities)
    }
}

impl Encode for Documents {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.iter().collect::<Vec<_>>().encode(encoder)
    }
}

impl Decode<Version> for Documents {
    fn decode<D: Decoder<Context = Version>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let known: Vec<(Shelf, String, Arc<str>)> = Decode::decode(decoder)?;
        let mut documents = Self::default();
        for (shelf, name, text) in known {
            documents.set(shelf, &name, Some(text));
        }
        Ok(documents)
    }
}

impl Encode for Lists {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.iter().collect::<Vec<_>>().encode(encoder)
    }
}

impl Decode<Version> for Lists {
    fn decode<D: Decoder<Context = Version>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let known: Vec<(Arc<str>, List)> = Decode::decode(decoder)?;
        let mut lists = Self::default();
        for (url, list) in known {
            lists.set(url, list);
        }
        Ok(lists)
    }
}

stored_kinds! {
    CardChange {
        0 => Reseal { from: from, to: to },
        1 => SetPin { 0: verifier },
        2 => AddToken { 0: token },
        3 => SetTokenStatus { id: id, status: status },
        4 => ResealTokens { 0: sealed },
    }
    Whitelist { 0 => Codes { 0: codes }, 1 => Url { 0: url } }
    FeeRule {
        0 => FxConversion {},
        1 => AmountRangeUsd { min: min, max: max },
        2 => Wallet { 0: name },
    }
    ProgrammeKind { 0 => ExtraSavings { basis: basis, value: value }, 1 => RoundUp {} }
    Window {
        0 => Transaction {}, 1 => Day {}, 2 => Week {}, 3 => Month {}, 4 => Year {},
        5 => Lifetime {}, 6 => Rolling { 0: seconds },
    }
    Medium {
        0 => Card { programme: programme, last_four: last_four, expiry: expiry },
        1 => Virtual {}, 2 => Balance { 0: face },
    }
}
