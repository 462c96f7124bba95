//! The embedded provider: payloads that a test wallet can open and verify, and no real one accepts.
//!
//! A real wallet wants them made under a card network's keys: see README.md.

use aes_gcm::{
    Aes256Gcm, AesGcm, KeyInit, Nonce,
    aead::{Aead, Payload as Sealing, consts::U16},
    aes::Aes256,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use hmac::{Hmac, Mac};
use p256::{PublicKey, SecretKey, elliptic_curve::sec1::ToSec1Point};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Asked, Payload, Subject, TokenError, TokenProvider, certificate, number::TokenNumber};
use crate::{domain::time::Timestamp, vault::Vault};

/// Who says so, in every payload.
const ISSUER: &str = "cardwright-test-provider";
/// How long a wallet may take to use a payload, in seconds.
const PAYLOAD_SECONDS: i64 = 1_800;

/// Issues test tokens under keys of the vault.
pub struct EmbeddedProvider {
    activation: [u8; 32],
    opc: [u8; 32],
    derivation: [u8; 32],
}

impl EmbeddedProvider {
    /// A provider whose keys come from the vault: the same for as long as the house stands.
    #[must_use]
    pub fn new(vault: &Vault) -> Self {
        Self {
            activation: vault.key_for("token activation"),
            opc: vault.key_for("token opc"),
            derivation: vault.key_for("token derivation"),
        }
    }

    fn keyed(&self, parts: &[&[u8]]) -> [u8; 32] {
        keyed(&self.derivation, parts)
    }

    /// The token's own key pair: drawn from its id, so that a retry gets the same payload, and from the
    /// leaf's key, so that no two recipients share one.
    fn ephemeral(&self, token: &Subject<'_>, leaf: &PublicKey) -> Result<SecretKey, TokenError> {
        let leaf = leaf.to_sec1_point(false);
        (0..=u8::MAX)
            .find_map(|attempt| {
                let bytes = self.keyed(&[
                    b"ephemeral",
                    token.id.as_bytes(),
                    leaf.as_bytes(),
                    &[attempt],
                ]);
                SecretKey::from_slice(&bytes).ok()
            })
            .ok_or(TokenError::Unavailable("no key came out"))
    }

    fn apple(
        &self,
        token: &Subject<'_>,
        leaf: &PublicKey,
        (nonce, nonce_signature): (&str, &str),
    ) -> Result<Payload, TokenError> {
        let secret = self.ephemeral(token, leaf)?;
        let public = secret.public_key().to_sec1_point(false);
        let shared = secret.diffie_hellman(leaf);
        let key = kdf(shared.raw_secret_bytes(), public.as_bytes());
        let pass = json!({
            "primaryAccountIdentifier": token.id,
            "primaryAccountNumber": token.number,
            "primaryAccountNumberPrefix": token.number.get(..6),
            "primaryAccountSuffix": token.card_last_four,
            "expiration": format!("{:02}/{:02}", token.expiry.month, token.expiry.year % 100),
            "nonce": nonce,
            "nonceSignature": nonce_signature,
        });
        let cipher = AesGcm::<Aes256, U16>::new(&key.into());
        let sealed = cipher.encrypt(&Nonce::<U16>::default(), pass.to_string().as_bytes());
        let sealed = sealed.map_err(|_| TokenError::Unavailable("it could not be sealed"))?;
        Ok(Payload::Apple {
            activation_data: STANDARD.encode(self.activation_data(token, nonce)),
            encrypted_pass_data: STANDARD.encode(sealed),
            ephemeral_public_key: STANDARD.encode(public.as_bytes()),
        })
    }

    /// A JWS: what this house, as the network, would check before it activates the token.
    fn activation_data(&self, token: &Subject<'_>, nonce: &str) -> String {
        let header = json!({ "alg": "HS256", "kid": "test", "typ": "JWT" });
        let claims = with_times(
            token.created_at,
            json!({ "iss": ISSUER, "sub": token.id, "nonce": nonce }),
        );
        let signed = format!("{}.{}", part(&header), part(&claims));
        let mac = keyed(&self.activation, &[signed.as_bytes()]);
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac))
    }

    /// A JWE. Source: RFC 7516, section 3.1; RFC 7518, sections 4.5 and 5.3.
    fn google(
        &self,
        token: &Subject<'_>,
        (device_id, wallet_account_id): (&str, &str),
    ) -> Result<Payload, TokenError> {
        let header = part(&json!({ "alg": "dir", "cty": "json", "enc": "A256GCM", "kid": "test" }));
        let claims = json!({
            "iss": ISSUER,
            "sub": token.id,
            "primaryAccountNumber": token.number,
            "primaryAccountSuffix": token.card_last_four,
            "expirationMonth": format!("{:02}", token.expiry.month),
            "expirationYear": token.expiry.year.to_string(),
            "deviceId": device_id,
            "walletAccountId": wallet_account_id,
        });
        let claims = with_times(token.created_at, claims).to_string();
        // From the plain text itself: one text one vector, so that none is used for two.
        let vector = self.keyed(&[b"opc", token.id.as_bytes(), claims.as_bytes()]);
        let vector: [u8; 12] = vector.first_chunk().copied().unwrap_or_default();
        let plain = Sealing {
            msg: claims.as_bytes(),
            aad: header.as_bytes(),
        };
        let sealed = Aes256Gcm::new(&self.opc.into()).encrypt(&Nonce::from(vector), plain);
        let sealed = sealed.map_err(|_| TokenError::Unavailable("it could not be sealed"))?;
        let (text, tag) = sealed
            .split_last_chunk::<16>()
            .ok_or(TokenError::Unavailable("it could not be sealed"))?;
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (vector, text, tag) = (encoded(&vector), encoded(text), encoded(tag));
        let jwe = format!("{header}..{vector}.{text}.{tag}");
        Ok(Payload::Google {
            opc: STANDARD.encode(jwe),
        })
    }
}

impl TokenProvider for EmbeddedProvider {
    /// A test wallet has a key of its own: its leaf certificate's. Google's id of a device is the
    /// hardware's and stays with a person, so that only a keyed hash of it is kept.
    fn device(&self, asked: &Asked, now: Timestamp) -> Result<String, TokenError> {
        let hash = match asked {
            Asked::Apple { certificates, .. } => {
                let leaf = certificate::leaf_key(certificates, now)?;
                self.keyed(&[b"apple device", leaf.to_sec1_point(false).as_bytes()])
            }
            Asked::Google {
                device_id,
                wallet_account_id,
            } => self.keyed(&[
                b"google device",
                device_id.as_bytes(),
                wallet_account_id.as_bytes(),
            ]),
        };
        Ok(URL_SAFE_NO_PAD.encode(hash.first_chunk::<16>().copied().unwrap_or_default()))
    }

    fn new_number(&self) -> Result<TokenNumber, TokenError> {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(|_| TokenError::Unavailable("no randomness"))?;
        Ok(TokenNumber::of_test_range(random))
    }

    fn payload(&self, token: &Subject<'_>, asked: &Asked) -> Result<Payload, TokenError> {
        match asked {
            Asked::Apple {
                certificates,
                nonce,
                nonce_signature,
            } => {
                // As of the token's own time: a retry is answered also when they have expired since.
                let leaf = certificate::leaf_key(certificates, token.created_at)?;
                self.apple(token, &leaf, (nonce, nonce_signature))
            }
            Asked::Google {
                device_id,
                wallet_account_id,
            } => self.google(token, (device_id, wallet_account_id)),
        }
    }

    fn test_keys(&self) -> Value {
        json!({
            "apple": {
                "activation_data": { "form": "base64 of a JWS, HS256", "kid": "test",
                    "key": URL_SAFE_NO_PAD.encode(self.activation) },
                "encrypted_pass_data": {
                    "form": "base64; ECDH on P-256 with your leaf certificate's key, SHA-256 KDF, \
                             AES-256-GCM with an IV of 16 zero bytes",
                },
            },
            "google": { "opc": { "form": "base64 of a JWE, dir, A256GCM", "kid": "test",
                "key": URL_SAFE_NO_PAD.encode(self.opc) } },
        })
    }
}

/// HMAC-SHA256 over parts whose lengths are told, so that no two lists of parts read alike; a single
/// part stands as it is.
fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(key);
    let mut mac = mac.expect("Invariant: HMAC takes keys of every length");
    for part in parts {
        if parts.len() > 1 {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        }
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// One round of the concatenation KDF with SHA-256, with the names that Apple Pay's payloads use.
/// Source: NIST SP 800-56A, section 5.8.1; Apple, PassKit, Payment Token Format Reference (the
/// algorithm's name and the first party's); the second party is the key that came along.
fn kdf(shared: &[u8], ephemeral: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(1_u32.to_be_bytes());
    hash.update(shared);
    hash.update(b"\x0Did-aes256-GCM");
    hash.update(b"Apple");
    hash.update(ephemeral);
    hash.finalize().into()
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn with_times(made: Timestamp, mut claims: Value) -> Value {
    if let Some(object) = claims.as_object_mut() {
        let ends = made.plus_seconds(PAYLOAD_SECONDS);
        object.insert("iat".to_owned(), made.seconds().into());
        object.insert("exp".to_owned(), ends.seconds().into());
    }
    claims
}
