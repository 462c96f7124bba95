//! What a smart card draws on: `spending_control`, `priority_mcc`, `mcc_whitelist`.
//!
//! Source: Bloque docs, Smart Spending Control.

use super::{
    MetadataError, names,
    read::{Fields, Node, no_twice},
};
use crate::domain::{
    merchant::Mcc,
    policy::{Pocket, Whitelist},
};

/// The most pockets of a card.
const POCKETS_MAX: usize = 32;
/// The most codes of one list.
const CODES_MAX: usize = 1_024;
/// The longest address.
const URL_BYTES_MAX: usize = 2_048;

/// The pockets in order; none with the default control, which passes over what it says of them, so
/// that a card can change between the two by the one key.
pub(super) fn read(metadata: &Fields<'_>) -> Result<Vec<Pocket>, MetadataError> {
    let control = metadata.get("spending_control");
    let control = control.map(|node| node.word(&[("default", false), ("smart", true)]));
    if !control.transpose()?.unwrap_or(false) {
        return Ok(Vec::new());
    }
    let members = metadata.require("priority_mcc")?.some(POCKETS_MAX)?;
    let mut pockets: Vec<_> = members.iter().map(pocket).collect::<Result<_, _>>()?;
    no_twice(pockets.iter().map(|pocket| pocket.account), &members, "")?;
    let Some(lists) = metadata.get("mcc_whitelist") else {
        return Ok(pockets);
    };
    for (urn, node) in lists.object()?.nodes() {
        let pocket = pockets.iter_mut().find(|pocket| *pocket.urn == *urn);
        let pocket = pocket.ok_or_else(|| {
            node.wrong("is for no pocket of the card: the key must be one of priority_mcc")
        })?;
        if !node.value.is_null() {
            pocket.whitelist = Some(whitelist(&node)?);
        }
    }
    Ok(pockets)
}

fn pocket(node: &Node<'_>) -> Result<Pocket, MetadataError> {
    let (account, urn) = names::account(node)?;
    Ok(Pocket {
        account,
        urn,
        whitelist: None,
    })
}

fn whitelist(node: &Node<'_>) -> Result<Whitelist, MetadataError> {
    if let Some(text) = node.value.as_str() {
        if !is_url(text) {
            return Err(node.wrong("must be an http or https URL, or a list of codes"));
        }
        return Ok(Whitelist::Url(text.into()));
    }
    let members = node.list(CODES_MAX)?;
    let mut codes: Vec<_> = members.iter().map(code).collect::<Result<_, _>>()?;
    codes.sort_unstable();
    codes.dedup();
    Ok(Whitelist::Codes(codes))
}

/// A code of four digits: a text, or a number that has four.
pub(super) fn code(node: &Node<'_>) -> Result<Mcc, MetadataError> {
    let number = || {
        let number = node.value.as_u64().filter(|number| *number >= 1_000);
        number
            .and_then(|number| u16::try_from(number).ok())
            .and_then(Mcc::new)
    };
    let text = || node.value.as_str().and_then(|text| text.parse().ok());
    text().or_else(number).ok_or_else(|| {
        node.wrong("must be a merchant category code of four digits such as \"5411\"")
    })
}

/// An absolute address without a name and password in it, in characters that need no escape.
fn is_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    host.is_some_and(|host| !host.is_empty() && !host.starts_with(':') && !host.contains('@'))
        && text.len() <= URL_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}
