//! Settings that programmes and operators make while the house runs: small JSON documents, each on a
//! shelf under a name. What a document means is known to whoever reads its shelf. Pure.

use std::{collections::BTreeMap, sync::Arc};

/// Where a document stands: what kind it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shelf {
    /// An endpoint for webhooks, by its id.
    Endpoint,
    /// Who is asked before an approval, by origin.
    Decision,
    /// What an origin wants verified before what, by origin.
    CompliancePolicy,
    /// What is verified of a holder, by its URN.
    Verification,
    /// How much of its tier a holder has used, by its URN.
    Consumption,
    /// Keys of the vault that are sealed under another, by name.
    Vault,
    /// How an origin's holders are told of purchases, by origin.
    Notice,
    /// The secrets that an origin's webhooks are signed with, sealed, by origin.
    WebhookSecrets,
    /// A ledger of the ledger face, by origin and id.
    Ledger,
    /// An identity of the ledger face, by origin and id.
    LedgerIdentity,
    /// A watch on a balance, by origin and id.
    Monitor,
    /// Somebody who is called before or after a transaction, by origin and id.
    Hook,
    /// A rule by which external records are matched, by origin and id.
    MatchingRule,
    /// A reconciliation, by origin and id.
    Reconciliation,
    /// What the ledger face knows of a key beside what every key has, by the key's id.
    LedgerKey,
}

impl Shelf {
    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Decision => "decision",
            Self::CompliancePolicy => "compliance_policy",
            Self::Verification => "verification",
            Self::Consumption => "consumption",
            Self::Vault => "vault",
            Self::Notice => "notice",
            Self::WebhookSecrets => "webhook_secrets",
            Self::Ledger => "ledger",
            Self::LedgerIdentity => "ledger_identity",
            Self::Monitor => "monitor",
            Self::Hook => "hook",
            Self::MatchingRule => "matching_rule",
            Self::Reconciliation => "reconciliation",
            Self::LedgerKey => "ledger_key",
        }
    }
}

/// Every document, by shelf and name: JSON texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Documents(BTreeMap<(Shelf, Box<str>), Arc<str>>);

impl Documents {
    /// The one of that name.
    #[must_use]
    pub fn get(&self, shelf: Shelf, name: &str) -> Option<&Arc<str>> {
        self.0.get(&(shelf, name.into()))
    }

    /// Sets one, or removes it.
    pub fn set(&mut self, shelf: Shelf, name: &str, text: Option<Arc<str>>) {
        match text {
            Some(text) => self.0.insert((shelf, name.into()), text),
            None => self.0.remove(&(shelf, name.into())),
        };
    }

    /// All, in the order of their shelves and names.
    pub fn iter(&self) -> impl Iterator<Item = (Shelf, &str, &Arc<str>)> {
        self.0
            .iter()
            .map(|((shelf, name), text)| (*shelf, &**name, text))
    }

    /// Those of one shelf, in the order of their names.
    pub fn of(&self, wanted: Shelf) -> impl Iterator<Item = (&str, &Arc<str>)> {
        self.under(wanted, "")
    }

    /// Those of one shelf whose names begin so, in the order of their names.
    pub fn under<'a>(
        &'a self,
        wanted: Shelf,
        prefix: &str,
    ) -> impl Iterator<Item = (&'a str, &'a Arc<str>)> + use<'a> {
        let prefix: Box<str> = prefix.into();
        let from = self.0.range((wanted, prefix.clone())..);
        let fits =
            move |(shelf, name): &(Shelf, Box<str>)| *shelf == wanted && name.starts_with(&*prefix);
        from.take_while(move |(key, _)| fits(key))
            .map(|((_, name), text)| (&**name, text))
    }
}
