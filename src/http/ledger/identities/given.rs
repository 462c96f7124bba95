//! What may be given of an identity.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::{
    fault::Fault,
    reply::{broken, check_metadata, check_text},
};
use crate::{
    books::identity::{Identity, TEXTS},
    domain::time::Timestamp,
    vault::{Vault, VaultError},
};

/// The longest of its texts, in bytes.
const TEXT_BYTES_MAX: usize = 512;

/// What is given of an identity. What else the clients send is passed over.
#[derive(Deserialize, ToSchema)]
pub struct Given {
    /// `idt_` and a UUID; one is made if none is given.
    pub(super) identity_id: Option<String>,
    /// individual or organization.
    identity_type: Option<String>,
    /// Of an organization.
    organization_name: Option<String>,
    /// The caller's own word for what kind it is.
    category: Option<String>,
    /// Of a person.
    first_name: Option<String>,
    /// Of a person.
    last_name: Option<String>,
    /// Of a person.
    other_names: Option<String>,
    /// male, female or other.
    gender: Option<String>,
    /// When born: RFC 3339.
    dob: Option<String>,
    /// Where mail goes.
    email_address: Option<String>,
    /// Where calls go.
    phone_number: Option<String>,
    /// Where from.
    nationality: Option<String>,
    /// Of the address.
    street: Option<String>,
    /// Of the address.
    country: Option<String>,
    /// Of the address.
    state: Option<String>,
    /// Of the address.
    post_code: Option<String>,
    /// Of the address.
    city: Option<String>,
    /// The caller's own data.
    #[schema(value_type = Option<Object>)]
    meta_data: Option<Map<String, Value>>,
}

impl Given {
    fn text(&self, name: &str) -> Option<&String> {
        let text = match name {
            "organization_name" => &self.organization_name,
            "category" => &self.category,
            "first_name" => &self.first_name,
            "last_name" => &self.last_name,
            "other_names" => &self.other_names,
            "gender" => &self.gender,
            "dob" => &self.dob,
            "email_address" => &self.email_address,
            "phone_number" => &self.phone_number,
            "nationality" => &self.nationality,
            "street" => &self.street,
            "country" => &self.country,
            "state" => &self.state,
            "post_code" => &self.post_code,
            "city" => &self.city,
            _ => &None,
        };
        text.as_ref()
    }

    /// Refuses what cannot be. A new one must say what it is.
    pub(super) fn check(&self, is_new: bool) -> Result<(), Fault> {
        let wrong = |field: &str, message: &str| {
            Err(Fault::invalid("GEN_VALIDATION_ERROR", field, message))
        };
        match self.identity_type.as_deref() {
            Some("individual" | "organization") => {}
            None if !is_new => {}
            _ => {
                let message = "identity_type must be individual or organization";
                return wrong("identity_type", message);
            }
        }
        for name in TEXTS {
            if let Some(text) = self.text(name) {
                check_text(name, text, TEXT_BYTES_MAX)?;
            }
        }
        let gender = self.gender.as_deref().unwrap_or_default();
        if !["", "male", "female", "other"].contains(&gender) {
            return wrong("gender", "gender must be male, female or other");
        }
        let dob = self.dob.as_deref().unwrap_or_default().trim();
        if !dob.is_empty() && dob.parse::<Timestamp>().is_err() {
            return wrong(
                "dob",
                "dob must be an RFC 3339 time such as 1990-01-31T00:00:00Z",
            );
        }
        self.meta_data.as_ref().map_or(Ok(()), check_metadata)
    }
}

pub(super) fn not_sealed(error: &VaultError) -> Fault {
    tracing::error!(%error, "a field of an identity cannot be sealed or opened");
    broken("identity")
}

impl Given {
    /// Puts what is given into an identity; `name` is that of its document.
    pub(super) fn put_into(
        &self,
        identity: &mut Identity,
        vault: &Vault,
        name: &str,
    ) -> Result<(), Fault> {
        if let Some(kind) = &self.identity_type {
            identity.identity_type.clone_from(kind);
        }
        if let Some(data) = &self.meta_data {
            identity.meta_data.clone_from(data);
        }
        for field in TEXTS {
            if let Some(text) = self.text(field) {
                let put = identity.put((field, text), vault, name);
                put.map_err(|error| not_sealed(&error))?;
            }
        }
        Ok(())
    }
}
