//! Who is named: accounts here, and treasuries of the house.

use std::sync::Arc;

use super::{MetadataError, read::Node};
use crate::domain::{ids::AccountNo, money::shown};

/// What the URNs of accounts here begin with.
const ACCOUNT: &str = "did:bloque:account:";
/// The longest URN.
const URN_BYTES_MAX: usize = 255;

/// The URN of an account here. Whether it exists and is the holder's own, its actor says.
pub(super) fn account(node: &Node<'_>) -> Result<(AccountNo, Arc<str>), MetadataError> {
    let text = node.text()?;
    let no = own(text).ok_or_else(|| {
        node.wrong(format!(
            "must be the URN of an account here, such as \
             did:bloque:account:virtual:usr-…:vrt-…, was {:?}",
            shown(text)
        ))
    })?;
    Ok((no, text.into()))
}

/// Who earns a fee: an account here, or else a treasury of the house, whatever it is called.
pub(super) fn payee(node: &Node<'_>) -> Result<(Option<AccountNo>, Arc<str>), MetadataError> {
    let text = node.text()?;
    if text.starts_with(ACCOUNT) {
        let (no, urn) = account(node)?;
        return Ok((Some(no), urn));
    }
    let mut parts = text.splitn(3, ':');
    let scheme = parts.next().unwrap_or_default();
    let is_urn = matches!(scheme, "urn" | "did")
        && parts.clone().count() == 2
        && parts.all(|part| !part.is_empty());
    if !is_urn || !is_short_and_graphic(text) {
        return Err(node.wrong(format!(
            "must be the URN of an account here or of a treasury, such as \
             urn:bloque:treasury:fx, was {:?}",
            shown(text)
        )));
    }
    Ok((None, text.into()))
}

fn own(text: &str) -> Option<AccountNo> {
    let mut parts = text.strip_prefix(ACCOUNT)?.split(':');
    let is_whole = parts.clone().count() == 3 && parts.all(|part| !part.is_empty());
    (is_whole && is_short_and_graphic(text))
        .then(|| text.parse().ok())
        .flatten()
}

fn is_short_and_graphic(text: &str) -> bool {
    text.len() <= URN_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic())
}
