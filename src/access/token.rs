//! Tokens: JSON Web Tokens under HMAC-SHA-256. Reading one needs nothing but the signing key; whether
//! the key behind it still lives is the caller's to ask.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::domain::{
    registry::{Scope, Scopes, SigningKey},
    time::Timestamp,
};

/// `{"alg":"HS256","typ":"JWT"}`: no other header is ours, so that no token can choose its algorithm.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
const MICROS: i64 = 1_000_000;

/// What a token lets its bearer do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Of this programme.
    pub origin: String,
    /// As this holder; as the programme if none.
    pub holder: Option<String>,
    /// No more than this.
    pub scopes: Scopes,
    /// As long as this key lives with this generation of its secret; none behind a one-time code.
    pub key: Option<(String, u32)>,
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is none of ours.
    #[error("the token is unknown")]
    Unknown,
    /// It was one of ours.
    #[error("the token has expired")]
    Expired,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    origin: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    scopes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    #[serde(default)]
    generation: u32,
    iat: i64,
    exp: i64,
}

/// Signs and reads tokens.
pub struct Signer {
    mac: Hmac<Sha256>,
    lifetime_s: i64,
}

/// A MAC under a key of its own for each use, so that what is signed for one is nothing for another.
pub(super) fn mac(key: &SigningKey, usage: &str) -> Hmac<Sha256> {
    // The length of a key of HMAC is free, and this type's way to say so is an error that never comes.
    let keyed = |bytes: &[u8]| {
        Hmac::<Sha256>::new_from_slice(bytes).expect("Invariant: HMAC takes keys of every length")
    };
    let derived = keyed(&key.0).chain_update(usage.as_bytes()).finalize();
    keyed(&derived.into_bytes())
}

impl Signer {
    /// Tokens that last `lifetime_s` seconds.
    #[must_use]
    pub fn new(key: &SigningKey, lifetime_s: i64) -> Self {
        Self {
            mac: mac(key, "token"),
            lifetime_s,
        }
    }

    /// How long a new token lasts, in seconds.
    #[must_use]
    pub const fn lifetime_s(&self) -> i64 {
        self.lifetime_s
    }

    /// Whether a text has the form of a token of ours.
    #[must_use]
    pub fn is_token(text: &str) -> bool {
        let rest = text.strip_prefix(HEADER);
        rest.is_some_and(|rest| rest.starts_with('.'))
    }

    /// Signs a token that begins now.
    #[must_use]
    pub fn sign(&self, grant: &Grant, now: Timestamp) -> String {
        let iat = now.micros().div_euclid(MICROS);
        let (key_id, generation) = match &grant.key {
            Some((id, generation)) => (Some(id.clone()), *generation),
            None => (None, 0),
        };
        let claims = Claims {
            iss: "cardwright".to_owned(),
            origin: grant.origin.clone(),
            sub: grant.holder.clone(),
            scopes: grant
                .scopes
                .words()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            key_id,
            generation,
            iat,
            exp: iat.saturating_add(self.lifetime_s),
        };
        let claims = serde_json::to_vec(&claims).unwrap_or_default();
        let signed = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(claims));
        let tag = self.mac.clone().chain_update(signed.as_bytes()).finalize();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag.into_bytes()))
    }

    /// What a token grants now.
    ///
    /// # Errors
    ///
    /// [`TokenError`] for one that is not ours or has ended.
    pub fn read(&self, token: &str, now: Timestamp) -> Result<Grant, TokenError> {
        let unknown = TokenError::Unknown;
        let (signed, tag) = token.rsplit_once('.').ok_or(unknown)?;
        let (header, claims) = signed.split_once('.').ok_or(unknown)?;
        if header != HEADER {
            return Err(unknown);
        }
        let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| unknown)?;
        let mac = self.mac.clone().chain_update(signed.as_bytes());
        mac.verify_slice(&tag).map_err(|_| unknown)?;
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| unknown)?;
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| unknown)?;
        if claims.exp <= now.micros().div_euclid(MICROS) {
            return Err(TokenError::Expired);
        }
        let has = |scope: &Scope| claims.scopes.iter().any(|word| word == scope.word());
        let scopes: Vec<Scope> = Scope::ALL.into_iter().filter(has).collect();
        Ok(Grant {
            origin: claims.origin,
            holder: claims.sub,
            scopes: Scopes::of(&scopes),
            key: claims.key_id.map(|id| (id, claims.generation)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        Grant {
            origin: "acme".to_owned(),
            holder: Some("did:bloque:acme:ana".to_owned()),
            scopes: Scopes::of(&[Scope::Programme]),
            key: Some(("key_1".to_owned(), 3)),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * MICROS)
    }

    #[test]
    fn a_token_says_what_was_granted_until_it_ends() {
        let signer = Signer::new(&SigningKey([7; 32]), 10);
        let token = signer.sign(&grant(), at(100));
        assert!(Signer::is_token(&token));
        assert_eq!(signer.read(&token, at(109)), Ok(grant()));
        assert_eq!(signer.read(&token, at(110)), Err(TokenError::Expired));
    }

    #[test]
    fn the_header_is_what_it_says() {
        let text = URL_SAFE_NO_PAD.decode(HEADER).expect("base64");
        assert_eq!(text, br#"{"alg":"HS256","typ":"JWT"}"#);
    }

    #[test]
    fn no_changed_letter_and_no_other_key_is_taken() {
        let signer = Signer::new(&SigningKey([7; 32]), 10);
        let token = signer.sign(&grant(), at(100));
        for place in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(
                signer.read(&changed, at(101)),
                Err(TokenError::Unknown),
                "{place}"
            );
        }
        let other = Signer::new(&SigningKey([8; 32]), 10);
        assert_eq!(other.read(&token, at(101)), Err(TokenError::Unknown));
        // {"alg":"none"}
        let claims = token.split('.').nth(1).expect("claims");
        for forged in [
            format!("eyJhbGciOiJub25lIn0.{claims}."),
            format!("{HEADER}.{claims}."),
            format!("{HEADER}.{claims}"),
            String::new(),
        ] {
            assert_eq!(
                signer.read(&forged, at(101)),
                Err(TokenError::Unknown),
                "{forged}"
            );
        }
    }
}
