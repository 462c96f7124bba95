//! Whether the programme is asked before a purchase is final, and what came of it.

use super::outcome::DeclineReason;

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// The purchase stands.
    Approved,
    /// It does not: all that was held is let go.
    Declined,
}

impl Ruling {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Declined => "declined",
        }
    }
}

/// Who decided: the programme, or its fallback and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decider {
    /// The programme's endpoint.
    Programme,
    /// The fallback: no answer came in time.
    Timeout,
    /// The fallback: what came was no answer, or nothing could be reached.
    Fault,
    /// The fallback: too many questions were waiting already.
    Overload,
    /// The fallback: the server stopped between the hold and the answer, and nobody asked again.
    Abandoned,
}

impl Decider {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Programme => "programme",
            Self::Timeout => "timeout",
            Self::Fault => "fault",
            Self::Overload => "overload",
            Self::Abandoned => "abandoned",
        }
    }

    /// Every decider.
    pub const ALL: [Self; 5] = [
        Self::Programme,
        Self::Timeout,
        Self::Fault,
        Self::Overload,
        Self::Abandoned,
    ];
}

/// The longest reason that is kept, in characters.
pub const REASON_CHARS_MAX: usize = 140;

/// How a question ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// Yes or no.
    pub verdict: Ruling,
    /// Who decided.
    pub by: Decider,
    /// The programme's words, at most [`REASON_CHARS_MAX`] characters.
    pub reason: Option<String>,
    /// From the question to its end, in microseconds.
    pub latency_us: u64,
}

impl Conclusion {
    /// Why the purchase was declined, if it was.
    #[must_use]
    pub const fn decline_reason(&self) -> Option<DeclineReason> {
        match (self.verdict, self.by) {
            (Ruling::Approved, _) => None,
            (Ruling::Declined, Decider::Programme) => Some(DeclineReason::DecisionDeclined),
            (
                Ruling::Declined,
                Decider::Timeout | Decider::Fault | Decider::Overload | Decider::Abandoned,
            ) => Some(DeclineReason::DecisionTimeout),
        }
    }
}

/// Where an authorization stands with the programme.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Decision {
    /// The rules alone decided.
    #[default]
    NotAsked,
    /// The rules approved and the money is held; the programme has yet to say.
    Asked {
        /// What is said when the programme says nothing.
        fallback: Ruling,
        /// Whether the purchase is captured with the programme's yes.
        captures: bool,
    },
    /// It was asked, and this came of it.
    Concluded(Box<Conclusion>),
}

impl Decision {
    /// Whether the answer is still to come.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Asked { .. })
    }

    /// How the question ended, if there was one and it has.
    #[must_use]
    pub fn conclusion(&self) -> Option<&Conclusion> {
        match self {
            Self::NotAsked | Self::Asked { .. } => None,
            Self::Concluded(conclusion) => Some(conclusion),
        }
    }

    /// Why the programme, or the fallback for it, declined.
    #[must_use]
    pub fn decline_reason(&self) -> Option<DeclineReason> {
        self.conclusion().and_then(Conclusion::decline_reason)
    }
}

/// What a decision endpoint's settings say to the rules: the fallback, if it is enabled. The rest of
/// them is for whoever asks.
#[must_use]
pub fn asks(settings: &str) -> Option<Ruling> {
    let settings: serde_json::Value = serde_json::from_str(settings).ok()?;
    let is_enabled = settings.get("enabled")?.as_bool()?;
    let fallback = match settings.get("fallback")?.as_str()? {
        "approve" => Ruling::Approved,
        _ => Ruling::Declined,
    };
    is_enabled.then_some(fallback)
}
