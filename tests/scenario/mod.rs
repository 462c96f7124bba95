//! Runs scenario lines: `verb words option=value +flag => answer`.
//!
//! Amounts of an asset are shown as decimals (`50`, `0.72`), or in smallest units with `+minor`.
//! Every scenario begins with the card `C` (its own money, DUSD/6) in group 1.

mod answer;
mod ask;

use std::{collections::BTreeMap, fmt::Write as _};

use cardwright::domain::{
    command::Transfer,
    ids::{AccountNo, ActorId, AuthorizationId},
    money::{Asset, Decimal},
    posting::Posting,
};

use crate::books::{asset, shell::Shell, terms};

/// Runs `lines` and reports every answer that is not the expected one.
pub(crate) fn check(lines: &str) {
    let mut world = World::with_card();
    let mut wrong = String::new();
    for (number, line) in lines.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let (asked, expected) = line.split_once("=>").expect("a line is `asked => answer`");
        let got = world.ask(&Line::read(asked));
        if got != expected.trim() {
            let number = number + 1;
            let asked = asked.trim();
            let _ = writeln!(
                wrong,
                "line {number}: {asked}\n  expected {}\n  got      {got}",
                expected.trim()
            );
        }
    }
    world.shell.check_fees_and_settlement();
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// One line, taken apart.
pub(crate) struct Line<'a> {
    pub(crate) verb: &'a str,
    pub(crate) words: Vec<&'a str>,
    options: BTreeMap<&'a str, &'a str>,
    flags: Vec<&'a str>,
}

impl<'a> Line<'a> {
    fn read(text: &'a str) -> Self {
        let mut line = Self {
            verb: "",
            words: Vec::new(),
            options: BTreeMap::new(),
            flags: Vec::new(),
        };
        for word in text.split_whitespace() {
            if line.verb.is_empty() {
                line.verb = word;
            } else if let Some((name, value)) = word.split_once('=') {
                line.options.insert(name, value);
            } else if let Some(flag) = word.strip_prefix('+') {
                line.flags.push(flag);
            } else {
                line.words.push(word);
            }
        }
        line
    }

    pub(crate) fn option(&self, name: &str) -> Option<&'a str> {
        self.options.get(name).copied()
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.flags.contains(&name)
    }

    pub(crate) fn asset(&self) -> Asset {
        asset(self.option("asset").unwrap_or("DUSD/6"))
    }
}

/// The state behind a scenario, and the names it uses.
pub(crate) struct World {
    pub(crate) shell: Shell,
    pub(crate) accounts: BTreeMap<String, (ActorId, AccountNo)>,
    pub(crate) authorizations: BTreeMap<String, AuthorizationId>,
    pub(crate) refunds: BTreeMap<String, (AuthorizationId, u64)>,
    pub(crate) transfers: BTreeMap<String, Transfer>,
    pub(crate) postings: Vec<Posting>,
}

impl World {
    /// Nothing but the card `C`.
    pub(crate) fn with_card() -> Self {
        let mut world = Self {
            shell: Shell::new(terms()),
            accounts: BTreeMap::new(),
            authorizations: BTreeMap::new(),
            refunds: BTreeMap::new(),
            transfers: BTreeMap::new(),
            postings: Vec::new(),
        };
        let opened = world.ask(&Line::read("open C"));
        assert_eq!(opened, "opened");
        world
    }

    pub(crate) fn account(&self, name: &str) -> (ActorId, AccountNo) {
        let known = self.accounts.get(name).copied();
        known.unwrap_or((ActorId(1), AccountNo(9_999)))
    }
}

/// Smallest units as a decimal without zeros at its end.
pub(crate) fn decimal(minor: i128, asset: Asset) -> String {
    let scale = asset.decimals();
    Decimal {
        mantissa: minor,
        scale,
    }
    .trimmed()
    .to_string()
}
