//! What the tests of the domain share.
#![allow(dead_code, reason = "each test uses its own part of this")]

pub(crate) mod shell;
pub(crate) mod told;

use cardwright::domain::{
    hold::FeeCategory,
    money::{Asset, Currency},
    policy::{AssetTerm, Terms, fees::FeeTerm},
};

pub(crate) fn asset(text: &str) -> Asset {
    text.parse().unwrap()
}

pub(crate) fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

/// Who earns the fees of [`terms`].
pub(crate) const TREASURY: &str = "did:bloque:account:virtual:usr-house:fees";

/// The house's terms: pegged assets from coarse to fine, one that equals no currency, interchange.
pub(crate) fn terms() -> Terms {
    let known = |text: &str, code: &str| AssetTerm {
        asset: asset(text),
        pegged: code.parse().ok(),
    };
    Terms {
        assets: vec![
            known("DUSD/6", "USD"),
            known("UNIT/0", "USD"),
            known("FINE/18", "USD"),
            known("COPM/2", "COP"),
            known("YEN/0", "JPY"),
            known("BHDX/1", "BHD"),
            known("KSM/12", ""),
        ],
        default_asset: asset("DUSD/6"),
        fees: vec![FeeTerm {
            category: FeeCategory::Interchange,
            ..FeeTerm::percentage("interchange", TREASURY, "0.0144".parse().unwrap())
        }],
        hold_seconds: 7 * 86_400,
        hold_seconds_by_mcc: vec![(
            "7011".parse().unwrap(),
            "7012".parse().unwrap(),
            30 * 86_400,
        )],
        over_capture: "0.1".parse().unwrap(),
        rate_age_seconds_max: 86_400,
        base_currency: "USD".parse().unwrap(),
    }
}
