//! Whether a webhook is from whom it says. Source: the Standard Webhooks specification, 1.0.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How far a webhook's time may be from now, in seconds.
const TOLERANCE_S: i64 = 300;

/// What webhooks are signed with. It is shown nowhere.
pub(super) struct Secret(Vec<u8>);

impl Secret {
    /// Reads `whsec_` and the key in base64.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        let what = "must be whsec_ and 24 to 64 bytes in base64";
        let coded = text.strip_prefix("whsec_").ok_or(what)?;
        let key = STANDARD.decode(coded).map_err(|_| what)?;
        if !(24..=64).contains(&key.len()) {
            return Err(what);
        }
        Ok(Self(key))
    }

    fn has_signed(&self, content: &[u8], signature: &[u8]) -> bool {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0);
        // The comparison takes the same time wherever the two differ.
        mac.is_ok_and(|mac| mac.chain_update(content).verify_slice(signature).is_ok())
    }
}

/// What a webhook says of itself.
pub(super) struct Signed<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) timestamp: Option<&'a str>,
    pub(super) signature: Option<&'a str>,
    pub(super) body: &'a [u8],
}

/// Checks a webhook against every secret that may have signed it, at `now` seconds since 1970.
pub(super) fn verify(signed: &Signed<'_>, secrets: &[Secret], now: i64) -> Result<(), String> {
    let (Some(id), Some(timestamp), Some(signatures)) =
        (signed.id, signed.timestamp, signed.signature)
    else {
        return Err("webhook-id, webhook-timestamp or webhook-signature is missing".to_owned());
    };
    let at: i64 = timestamp
        .parse()
        .map_err(|_| "webhook-timestamp is no number of seconds".to_owned())?;
    if now.abs_diff(at) > TOLERANCE_S.unsigned_abs() {
        let away = now.abs_diff(at);
        return Err(format!(
            "webhook-timestamp is {away} s away from now, {TOLERANCE_S} are allowed: it may be replayed"
        ));
    }
    let mut content = format!("{id}.{timestamp}.").into_bytes();
    content.extend_from_slice(signed.body);
    let versioned = signatures
        .split(' ')
        .filter_map(|one| one.strip_prefix("v1,"));
    let mut decoded = versioned.filter_map(|one| STANDARD.decode(one).ok());
    let is_ours = |signature: Vec<u8>| {
        let mut secrets = secrets.iter();
        secrets.any(|secret| secret.has_signed(&content, &signature))
    };
    if decoded.any(is_ours) {
        return Ok(());
    }
    Err("webhook-signature is not of this secret and body".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: the Standard Webhooks specification's reference libraries, their common test vector.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn check(timestamp: &str, signature: &str, body: &[u8], now: i64) -> Result<(), String> {
        let signed = Signed {
            id: Some("msg_p5jXN8AQM9LWM0D4loKWxJek"),
            timestamp: Some(timestamp),
            signature: Some(signature),
            body,
        };
        verify(&signed, &[Secret::read(SECRET).unwrap()], now)
    }

    #[test]
    fn the_published_vector_verifies_and_nothing_near_it() {
        let now = 1_614_265_330;
        assert_eq!(check("1614265330", SIGNATURE, BODY, now), Ok(()));
        assert_eq!(check("1614265330", SIGNATURE, BODY, now + 300), Ok(()));
        let among = format!("v1,AAAA v2,x {SIGNATURE}");
        assert_eq!(check("1614265330", &among, BODY, now), Ok(()));
        for (timestamp, signature, body, now, what) in [
            ("1614265330", SIGNATURE, BODY, now + 301, "301 s away"),
            ("1614265330", SIGNATURE, BODY, now - 301, "301 s away"),
            ("1614265331", SIGNATURE, BODY, now, "not of this secret"),
            ("1614265330", SIGNATURE, b"{}", now, "not of this secret"),
            ("1614265330", "v1,AAAA", BODY, now, "not of this secret"),
            ("1614265330", "", BODY, now, "not of this secret"),
            ("soon", SIGNATURE, BODY, now, "no number"),
        ] {
            let refused = check(timestamp, signature, body, now).unwrap_err();
            assert!(refused.contains(what), "{refused}");
        }
        let unsigned = Signed {
            id: None,
            timestamp: None,
            signature: None,
            body: BODY,
        };
        assert!(verify(&unsigned, &[], now).unwrap_err().contains("missing"));
    }

    #[test]
    fn other_secrets_are_refused() {
        for text in [
            "",
            "whsec_",
            "whsec_!!",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_AAAA",
        ] {
            assert!(Secret::read(text).is_err(), "{text}");
        }
    }
}
