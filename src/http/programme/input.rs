//! The body of `POST /api/mediums/…`.

use actix_web::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    super::{access, problem::Problem},
    problem::not_available,
};
use crate::{actors::registrar::Principal, domain::identity::is_alias};

/// The longest field of an address, in bytes.
const ADDRESS_BYTES_MAX: usize = 256;

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountRequest {
    /// `did:bloque:{origin}:{alias}`, of the key's own origin; a holder's token needs none.
    #[schema(example = "did:bloque:sandbox:demo")]
    pub holder_urn: Option<String>,
    /// Where events go: http or https, at most 2 KiB.
    pub webhook_url: Option<String>,
    /// The ledger account whose money to share; a new one if missing.
    #[schema(example = "ldg_…")]
    pub ledger_account_id: Option<String>,
    /// How to make it.
    #[serde(default)]
    pub input: Option<AccountInput>,
    /// Anything of the programme's own; some keys steer money. At most 32 KiB, 16 levels and 200
    /// keys.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
}

/// How to make it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountInput {
    /// The card's form.
    create: Option<CardInput>,
}

/// The card's form.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CardInput {
    /// VIRTUAL; no other is issued.
    #[schema(example = "VIRTUAL")]
    card_type: Option<String>,
    /// Checked and not kept: a virtual card is sent nowhere.
    card_address: Option<CardAddress>,
}

/// Where a card would be sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CardAddress {
    street_name: Option<String>,
    street_number: Option<String>,
    floor: Option<String>,
    apartment: Option<String>,
    city: Option<String>,
    region: Option<String>,
    country: Option<String>,
    zip_code: Option<String>,
    neighborhood: Option<String>,
}

/// Whose the account will be: the holder that is named, or the session's own.
///
/// # Errors
///
/// 400, 403.
pub fn holder_of(named: Option<&str>, caller: &Principal) -> Result<String, Problem> {
    let own = caller.holder.as_deref();
    let Some(urn) = named.or(own) else {
        let message = "holder_urn is missing: an origin's key has to say whose the account will be";
        return Err(Problem::malformed("holder_urn", message));
    };
    holder(urn, &caller.origin)?;
    if !access::may_see(caller, urn) {
        let message = "holder_urn is not the holder of this token";
        let mut problem = Problem::new(StatusCode::FORBIDDEN, "forbidden", message);
        problem.field = Some("holder_urn".to_owned());
        return Err(problem);
    }
    Ok(urn.to_owned())
}

/// Checks a holder's URN.
///
/// # Errors
///
/// 400, or 403 for another origin's.
pub fn holder(urn: &str, origin: &str) -> Result<(), Problem> {
    let parts: Vec<&str> = urn.split(':').collect();
    let ["did", "bloque", of, alias] = parts.as_slice() else {
        let message = "holder_urn must be did:bloque:{origin}:{alias}";
        return Err(Problem::malformed("holder_urn", message));
    };
    if !is_alias(alias) {
        let message = "holder_urn must end in an alias of 1 to 128 letters, digits or -_.@+~";
        return Err(Problem::malformed("holder_urn", message));
    }
    if *of != origin {
        let message = "holder_urn is a holder of another origin than the key's";
        let mut problem = Problem::new(StatusCode::FORBIDDEN, "forbidden", message);
        problem.field = Some("holder_urn".to_owned());
        return Err(problem);
    }
    Ok(())
}

/// Checks how the account is to be made.
///
/// # Errors
///
/// 400 with the field; 422 for a physical card.
pub fn check_input(input: Option<&AccountInput>, is_card: bool) -> Result<(), Problem> {
    let Some(card) = input.and_then(|input| input.create.as_ref()) else {
        return Ok(());
    };
    if !is_card {
        let message = "input.create is for cards only";
        return Err(Problem::malformed("input.create", message));
    }
    match card.card_type.as_deref() {
        None | Some("VIRTUAL") => {}
        Some("PHYSICAL") => return Err(not_available("input.create.card_type")),
        Some(_) => {
            let message = "input.create.card_type must be VIRTUAL";
            return Err(Problem::malformed("input.create.card_type", message));
        }
    }
    card.card_address.as_ref().map_or(Ok(()), check_address)
}

fn check_address(address: &CardAddress) -> Result<(), Problem> {
    let fields = [
        ("street_name", &address.street_name),
        ("street_number", &address.street_number),
        ("floor", &address.floor),
        ("apartment", &address.apartment),
        ("city", &address.city),
        ("region", &address.region),
        ("country", &address.country),
        ("zip_code", &address.zip_code),
        ("neighborhood", &address.neighborhood),
    ];
    for (name, value) in fields {
        let len = value.as_ref().map_or(0, String::len);
        if len > ADDRESS_BYTES_MAX {
            let field = format!("input.create.card_address.{name}");
            let message = format!("{field} must have at most {ADDRESS_BYTES_MAX} bytes");
            return Err(Problem::malformed(field, message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders() {
        let check = |urn: &str| holder(urn, "acme").err().map(|p| p.status.as_u16());
        assert_eq!(check("did:bloque:acme:user-1"), None);
        assert_eq!(check("did:bloque:acme:a@b.example"), None);
        assert_eq!(check("did:bloque:other:user-1"), Some(403));
        for urn in [
            "",
            "did:bloque:acme",
            "did:bloque:acme:",
            "did:bloque:acme:a:b",
            "x:y:acme:a",
        ] {
            assert_eq!(check(urn), Some(400), "{urn}");
        }
        assert_eq!(check("did:bloque:acme:a b"), Some(400));
        assert_eq!(
            check(&format!("did:bloque:acme:{}", "a".repeat(129))),
            Some(400)
        );
    }
}
