//! What is verified of a holder, and which level that comes to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::policy::{Gate, Kind, Level, Policy, Requirement};
use crate::domain::time::Timestamp;

/// How a requirement stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing came.
    #[default]
    Missing,
    /// It came, and somebody looks at it.
    Pending,
    /// It is verified.
    Satisfied,
    /// It came and was refused: it is wanted again.
    Rejected,
}

impl Standing {
    /// The word the SDK knows. Source: Bloque SDK, tier status.
    #[must_use]
    pub const fn tier_word(self) -> &'static str {
        match self {
            Self::Satisfied => "satisfied",
            Self::Pending => "pending_review",
            Self::Missing | Self::Rejected => "not_satisfied",
        }
    }
}

/// How the verification of an identity, as a whole, stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It has not ended.
    #[default]
    AwaitingComplianceVerification,
    /// It is whoever it says.
    Approved,
    /// It is not.
    Rejected,
}

impl Outcome {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::AwaitingComplianceVerification => "awaiting_compliance_verification",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}

/// What is known of one requirement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// How it stands.
    pub status: Standing,
    /// Since when: RFC 3339.
    pub at: String,
    /// Who said so: `operator`, `provider`, `sandbox`.
    pub by: String,
}

/// What is verified of a holder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerificationFile {
    /// `kyc` or `kyb`, once it was started.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// When it was started: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// How it stands.
    #[serde(rename = "status", default)]
    pub outcome: Outcome,
    /// Who verifies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// When it ended: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// By key of the requirement, also of those that no policy has any more.
    #[serde(default)]
    pub requirements: BTreeMap<String, Mark>,
}

/// What is to change.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The whole verification of the identity.
    pub outcome: Option<Outcome>,
    /// Single requirements, after it.
    pub requirements: BTreeMap<String, Standing>,
}

/// A level with how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelStanding<'a> {
    /// The level.
    pub level: &'a Level,
    /// Whether all that it wants is verified.
    pub is_satisfied: bool,
}

/// What keeps a holder from a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap<'a> {
    /// The highest level it has; none if not even the lowest.
    pub current: Option<u32>,
    /// The level it needs.
    pub required: u32,
    /// What is not verified up to there, pending or not.
    pub missing: Vec<&'a Requirement>,
    /// Those of them that came and are looked at.
    pub pending: Vec<&'a Requirement>,
}

impl Gap<'_> {
    /// Whether nothing is left for the holder to do.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        !self.missing.is_empty() && self.missing.len() == self.pending.len()
    }
}

impl VerificationFile {
    /// How a requirement stands.
    #[must_use]
    pub fn standing(&self, key: &str) -> Standing {
        let mark = self.requirements.get(key);
        mark.map_or(Standing::Missing, |mark| mark.status)
    }

    fn has_all_of(&self, level: &Level) -> bool {
        let mut wanted = level.requirements.iter();
        wanted.all(|wanted| self.standing(&wanted.key) == Standing::Satisfied)
    }

    /// Every level with how it stands, from the lowest.
    #[must_use]
    pub fn levels<'a>(&self, policy: &'a Policy) -> Vec<LevelStanding<'a>> {
        let standing = |level: &'a Level| LevelStanding {
            level,
            is_satisfied: self.has_all_of(level),
        };
        policy.levels.iter().map(standing).collect()
    }

    /// The highest level that is satisfied with all below it.
    #[must_use]
    pub fn effective<'a>(&self, policy: &'a Policy) -> Option<&'a Level> {
        let levels = policy.levels.iter();
        levels.take_while(|level| self.has_all_of(level)).last()
    }

    /// The level whose limits count: the one it has, and the lowest for whoever has not even that.
    #[must_use]
    pub fn limiting<'a>(&self, policy: &'a Policy) -> Option<&'a Level> {
        self.effective(policy).or_else(|| policy.levels.first())
    }

    /// What is missing up to a level.
    #[must_use]
    pub fn gap<'a>(&self, policy: &'a Policy, required: u32) -> Option<Gap<'a>> {
        let current = self.effective(policy).map(|level| level.level);
        if current.is_some_and(|current| current >= required) {
            return None;
        }
        let below = policy.levels.iter().filter(|level| level.level <= required);
        let wanted = below.flat_map(|level| &level.requirements);
        let missing: Vec<_> = wanted
            .filter(|wanted| self.standing(&wanted.key) != Standing::Satisfied)
            .collect();
        let is_pending = |wanted: &&&Requirement| self.standing(&wanted.key) == Standing::Pending;
        let pending = missing.iter().filter(is_pending).copied().collect();
        Some(Gap {
            current,
            required,
            missing,
            pending,
        })
    }

    /// What keeps the holder from a gate; nothing if it is open.
    #[must_use]
    pub fn gap_at<'a>(&self, policy: &'a Policy, gate: Gate) -> Option<Gap<'a>> {
        let required = policy.gates.get(&gate)?;
        self.gap(policy, *required)
    }

    /// The same, started; a verification that was refused may be tried again.
    #[must_use]
    pub fn started(mut self, policy: &Policy, kind: Kind, now: Timestamp) -> Self {
        self.provider = Some(policy.provider().to_owned());
        if self.kind != Some(kind) || self.started_at.is_none() {
            self.kind = Some(kind);
            self.started_at = Some(now.to_string());
        }
        self
    }

    /// The same after a change; a key that says nothing new keeps its time.
    #[must_use]
    pub fn changed(mut self, policy: &Policy, change: &Change, by: &str, now: Timestamp) -> Self {
        let mut new = BTreeMap::new();
        if let Some(outcome) = change.outcome {
            let status = match outcome {
                Outcome::Approved => Standing::Satisfied,
                Outcome::Rejected => Standing::Rejected,
                Outcome::AwaitingComplianceVerification => Standing::Missing,
            };
            let identity = policy
                .requirements()
                .filter(|known| known.kind.is_identity());
            new.extend(identity.map(|known| (known.key.clone(), status)));
        }
        new.extend(
            change
                .requirements
                .iter()
                .map(|(key, status)| (key.clone(), *status)),
        );
        for (key, status) in new {
            if self.standing(&key) != status || !self.requirements.contains_key(&key) {
                let (at, by) = (now.to_string(), by.to_owned());
                self.requirements.insert(key, Mark { status, at, by });
            }
        }
        let said = change.outcome.unwrap_or(self.outcome);
        let outcome = self.outcome_by(policy).unwrap_or(said);
        if outcome != self.outcome {
            let has_ended = outcome != Outcome::AwaitingComplianceVerification;
            self.completed_at = has_ended.then(|| now.to_string());
            self.outcome = outcome;
        }
        self.provider = Some(policy.provider().to_owned());
        self
    }

    /// How the requirements say that it ended; nothing if the policy has none of identity.
    fn outcome_by(&self, policy: &Policy) -> Option<Outcome> {
        let identity = policy
            .requirements()
            .filter(|known| known.kind.is_identity());
        let standings: Vec<_> = identity.map(|known| self.standing(&known.key)).collect();
        if standings.is_empty() {
            return None;
        }
        if standings.contains(&Standing::Rejected) {
            return Some(Outcome::Rejected);
        }
        if standings.iter().all(|one| *one == Standing::Satisfied) {
            return Some(Outcome::Approved);
        }
        Some(Outcome::AwaitingComplianceVerification)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        serde_json::from_str(
            r#"{"levels":[{"level":0,"name":"Registered"},
                {"level":1,"name":"Basic","requirements":[{"key":"identity","kind":"kyc"}]},
                {"level":2,"name":"Full","requirements":[{"key":"income","kind":"document"}]}],
                "gates":{"transfer":2,"create_card":1}}"#,
        )
        .expect("a policy")
    }

    fn change(outcome: Option<Outcome>, requirements: &[(&str, Standing)]) -> Change {
        let requirements = requirements.iter();
        let requirements = requirements.map(|(key, status)| ((*key).to_owned(), *status));
        Change {
            outcome,
            requirements: requirements.collect(),
        }
    }

    fn keys<'a>(list: &[&'a Requirement]) -> Vec<&'a str> {
        list.iter().map(|one| one.key.as_str()).collect()
    }

    #[test]
    fn levels_are_climbed_in_order() {
        let (policy, file) = (policy(), VerificationFile::default());
        let now = Timestamp::from_micros(1);
        let gap = file.gap_at(&policy, Gate::Transfer).expect("a gap");
        assert_eq!((gap.current, gap.required), (Some(0), 2));
        assert_eq!(keys(&gap.missing), ["identity", "income"]);
        assert!(!gap.is_pending());
        assert!(file.gap_at(&policy, Gate::Tokenize).is_none());
        // The second level alone lifts nobody.
        let income = change(None, &[("income", Standing::Satisfied)]);
        let file = file.changed(&policy, &income, "operator", now);
        assert_eq!(file.effective(&policy).map(|level| level.level), Some(0));
        assert_eq!(file.outcome, Outcome::default());
        let file = file.changed(
            &policy,
            &change(None, &[("identity", Standing::Pending)]),
            "provider",
            now,
        );
        let gap = file.gap_at(&policy, Gate::Transfer).expect("a gap");
        assert!(gap.is_pending());
        let approved = change(Some(Outcome::Approved), &[]);
        let file = file.changed(&policy, &approved, "provider", now.next());
        assert_eq!(file.effective(&policy).map(|level| level.level), Some(2));
        assert!(file.gap_at(&policy, Gate::Transfer).is_none());
        assert_eq!(file.outcome, Outcome::Approved);
        assert_eq!(file.completed_at, Some(now.next().to_string()));
        let again = file
            .clone()
            .changed(&policy, &approved, "operator", now.next().next());
        assert_eq!(again, file, "nothing new, nothing changed");
    }

    #[test]
    fn a_taken_back_requirement_closes_the_gate_again() {
        let policy = policy();
        let now = Timestamp::from_micros(1);
        let approved = change(Some(Outcome::Approved), &[]);
        let file = VerificationFile::default().changed(&policy, &approved, "operator", now);
        assert!(file.gap_at(&policy, Gate::CreateCard).is_none());
        let missing = change(None, &[("identity", Standing::Missing)]);
        let file = file.changed(&policy, &missing, "operator", now);
        assert!(file.gap_at(&policy, Gate::CreateCard).is_some());
        assert_eq!(
            (file.outcome, file.completed_at),
            (Outcome::default(), None)
        );
    }

    #[test]
    fn without_a_policy_the_outcome_alone_is_kept() {
        let rejected = change(Some(Outcome::Rejected), &[]);
        let now = Timestamp::from_micros(1);
        let policy = Policy::default();
        let file = VerificationFile::default().changed(&policy, &rejected, "operator", now);
        assert_eq!(file.outcome, Outcome::Rejected);
        assert!(file.requirements.is_empty());
    }
}
