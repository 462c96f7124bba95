//! What is set aside for the cardholder: `cashback_programs`.
//!
//! Source: Bloque SDK 0.10.

use super::{
    MetadataError, fees, names,
    read::{Fields, Node, no_twice},
};
use crate::domain::{
    hold::FeeBasis,
    policy::cashback::{Programme, ProgrammeKind},
};

/// The most programmes of a card.
const PROGRAMMES_MAX: usize = 8;

const KEYS: [&str; 5] = [
    "program_name",
    "type",
    "target_pocket_urn",
    "fee_type",
    "value",
];

pub(super) fn read(metadata: &Fields<'_>) -> Result<Vec<Programme>, MetadataError> {
    let Some(node) = metadata.get("cashback_programs") else {
        return Ok(Vec::new());
    };
    let members = node.list(PROGRAMMES_MAX)?;
    let programmes: Vec<_> = members.iter().map(programme).collect::<Result<_, _>>()?;
    no_twice(
        programmes.iter().map(|one| &one.name),
        &members,
        ".program_name",
    )?;
    Ok(programmes)
}

fn programme(node: &Node<'_>) -> Result<Programme, MetadataError> {
    let fields = node.fields(&KEYS)?;
    let name = fields.require("program_name")?.name(fees::NAME_MAX)?.into();
    let is_round_up = fields
        .require("type")?
        .word(&[("extra_savings", false), ("round_up", true)])?;
    let kind = if is_round_up {
        if let Some(key) = ["fee_type", "value"]
            .into_iter()
            .find(|key| fields.get(key).is_some())
        {
            let what = "must not be given: round_up takes what is missing to the next unit";
            return Err(fields.wrong(key, what.to_owned()));
        }
        ProgrammeKind::RoundUp
    } else {
        let basis = fields.require("fee_type")?.word(&fees::BASES)?;
        let value = fields.require("value")?;
        let value = match basis {
            FeeBasis::Percentage => fees::fraction(&value)?,
            FeeBasis::Flat => value.number()?,
        };
        ProgrammeKind::ExtraSavings { basis, value }
    };
    let (target, target_urn) = names::account(&fields.require("target_pocket_urn")?)?;
    Ok(Programme {
        name,
        kind,
        target,
        target_urn,
    })
}
