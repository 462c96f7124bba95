//! Which assets pay: `default_asset`, `fallback_asset`, `currency_asset_map`.

use super::{
    MetadataError,
    read::{Fields, Node},
};
use crate::domain::{
    money::{Asset, Currency},
    policy::Terms,
};

/// The most assets listed for one currency, and the most currencies.
const LIST_MAX: usize = 64;

pub(super) fn asset_at(
    metadata: &Fields<'_>,
    key: &str,
    terms: &Terms,
) -> Result<Option<Asset>, MetadataError> {
    let node = metadata.get(key);
    node.map(|node| asset(&node, terms)).transpose()
}

pub(super) fn currency_map(
    metadata: &Fields<'_>,
    terms: &Terms,
) -> Result<Vec<(Currency, Vec<Asset>)>, MetadataError> {
    let Some(node) = metadata.get("currency_asset_map") else {
        return Ok(Vec::new());
    };
    let known = node.value.as_object().filter(|map| map.len() <= LIST_MAX);
    if known.is_none() {
        let what = format!("must be an object of at most {LIST_MAX} currencies");
        return Err(node.wrong(what));
    }
    let entries = node.object()?;
    let entries = entries
        .nodes()
        .map(|(code, node)| entry(code, &node, terms));
    let mut map: Vec<_> = entries.collect::<Result<_, _>>()?;
    map.sort_by_key(|(currency, _)| *currency);
    Ok(map)
}

fn entry(
    code: &str,
    node: &Node<'_>,
    terms: &Terms,
) -> Result<(Currency, Vec<Asset>), MetadataError> {
    let currency = code
        .parse()
        .map_err(|_| node.wrong("is no ISO 4217 currency code such as USD"))?;
    let assets = node
        .some(LIST_MAX)
        .map_err(|_| node.wrong("must be a list of assets such as [\"DUSD/6\"]"))?;
    let assets = assets.iter().map(|node| asset(node, terms));
    Ok((currency, assets.collect::<Result<_, _>>()?))
}

fn asset(node: &Node<'_>, terms: &Terms) -> Result<Asset, MetadataError> {
    let text = node
        .text()
        .map_err(|_| node.wrong("must be an asset such as \"DUSD/6\""))?;
    // A code of ISO 4217 alone names what a ledger balance counts.
    let bare = text.parse::<Currency>().ok();
    let bare = bare.and_then(|_| Asset::of_ledger(text).ok());
    let asset: Asset = match bare {
        Some(asset) => asset,
        None => text
            .parse()
            .map_err(|error| node.wrong(format!("is wrong: {error}")))?,
    };
    if terms.asset(asset).is_none() {
        let known: Vec<_> = terms
            .assets
            .iter()
            .map(|term| term.asset.to_string())
            .collect();
        let known = known.join(", ");
        return Err(node.wrong(format!("is unknown: {asset}; one of {known}")));
    }
    Ok(asset)
}
