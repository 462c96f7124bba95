//! Signatures of webhooks, as Standard Webhooks has them.
//!
//! **Source:** standardwebhooks.com, specification 1.0: HMAC-SHA256 over `id.timestamp.body`, in base64
//! behind `v1,`; secrets are `whsec_` and the base64 of 24 to 64 bytes.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What every secret of the standard begins with.
const PREFIX: &str = "whsec_";
/// How many random bytes a secret made here has.
pub const SECRET_BYTES: usize = 32;

/// The text of a secret.
#[must_use]
pub fn secret_text(bytes: &[u8]) -> String {
    format!("{PREFIX}{}", STANDARD.encode(bytes))
}

/// The bytes that a secret signs with: what stands behind `whsec_` in base64; any other text as it is.
#[must_use]
pub fn secret_bytes(text: &str) -> Vec<u8> {
    let decoded = text
        .strip_prefix(PREFIX)
        .and_then(|rest| STANDARD.decode(rest).ok());
    decoded.unwrap_or_else(|| text.as_bytes().to_vec())
}

/// The value of `webhook-signature`: one signature for each secret, the newest first.
///
/// # Panics
///
/// Never: HMAC takes keys of every length.
#[must_use]
pub fn signatures(secrets: &[String], id: &str, timestamp_s: i64, body: &str) -> String {
    let sign = |secret: &String| {
        let mac = Hmac::<Sha256>::new_from_slice(&secret_bytes(secret));
        let mut mac = mac.expect("Invariant: HMAC takes keys of every length");
        mac.update(format!("{id}.{timestamp_s}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    };
    let all: Vec<_> = secrets.iter().map(sign).collect();
    all.join(" ")
}

/// The value of `X-Blnk-Signature`: hex of HMAC-SHA256 over the moment, a point and the body. The key is the
/// secret's text as it stands.
///
/// **Source:** Blnk's documents, Webhooks.
///
/// # Panics
///
/// Never: HMAC takes keys of every length.
#[must_use]
pub fn blnk_signature(secret: &str, timestamp_s: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
    let mut mac = mac.expect("Invariant: HMAC takes keys of every length");
    mac.update(format!("{timestamp_s}.{body}").as_bytes());
    crate::actors::registrar::hex(&mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_own_example() {
        // The example of the specification's reference libraries.
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned();
        let body = r#"{"test": 2432232314}"#;
        let signed = signatures(
            &[secret],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            body,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn blnk_s_form() {
        // Computed apart from this code, with openssl dgst -sha256 -hmac.
        let signed = blnk_signature("whsec_AAEC", "1700000000", "{\"event\":\"x\"}");
        assert_eq!(
            signed,
            "0a9ecf506fa4ba3b5283413879acaaa2c02112156d2a20e576b1681809247750"
        );
    }

    #[test]
    fn a_secret_of_another_form_is_used_as_it_is() {
        assert_eq!(secret_bytes("whsec_AAEC"), [0, 1, 2]);
        assert_eq!(secret_bytes("whsec_?"), b"whsec_?");
        assert_eq!(
            secret_bytes("my own secret of old"),
            b"my own secret of old"
        );
        assert_eq!(secret_bytes(&secret_text(&[7; 32])), [7; 32]);
    }
}
