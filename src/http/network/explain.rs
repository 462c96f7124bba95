//! Why a purchase was decided as it was: the explanation in its record, for people.

use serde_json::{Map, Value, json};

use crate::{
    actors::Answer,
    domain::{
        explanation::{Candidate, Explanation},
        hold::{FeeBasis, FeeLine},
        ids::AccountNo,
        money::{Amount, Currency, LocalAmount},
        outcome::DeclineReason,
        policy::controls::{Refused, Scope},
    },
};

/// The checks of a purchase, in the order in which they are made.
const CHECKS: [&str; 13] = [
    "card_status",
    "card_expiry",
    "direction",
    "single_use",
    "merchant_locked",
    "mcc",
    "merchants",
    "countries",
    "channels",
    "hours",
    "limits",
    "asset",
    "fees",
];

/// The explanation of the first decision in `answer`; nothing if it holds none.
#[must_use]
pub fn explain(answer: &Answer) -> Option<Value> {
    answer.events.iter().find_map(|event| {
        if let Some(approved) = event.approved() {
            let mut all = of(&approved.explanation, None, answer);
            let authorization = &approved.authorization;
            let fees = authorization.fees.iter().map(fee).collect();
            all.insert("fees".to_owned(), Value::Array(fees));
            let legs = authorization.legs.iter().map(|leg| {
                json!({
                    "account_urn": urn(answer, leg.account),
                    "amount": leg.amount.to_string(),
                })
            });
            all.insert("legs".to_owned(), legs.collect());
            let aside = authorization.surcharges.iter().map(|part| {
                json!({
                    "program_name": &*part.name,
                    "type": part.kind.word(),
                    "target_account_urn": urn(answer, part.target),
                    "local_amount": part.local.to_string(),
                    "amount": part.amount.to_string(),
                })
            });
            all.insert("surcharges".to_owned(), aside.collect());
            return Some(Value::Object(all));
        }
        let declined = event.declined()?;
        let reason = Some(declined.reason);
        Some(Value::Object(of(&declined.explanation, reason, answer)))
    })
}

fn of(
    explanation: &Explanation,
    declined: Option<DeclineReason>,
    answer: &Answer,
) -> Map<String, Value> {
    let mut all = Map::new();
    let refused = explanation.refused.as_deref();
    all.insert("checks".to_owned(), checks(declined, refused));
    if let Some(refused) = refused {
        all.insert("refused".to_owned(), details(refused, answer));
    }
    if let Some(usd) = explanation.usd {
        all.insert("usd_amount".to_owned(), json!(usd.to_string()));
    }
    let candidates = explanation
        .candidates
        .iter()
        .map(|candidate| asset(candidate, answer));
    all.insert("assets".to_owned(), candidates.collect());
    all
}

/// Each check and how it went: what comes behind the one that failed was not made.
fn checks(declined: Option<DeclineReason>, refused: Option<&Refused>) -> Value {
    let failed = declined.and_then(|reason| failed_check(reason, refused));
    let mut has_failed = false;
    let check = |name: &'static str| {
        let result = if has_failed {
            "not_reached"
        } else if failed == Some(name) {
            has_failed = true;
            "refused"
        } else {
            "passed"
        };
        json!({"check": name, "result": result})
    };
    CHECKS.into_iter().map(check).collect()
}

fn failed_check(reason: DeclineReason, refused: Option<&Refused>) -> Option<&'static str> {
    if let Some(refused) = refused {
        let kind = refused.control.split('.').next().unwrap_or_default();
        return CHECKS.into_iter().find(|check| *check == kind);
    }
    match reason {
        DeclineReason::CardNotActive
        | DeclineReason::CardFrozen
        | DeclineReason::CardDisabled
        | DeclineReason::CardStolen
        | DeclineReason::CardDeleted => Some("card_status"),
        DeclineReason::CardExpired => Some("card_expiry"),
        DeclineReason::CreditNotSupported => Some("direction"),
        DeclineReason::CurrencyNotSupported | DeclineReason::InsufficientFunds => Some("asset"),
        DeclineReason::FeesExceedAmount => Some("fees"),
        DeclineReason::MccNotAllowed
        | DeclineReason::MerchantNotAllowed
        | DeclineReason::CountryNotAllowed
        | DeclineReason::ChannelNotAllowed
        | DeclineReason::TimeNotAllowed
        | DeclineReason::AmountLimitExceeded
        | DeclineReason::CountLimitExceeded
        | DeclineReason::SingleUseSpent
        | DeclineReason::DecisionDeclined
        | DeclineReason::DecisionTimeout
        | DeclineReason::SystemUnavailable => None,
    }
}

/// Which control refused, and how much it would have left.
#[must_use]
pub fn details(refused: &Refused, answer: &Answer) -> Value {
    let shown = |amount: Amount| shown(amount, refused.currency);
    let (scope, account) = match refused.scope {
        Scope::Account(no) => ("account", Some(urn(answer, no))),
        Scope::Origin => ("origin", None),
    };
    json!({
        "scope": scope,
        "account_urn": account,
        "control": refused.control,
        "limit": refused.limit.map(shown),
        "left": refused.left.map(shown),
        "currency": refused.currency.map(|currency| currency.code().to_owned()),
    })
}

/// An amount of a currency as a decimal, or a count as it is.
fn shown(amount: Amount, currency: Option<Currency>) -> String {
    match currency {
        Some(currency) => LocalAmount {
            minor: amount,
            currency,
        }
        .to_string(),
        None => amount.to_string(),
    }
}

fn asset(candidate: &Candidate, answer: &Answer) -> Value {
    let sources = candidate.sources.iter().map(|source| {
        json!({
            "account_urn": urn(answer, source.account),
            "available": source.available.to_string(),
            "taken": source.taken.to_string(),
            "passed_over": source.passed_over.map(crate::domain::explanation::PassedOver::word),
        })
    });
    let conversion = candidate.conversion.as_ref().map(|conversion| {
        json!({
            "mid_rate": conversion.mid.to_string(),
            "spread": conversion.spread.to_string(),
            "rate_at": conversion.at.to_string(),
            "source": &*conversion.source,
        })
    });
    json!({
        "asset": candidate.asset.to_string(),
        "result": candidate.verdict.word(),
        "conversion": conversion,
        "required": candidate.required.map(|amount| amount.to_string()),
        "pockets": sources.collect::<Value>(),
    })
}

fn fee(line: &FeeLine) -> Value {
    json!({
        "fee_name": &*line.name,
        "account_urn": &*line.treasury,
        "category": line.category.word(),
        "type": match line.basis {
            FeeBasis::Percentage => "percentage",
            FeeBasis::Flat => "flat",
        },
        "value": line.value.to_string(),
        "amount": line.amount.to_string(),
    })
}

fn urn(answer: &Answer, no: AccountNo) -> String {
    let known = answer.urns.iter().find(|(known, _)| *known == no);
    known.map_or_else(|| no.virtual_id(), |(_, urn)| urn.to_string())
}
