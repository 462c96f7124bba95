//! Reads the certificates that a wallet sends: whose key the pass is encrypted for.

use p256::{
    PublicKey,
    ecdsa::{DerSignature, VerifyingKey, signature::Verifier},
};
use x509_cert::{
    Certificate,
    der::{Decode, Encode, oid::ObjectIdentifier},
    spki::SubjectPublicKeyInfoOwned,
};

use super::TokenError;
use crate::domain::time::Timestamp;

/// The most certificates of one chain.
pub const CERTIFICATES_MAX: usize = 5;
/// The largest certificate, in bytes of DER.
pub const CERTIFICATE_BYTES_MAX: usize = 8 << 10;

/// Source: RFC 5480, section 2.1.1.
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// Source: RFC 5480, section 2.1.1.1.
const P256_CURVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// Source: RFC 5758, section 3.2.
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");

/// The leaf's key, in a chain whose certificates are valid now and each issued by the next. Whether its
/// root is Apple's is for a network's provider to say.
///
/// # Errors
///
/// [`TokenError::Asked`] with the certificate's place.
pub fn leaf_key(chain: &[Vec<u8>], now: Timestamp) -> Result<PublicKey, TokenError> {
    if chain.is_empty() || chain.len() > CERTIFICATES_MAX {
        let what = "must have from 1 to 5 certificates, the leaf first";
        return Err(TokenError::asked("certificates", what));
    }
    let read = |(place, der): (usize, &Vec<u8>)| {
        let certificate = Certificate::from_der(der).ok();
        let certificate = certificate.filter(|_| der.len() <= CERTIFICATE_BYTES_MAX);
        let what = "is no X.509 certificate: send its DER form in base64";
        certificate.ok_or_else(|| wrong(place, what))
    };
    let chain: Result<Vec<_>, _> = chain.iter().enumerate().map(read).collect();
    let chain = chain?;
    for (place, certificate) in chain.iter().enumerate() {
        require_valid(certificate, now).map_err(|what| wrong(place, what))?;
    }
    for (place, (issued, issuer)) in chain.iter().zip(chain.iter().skip(1)).enumerate() {
        require_issued(issued, issuer).map_err(|what| wrong(place, what))?;
    }
    let leaf = chain.first().map(|leaf| leaf.tbs_certificate());
    let key = leaf.and_then(|leaf| p256_key(leaf.subject_public_key_info()));
    key.ok_or_else(|| wrong(0, "has no key on the curve P-256"))
}

fn wrong(place: usize, what: &'static str) -> TokenError {
    TokenError::asked(format!("certificates[{place}]"), what)
}

fn require_valid(certificate: &Certificate, now: Timestamp) -> Result<(), &'static str> {
    let validity = certificate.tbs_certificate().validity();
    let seconds = |time: &x509_cert::time::Time| time.to_unix_duration().as_secs();
    let now = u64::try_from(now.seconds()).unwrap_or(0);
    if now < seconds(&validity.not_before) {
        return Err("is not valid yet");
    }
    if now > seconds(&validity.not_after) {
        return Err("has expired");
    }
    Ok(())
}

/// Whether one certificate was issued by the other: by name, and by signature where that is ECDSA on
/// P-256 with SHA-256.
fn require_issued(issued: &Certificate, issuer: &Certificate) -> Result<(), &'static str> {
    let body = issued.tbs_certificate();
    if body.issuer() != issuer.tbs_certificate().subject() {
        return Err("was not issued by the one behind it: send the leaf first");
    }
    let key = p256_key(issuer.tbs_certificate().subject_public_key_info());
    let is_known = issued.signature_algorithm().oid == ECDSA_WITH_SHA256;
    let Some(key) = key.filter(|_| is_known) else {
        return Ok(());
    };
    let signature = issued.signature().as_bytes();
    let signature = signature.and_then(|bytes| DerSignature::from_bytes(bytes).ok());
    let signed = body.to_der().ok();
    let is_signed = signature.zip(signed).is_some_and(|(signature, signed)| {
        let key = VerifyingKey::from(&key);
        key.verify(&signed, &signature).is_ok()
    });
    if is_signed {
        Ok(())
    } else {
        Err("has a signature that is not of the one behind it")
    }
}

fn p256_key(info: &SubjectPublicKeyInfoOwned) -> Option<PublicKey> {
    if info.algorithm.oid != EC_PUBLIC_KEY {
        return None;
    }
    let curve = info.algorithm.parameters.as_ref()?;
    let curve: ObjectIdentifier = curve.decode_as().ok()?;
    if curve != P256_CURVE {
        return None;
    }
    PublicKey::from_sec1_bytes(info.subject_public_key.as_bytes()?).ok()
}
