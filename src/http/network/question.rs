//! What a programme is asked before a purchase is final: the authorization as it would be answered, and
//! what the processor sent beside it.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::view;
use crate::{
    actors::Answer,
    domain::{command::Authorize, event::Event},
};

/// The question with that id about the approval in `answer`, for an endpoint that has so much time;
/// nothing for another answer.
#[must_use]
pub fn question(answer: &Answer, id: &str, time: Duration) -> Option<String> {
    let approved = answer.events.iter().find_map(Event::approved)?;
    let mut data: Value = serde_json::from_slice(&view::render(answer)?).ok()?;
    if let Some(data) = data.as_object_mut() {
        // It is what is being asked.
        for name in ["status", "decline_reason", "response_code", "decision"] {
            data.remove(name);
        }
        add_request(data, &approved.request);
    }
    let question = json!({
        "id": id,
        "type": "authorization.request",
        "created_at": answer.time.to_string(),
        "answer_within_ms": u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
        "data": data,
    });
    Some(question.to_string())
}

fn add_request(data: &mut Map<String, Value>, request: &Authorize) {
    let merchant = &request.merchant;
    let medium = request.medium.pairs();
    let medium: Map<String, Value> = medium
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let usd = request.required_usd().map(|usd| usd.to_string());
    for (name, value) in [
        (
            "merchant",
            json!({
                "id": merchant.id,
                "name": merchant.name,
                "mcc": merchant.mcc.map(|mcc| mcc.to_string()),
                "city": merchant.city,
                "country": merchant.country,
                "address": merchant.address,
                "terminal_id": merchant.terminal_id,
            }),
        ),
        ("medium", Value::Object(medium)),
        ("usd_amount", json!(usd)),
        ("partial_approval", json!(request.allow_partial)),
        ("capture", json!(request.capture)),
    ] {
        data.insert(name.to_owned(), value);
    }
}
