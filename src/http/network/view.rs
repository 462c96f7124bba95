//! What processors are told: an authorization, rendered from its record alone, so that a retry reads
//! the same as the first answer.

use std::fmt::Display;

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{
    super::write::{Key, Object, key},
    explain,
};
use crate::{
    actors::Answer,
    domain::{
        decision::{Conclusion, Decision},
        event::{Declined, Event, Movement, StepKind, Stepped},
        funds::Balance,
        hold::{Authorization, FeeLine, State, TransactionType},
        ids::{AccountNo, AuthorizationId, RecordId},
        money::{Amount, Asset, Decimal, LocalAmount},
        outcome::DeclineReason,
        time::Timestamp,
    },
};

/// Writes anything as a JSON string.
pub struct Text<T>(pub T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// An integer as a JSON string.
pub struct Int(pub i128);

impl Serialize for Int {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(itoa::Buffer::new().format(self.0))
    }
}

/// A moment as a JSON string.
pub struct Time(pub Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.text().as_str())
    }
}

/// Balances by asset.
pub struct Balances<'a>(pub &'a [(Asset, Balance)]);

#[derive(Serialize)]
struct BalanceView {
    current: Int,
    pending: Int,
    #[serde(rename = "in")]
    incoming: Int,
    #[serde(rename = "out")]
    outgoing: Int,
}

impl Serialize for Balances<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (asset, balance) in self.0 {
            let view = BalanceView {
                current: Int(balance.current),
                pending: Int(balance.pending),
                incoming: Int(balance.incoming),
                outgoing: Int(balance.outgoing),
            };
            map.serialize_entry(&Text(asset), &view)?;
        }
        map.end()
    }
}

/// The usual size of an answer, so that its buffer grows once at the most.
pub const ANSWER_BYTES: usize = 1_280;

/// The JSON of an answer about an authorization, and nothing for any other.
#[must_use]
pub fn render(answer: &Answer) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(ANSWER_BYTES);
    render_into(answer, &mut out).then_some(out)
}

/// Writes the answer at the end of `out`; `false`, and nothing written, if it is about something
/// else than an authorization.
pub fn render_into(answer: &Answer, out: &mut Vec<u8>) -> bool {
    let about = |event: &&Event| event.authorization_id().is_some();
    let Some(event) = answer.events.iter().rev().find(about) else {
        return false;
    };
    let mut object = Object::begin(out);
    if let Some(approved) = event.approved() {
        let about = (&*approved.authorization, &approved.movement);
        standing(&mut object, about, None, answer);
    } else if let Some(stepped) = event.stepped() {
        let about = (&*stepped.authorization, &stepped.movement);
        // The programme's answer is what the purchase itself is answered with: no step that was asked.
        let asked = Some(stepped).filter(|_| !matches!(stepped.kind, StepKind::Concluded(_)));
        standing(&mut object, about, asked, answer);
    } else if let Some(declined) = event.declined() {
        decline(&mut object, declined, answer);
    }
    object.end();
    true
}

/// An authorization as it stands, and the step that brought it there, if one was asked.
fn standing(
    object: &mut Object<'_>,
    (about, movement): (&Authorization, &Movement),
    step: Option<&Stepped>,
    answer: &Answer,
) {
    if let Some(reason) = about.decision.decline_reason() {
        undone(object, (about, reason), movement, answer);
        return;
    }
    authorization(object, about, answer);
    balances(object, movement);
    if let Some(step) = step {
        object.object(key!("operation"), |inner| operation(inner, step, answer));
    }
    decision(object, &about.decision);
    times(object, about);
}

fn urn(answer: &Answer, no: AccountNo) -> &str {
    let known = answer.urns.iter().find(|(known, _)| *known == no);
    known.map_or("", |(_, urn)| &**urn)
}

fn authorization(object: &mut Object<'_>, authorization: &Authorization, answer: &Answer) {
    let asset = AssetText::new(authorization.asset);
    let amount = authorization.amount();
    let currency = authorization.currency;
    let requested = LocalAmount {
        minor: authorization.requested,
        currency,
    };
    let is_partial = authorization.is_partial;
    object.plain(key!("id"), &authorization.id.letters());
    object.text(key!("transaction_id"), &authorization.transaction_id);
    object.plain(key!("card"), urn(answer, authorization.account));
    object.plain(key!("transaction_type"), authorization.kind.word());
    object.plain(
        key!("status"),
        if is_partial {
            "partially_approved"
        } else {
            "approved"
        },
    );
    object.plain(key!("state"), authorization.state().word());
    object.null(key!("decline_reason"));
    // 10 is partial approval. Source: ISO 8583 field 39.
    object.plain(key!("response_code"), if is_partial { "10" } else { "00" });
    object.plain(key!("asset"), &asset);
    object.int(key!("amount"), amount.minor());
    local(object, key!("local_amount"), requested);
    local(
        object,
        key!("approved_local_amount"),
        authorization.local_amount(),
    );
    object.plain(key!("local_currency"), currency.code());
    let rate = authorization.rate;
    object.decimal(key!("exchange_rate"), rate.mantissa, rate.scale);
    object.objects(key!("legs"), authorization.legs.iter(), |object, leg| {
        object.plain(key!("account_urn"), urn(answer, leg.account));
        object.plain(key!("ledger_account_id"), &leg.ledger.letters());
        object.plain(key!("asset"), &asset);
        object.int(key!("amount"), leg.amount.minor());
    });
    if !authorization.surcharges.is_empty() {
        surcharges(object, authorization, answer);
    }
    breakdown(
        object,
        authorization.fees.iter().map(|fee| (fee, fee.amount)),
        amount,
    );
    object.int(key!("captured_amount"), authorization.captured().minor());
    object.int(key!("reversed_amount"), authorization.released().minor());
    object.int(key!("refunded_amount"), authorization.refunded().minor());
    object.int(key!("held_amount"), authorization.held().minor());
    object.boolean(key!("forced"), authorization.is_forced);
}

/// What is set aside on top of the amount; the legs hold both.
fn surcharges(object: &mut Object<'_>, authorization: &Authorization, answer: &Answer) {
    object.int(key!("surcharge_amount"), authorization.surcharged().minor());
    object.objects(
        key!("surcharges"),
        authorization.surcharges.iter(),
        |object, part| {
            object.text(key!("program_name"), &part.name);
            object.plain(key!("type"), part.kind.word());
            object.plain(key!("target_account_urn"), urn(answer, part.target));
            object.decimal(key!("local_amount"), part.local.mantissa, part.local.scale);
            object.int(key!("amount"), part.amount.minor());
        },
    );
}

fn times(object: &mut Object<'_>, authorization: &Authorization) {
    object.plain(key!("expires_at"), &authorization.expires_at.text());
    object.plain(key!("created_at"), &authorization.created_at.text());
}

fn balances(object: &mut Object<'_>, movement: &Movement) {
    let after = movement
        .after
        .first()
        .map(|after| after.balances.as_slice());
    object.object(key!("balance"), |object| {
        for (asset, balance) in after.unwrap_or_default() {
            object.entry(&AssetText::new(*asset), |object| {
                object.int(key!("current"), balance.current);
                object.int(key!("pending"), balance.pending);
                object.int(key!("in"), balance.incoming);
                object.int(key!("out"), balance.outgoing);
            });
        }
    });
}

/// What any declined purchase says of itself.
struct Refused<'a> {
    id: AuthorizationId,
    transaction_id: &'a str,
    account: AccountNo,
    kind: TransactionType,
    local: LocalAmount,
    reason: DeclineReason,
    required_usd: Option<Decimal>,
}

fn decline(object: &mut Object<'_>, declined: &Declined, answer: &Answer) {
    let request = &declined.request;
    let is_short = declined.reason == DeclineReason::InsufficientFunds;
    let required_usd = request.required_usd().or(declined.explanation.usd);
    let refused = Refused {
        id: declined.id,
        transaction_id: &request.transaction_id,
        account: request.account,
        kind: request.kind,
        local: request.local,
        reason: declined.reason,
        required_usd: required_usd.filter(|_| is_short),
    };
    not_approved(object, &refused, answer);
    balances(object, &declined.movement);
    if let Some(refused) = &declined.explanation.refused {
        object.json(
            key!("decline_details"),
            &explain::details(refused, answer).to_string(),
        );
    }
    object.null(key!("expires_at"));
    object.plain(key!("created_at"), &answer.time.text());
}

/// A purchase that the rules approved and the programme did not: declined, like any other.
fn undone(
    object: &mut Object<'_>,
    (about, reason): (&Authorization, DeclineReason),
    movement: &Movement,
    answer: &Answer,
) {
    let refused = Refused {
        id: about.id,
        transaction_id: &about.transaction_id,
        account: about.account,
        kind: about.kind,
        local: LocalAmount {
            minor: about.requested,
            currency: about.currency,
        },
        reason,
        required_usd: None,
    };
    not_approved(object, &refused, answer);
    balances(object, movement);
    decision(object, &about.decision);
    object.null(key!("expires_at"));
    object.plain(key!("created_at"), &about.created_at.text());
}

/// Whether the programme was asked, and what it said; nothing for a purchase that it was not asked of.
fn decision(object: &mut Object<'_>, decision: &Decision) {
    if *decision == Decision::NotAsked {
        return;
    }
    let known = decision.conclusion();
    object.object(key!("decision"), |object| {
        object.boolean(key!("asked"), true);
        object.plain_or_null(key!("verdict"), known.map(|known| known.verdict.word()));
        object.plain_or_null(key!("by"), known.map(|known| known.by.word()));
        match known.and_then(|known| known.reason.as_deref()) {
            Some(reason) => object.text(key!("reason"), reason),
            None => object.null(key!("reason")),
        }
        match known.map(latency_ms) {
            Some(latency) => object.json(key!("latency_ms"), &latency),
            None => object.null(key!("latency_ms")),
        }
    });
}

fn latency_ms(conclusion: &Conclusion) -> String {
    let (whole, rest) = (conclusion.latency_us / 1_000, conclusion.latency_us % 1_000);
    format!("{whole}.{rest:03}")
}

fn not_approved(object: &mut Object<'_>, refused: &Refused<'_>, answer: &Answer) {
    object.plain(key!("id"), &refused.id.letters());
    object.text(key!("transaction_id"), refused.transaction_id);
    object.plain(key!("card"), urn(answer, refused.account));
    object.plain(key!("transaction_type"), refused.kind.word());
    object.plain(key!("status"), "declined");
    object.plain(key!("state"), State::Declined.word());
    object.plain(key!("decline_reason"), refused.reason.word());
    object.plain(key!("response_code"), refused.reason.response_code());
    object.null(key!("asset"));
    object.null(key!("amount"));
    local(object, key!("local_amount"), refused.local);
    object.null(key!("approved_local_amount"));
    object.plain(key!("local_currency"), refused.local.currency.code());
    object.null(key!("exchange_rate"));
    if let Some(required) = refused.required_usd {
        object.decimal(key!("required_usd"), required.mantissa, required.scale);
    }
    object.objects(key!("legs"), std::iter::empty::<()>(), |_, ()| {});
    object.null(key!("fee_breakdown"));
    for name in [
        key!("captured_amount"),
        key!("reversed_amount"),
        key!("refunded_amount"),
        key!("held_amount"),
    ] {
        object.int(name, 0);
    }
    object.boolean(key!("forced"), false);
}

fn breakdown<'a>(
    object: &mut Object<'_>,
    fees: impl Iterator<Item = (&'a FeeLine, Amount)> + Clone,
    amount: Amount,
) {
    let add = |total: Amount, (_, part): (_, Amount)| total.saturating_plus(part);
    let total = fees.clone().fold(Amount::ZERO, add);
    object.object(key!("fee_breakdown"), |object| {
        object.int(key!("total_fees"), total.minor());
        object.objects(key!("fees"), fees, |object, (fee, part)| {
            object.text(key!("fee_name"), &fee.name);
            object.int(key!("amount"), part.minor());
            object.decimal_number(key!("rate"), fee.value.mantissa, fee.value.scale);
        });
        object.int(key!("settlement"), amount.minus_or_zero(total).minor());
    });
}

fn operation(object: &mut Object<'_>, stepped: &Stepped, answer: &Answer) {
    let declined = match stepped.kind {
        StepKind::IncrementDeclined(reason) => Some(reason),
        StepKind::Increment
        | StepKind::Capture
        | StepKind::Reversal
        | StepKind::Expiry
        | StepKind::Refund
        | StepKind::RefundReversal
        | StepKind::Concluded(_) => None,
    };
    let currency = stepped.authorization.currency;
    object.plain(key!("id"), &RecordId(answer.lsn).text("op_"));
    object.plain(key!("type"), stepped.kind.word());
    object.plain(
        key!("status"),
        if declined.is_some() {
            "declined"
        } else {
            "approved"
        },
    );
    object.plain_or_null(key!("decline_reason"), declined.map(DeclineReason::word));
    object.plain(
        key!("response_code"),
        declined.map_or("00", DeclineReason::response_code),
    );
    object.text(key!("transaction_id"), &stepped.transaction_id);
    object.int(key!("amount"), stepped.amount.minor());
    let asked = LocalAmount {
        minor: stepped.local,
        currency,
    };
    local(object, key!("local_amount"), asked);
    if stepped.fees.is_empty() {
        object.null(key!("fee_breakdown"));
    } else {
        let fees = stepped
            .authorization
            .fees
            .iter()
            .zip(stepped.fees.iter().copied());
        breakdown(object, fees, stepped.amount);
    }
    let aside = stepped
        .authorization
        .surcharges
        .iter()
        .zip(&stepped.surcharges);
    if !stepped.surcharges.is_empty() {
        object.objects(key!("surcharges"), aside, |object, (part, amount)| {
            object.text(key!("program_name"), &part.name);
            object.plain(key!("type"), part.kind.word());
            object.int(key!("amount"), amount.minor());
        });
    }
    let extras = [
        (key!("over_capture"), stepped.over.tolerated),
        (key!("adjustment"), stepped.over.adjusted),
        (key!("suspended"), stepped.suspended),
    ];
    for (name, amount) in extras {
        if !amount.is_zero() {
            object.int(name, amount.minor());
        }
    }
    object.plain(key!("created_at"), &answer.time.text());
}

/// An asset's text, written once for all its places in an answer.
struct AssetText {
    bytes: [u8; Self::BYTES],
    len: usize,
}

impl AssetText {
    /// The longest symbol, a stroke and two digits.
    const BYTES: usize = Asset::SYMBOL_MAX + 3;

    fn new(asset: Asset) -> Self {
        let symbol = asset.symbol_bytes();
        let (tens, ones) = (asset.decimals() / 10, asset.decimals() % 10);
        let mut bytes = [0; Self::BYTES];
        let (own, behind) = bytes.split_at_mut(symbol.len());
        own.copy_from_slice(symbol);
        let digits = match behind {
            [stroke, ten, one, ..] if tens > 0 => {
                (*stroke, *ten, *one) = (b'/', b'0' + tens, b'0' + ones);
                2
            }
            [stroke, one, ..] => {
                (*stroke, *one) = (b'/', b'0' + ones);
                1
            }
            [] | [_] => 0,
        };
        let len = symbol.len() + 1 + digits;
        Self { bytes, len }
    }
}

impl AsRef<[u8]> for AssetText {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// An amount in a merchant's currency, as a decimal.
pub fn local(object: &mut Object<'_>, name: Key, local: LocalAmount) {
    object.decimal(name, local.minor.minor(), local.currency.digits());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_is_written_as_it_is_shown() {
        for text in ["A/0", "DUSD/6", "COPM/2", "ABCDEFGHIJK/18", "X9/10", "B/9"] {
            let asset: Asset = text.parse().unwrap();
            assert_eq!(AssetText::new(asset).as_ref(), text.as_bytes());
        }
    }
}
