//! The forms in which endpoints get events: the body, and how it is signed.

use serde_json::value::RawValue;

use super::{
    sign::{blnk_signature, signatures},
    targets::Format,
};

/// An event ready to be sent.
pub(super) struct Dressed {
    /// What is sent.
    pub(super) body: String,
    /// The headers of the moment and of the signature.
    pub(super) names: [&'static str; 2],
    /// The signature.
    pub(super) signed: String,
}

/// Puts an event's payload into a form.
pub(super) fn dress(
    format: Format,
    secrets: &[String],
    (id, payload): (&str, &str),
    seconds: i64,
) -> Dressed {
    match format {
        Format::Standard => Dressed {
            body: payload.to_owned(),
            names: ["webhook-timestamp", "webhook-signature"],
            signed: signatures(secrets, id, seconds, payload),
        },
        Format::Blnk => {
            let body = blnk_body(payload);
            // One header, one signature: that of the secret that counts from now on.
            let secret = secrets.first().map(String::as_str).unwrap_or_default();
            Dressed {
                signed: blnk_signature(secret, &seconds.to_string(), &body),
                names: ["x-blnk-timestamp", "x-blnk-signature"],
                body,
            }
        }
    }
}

/// A payload in Blnk's form: what an event's own data is, or the whole of one that has none apart.
fn blnk_body(payload: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Parts<'a> {
        event: String,
        #[serde(borrow)]
        data: Option<&'a RawValue>,
    }
    #[derive(serde::Serialize)]
    struct Told<'a> {
        event: &'a str,
        data: &'a RawValue,
    }
    let whole: Option<&RawValue> = serde_json::from_str(payload).ok();
    let parts: Option<Parts<'_>> = serde_json::from_str(payload).ok();
    let (Some(whole), Some(parts)) = (whole, parts) else {
        return payload.to_owned();
    };
    let told = Told {
        event: &parts.event,
        data: parts.data.unwrap_or(whole),
    };
    serde_json::to_string(&told).unwrap_or_else(|_| payload.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blnk_s_body_has_the_data_or_the_whole() {
        let told =
            blnk_body(r#"{"event":"x","n":1,"data":{"a":10000000000000000000000000000001}}"#);
        assert_eq!(
            told,
            r#"{"event":"x","data":{"a":10000000000000000000000000000001}}"#
        );
        let told = blnk_body(r#"{"event":"purchase","amount":"5"}"#);
        assert_eq!(
            told,
            r#"{"event":"purchase","data":{"event":"purchase","amount":"5"}}"#
        );
    }
}
