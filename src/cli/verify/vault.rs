//! Holds the vault's keys against what the log has sealed.

use std::{
    env,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::{
    replay::verify::{
        Verdict,
        finding::{Check, Severity, Spot},
    },
    vault::{
        VaultError,
        file::{KeyPlace, open_vault},
    },
};

/// Opens, as a start does, what is sealed under the active key. Keys that lie elsewhere and are not named are not
/// missed: nothing here says where the server has them.
pub(super) fn check(dir: &Path, key_file: Option<&Path>, verdict: &mut Verdict) {
    let Some(document) = verdict.sealed.take() else {
        return;
    };
    let environment = env::var("CARDWRIGHT_VAULT_KEY").ok().map(Zeroizing::new);
    let named = key_file.map(|path| path.display().to_string());
    let place = KeyPlace {
        environment: environment.as_deref().map(String::as_str),
        key_file: named.as_deref().unwrap_or_default(),
        data_dir: dir,
    };
    let is_named = environment.is_some() || named.is_some();
    let (severity, what) = match open_vault(&place, Some(&document)) {
        Ok(_) => return,
        Err(VaultError::Lost { .. }) if !is_named => (
            Severity::Info,
            "there is no vault.keys here, so whether the keys open what is sealed was not looked at"
                .to_owned(),
        ),
        Err(error) => (Severity::Damage, error.to_string()),
    };
    let file = named.map_or_else(|| PathBuf::from("vault.keys"), PathBuf::from);
    let spot = Spot {
        file: environment
            .is_none()
            .then(|| file.display().to_string().into()),
        ..Spot::default()
    };
    verdict.findings.push(severity, Check::Vault, spot, what);
}
