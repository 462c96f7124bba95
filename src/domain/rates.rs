//! Accepted mid rates: which quotes are taken, and the rate between two units of money that follows
//! from them.

use std::{cmp::Ordering, fmt, sync::Arc};

use super::{
    money::{Asset, Currency, Decimal, shown},
    policy::Terms,
    rate::Rate,
    time::Timestamp,
};

/// The most quotes taken at once.
pub const QUOTES_MAX: usize = 2_000;
/// Who says so of the rates that a sandbox starts with: they give way to every other, older ones too.
pub const SANDBOX_SOURCE: &str = "sandbox";
/// How far ahead of our clock a quote's time may be, in seconds: clocks differ a little. It counts as
/// the moment it came.
pub const AHEAD_MAX_SECONDS: i64 = 5;
/// A rate is below 10 to this power, and above its inverse: beyond that it is a slip.
const MAGNITUDE_MAX: u32 = 15;

/// What a rate is between: an ISO 4217 currency, or the symbol of an asset that is pegged to none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit([u8; Asset::SYMBOL_MAX]);

/// Text that no rate can be about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Neither a currency nor an asset of the house.
    #[error("must be an ISO 4217 code such as USD or an asset without a peg, was {text:?}")]
    Unknown {
        /// The start of what was given.
        text: String,
    },
    /// An asset that has its currency's rate.
    #[error("is pegged: give the rate of {currency} instead of {text}")]
    Pegged {
        /// The asset's symbol.
        text: String,
        /// What it is pegged to.
        currency: Currency,
    },
}

impl Unit {
    /// What `asset`'s rates are kept under: its currency if it is pegged, else its own symbol.
    #[must_use]
    pub fn of_asset(asset: Asset, terms: &Terms) -> Self {
        let pegged = terms.asset(asset).and_then(|term| term.pegged);
        pegged.map_or_else(|| Self::padded(asset.symbol()), Self::of_currency)
    }

    /// A currency.
    #[must_use]
    pub fn of_currency(currency: Currency) -> Self {
        Self::padded(currency.code())
    }

    /// Reads a unit that the house's terms know.
    ///
    /// # Errors
    ///
    /// [`UnitError`] for any other text.
    pub fn parse(text: &str, terms: &Terms) -> Result<Self, UnitError> {
        if let Ok(currency) = text.parse() {
            return Ok(Self::of_currency(currency));
        }
        let named = || {
            terms
                .assets
                .iter()
                .filter(|term| term.asset.symbol() == text)
        };
        if let Some(currency) = named().find_map(|term| term.pegged) {
            let text = shown(text);
            return Err(UnitError::Pegged { text, currency });
        }
        let first = named().next();
        let first = first.ok_or_else(|| UnitError::Unknown { text: shown(text) })?;
        Ok(Self::padded(first.asset.symbol()))
    }

    /// A unit as a record holds it: at most eleven letters and digits.
    #[must_use]
    pub fn from_symbol(symbol: &str) -> Option<Self> {
        Asset::new(symbol, 0).ok().map(|_| Self::padded(symbol))
    }

    /// The code or symbol.
    #[must_use]
    pub fn symbol(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0);
        let bytes = self.0.get(..end.unwrap_or(self.0.len()));
        std::str::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
    }

    fn padded(symbol: &str) -> Self {
        let mut padded = [0; Asset::SYMBOL_MAX];
        for (place, byte) in padded.iter_mut().zip(symbol.bytes()) {
            *place = byte;
        }
        Self(padded)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.symbol())
    }
}

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.symbol())
    }
}

/// An accepted mid rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Of which one whole unit is priced.
    pub base: Unit,
    /// In which it is priced.
    pub quote: Unit,
    /// Units of `quote` per unit of `base`; above zero.
    pub rate: Decimal,
    /// When it was true.
    pub at: Timestamp,
    /// Who says so: `operator`, `file`, `url`, or a name the operator gave.
    pub source: Arc<str>,
}

/// A quote that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    /// A unit in itself.
    #[error("must differ from base, was {0}")]
    SameUnit(Unit),
    /// Zero, negative, or beyond all rates.
    #[error("must be above 0, from 0.000000000000001 to 1000000000000000, was {0}")]
    OutOfRange(Decimal),
    /// Two rates for one pair, in whichever direction.
    #[error("is the second rate of {0} and {1}: send each pair once")]
    Repeated(Unit, Unit),
    /// A time that has not come.
    #[error("must not be in the future: it was {at}, now is {now}")]
    Future {
        /// What was given.
        at: Timestamp,
        /// Our clock.
        now: Timestamp,
    },
    /// There is a newer one.
    #[error("is older than the known rate, which is of {known}")]
    Older {
        /// The known rate's time.
        known: Timestamp,
    },
}

impl QuoteError {
    /// The part of the quote that is wrong.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::SameUnit(_) | Self::Repeated(..) => "quote",
            Self::OutOfRange(_) => "rate",
            Self::Future { .. } | Self::Older { .. } => "at",
        }
    }
}

/// Why there is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRate {
    /// None was ever accepted that leads from one to the other.
    #[error("there is no rate from {from} to {to}")]
    Unknown {
        /// From this unit.
        from: Unit,
        /// To this one.
        to: Unit,
    },
    /// There is one, and it is too old.
    #[error(
        "the rate from {from} to {to} is {age_seconds} seconds old, at most {age_seconds_max} are \
         allowed"
    )]
    Stale {
        /// From this unit.
        from: Unit,
        /// To this one.
        to: Unit,
        /// How old its oldest part is.
        age_seconds: i64,
        /// How old it may be.
        age_seconds_max: i64,
    },
}

/// How a mid rate follows from the quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Both are the same unit: one for one.
    Same,
    /// A quote as it stands.
    Direct,
    /// A quote turned round.
    Inverse,
    /// Two quotes, each as it stands or turned round, through the house's base currency.
    Crossed,
}

/// A mid rate, exactly, and how old it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mid {
    /// Units of the one per unit of the other.
    pub rate: Rate,
    /// How it came about.
    pub way: Way,
    /// The time of its oldest part; the moment of asking where no quote was needed.
    pub at: Timestamp,
    /// The age of its oldest part.
    pub age_seconds: i64,
    /// Who said so of its oldest part; nobody where no quote was needed.
    pub source: Option<Arc<str>>,
}

/// The newest accepted quote of each pair. Immutable: a new quote makes a new table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateTable {
    /// In the order of their pairs, one for each.
    known: Vec<Known>,
}

/// No rates at all.
pub static NONE: RateTable = RateTable { known: Vec::new() };

/// A quote with what a lookup needs, worked out once.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    pair: (Unit, Unit),
    quote: Quote,
    rate: Rate,
}

/// Two units in a fixed order: a quote and its inverse are about one pair.
fn pair(a: Unit, b: Unit) -> (Unit, Unit) {
    if a <= b { (a, b) } else { (b, a) }
}

impl RateTable {
    /// Puts each quote in the place of what was known of its pair. For quotes that were accepted;
    /// one that no fraction equals is passed over.
    #[must_use]
    pub fn with(&self, quotes: &[Quote]) -> Self {
        let mut known = self.known.clone();
        for quote in quotes {
            let Ok(rate) = Rate::from_decimal(quote.rate) else {
                continue;
            };
            let pair = pair(quote.base, quote.quote);
            let quote = quote.clone();
            let new = Known { pair, quote, rate };
            match known.binary_search_by(|known| known.pair.cmp(&pair)) {
                Ok(place) => {
                    if let Some(slot) = known.get_mut(place) {
                        *slot = new;
                    }
                }
                Err(place) => known.insert(place, new),
            }
        }
        Self { known }
    }

    /// Every quote, in the order of the pairs.
    pub fn quotes(&self) -> impl Iterator<Item = &Quote> {
        self.known.iter().map(|known| &known.quote)
    }

    /// The quote that is known of a pair, in whichever direction.
    #[must_use]
    pub fn quote(&self, a: Unit, b: Unit) -> Option<&Quote> {
        self.find(a, b).map(|known| &known.quote)
    }

    /// Whether a quote can be taken at `now`, and its time as it counts. `earlier` are those that
    /// came with it and before it.
    ///
    /// # Errors
    ///
    /// [`QuoteError`] with what is wrong. A quote as old as the known one is a correction; an older
    /// one is refused.
    pub fn accept(
        &self,
        quote: &Quote,
        earlier: &[Quote],
        now: Timestamp,
    ) -> Result<Timestamp, QuoteError> {
        if quote.base == quote.quote {
            return Err(QuoteError::SameUnit(quote.quote));
        }
        if !is_sane(quote.rate) {
            return Err(QuoteError::OutOfRange(quote.rate));
        }
        if quote.at > now.plus_seconds(AHEAD_MAX_SECONDS) {
            return Err(QuoteError::Future { at: quote.at, now });
        }
        let own = pair(quote.base, quote.quote);
        if earlier
            .iter()
            .any(|other| pair(other.base, other.quote) == own)
        {
            return Err(QuoteError::Repeated(quote.base, quote.quote));
        }
        match self.find(quote.base, quote.quote) {
            Some(known) if known.quote.at > quote.at && *known.quote.source != *SANDBOX_SOURCE => {
                Err(QuoteError::Older {
                    known: known.quote.at,
                })
            }
            Some(_) | None => Ok(quote.at.min(now)),
        }
    }

    /// Units of `to` per whole unit of `asset`, before any spread: from the pair's quote, or from
    /// two quotes through the house's base currency.
    ///
    /// # Errors
    ///
    /// [`NoRate`] if no quote leads there, or one on the way is older than the terms allow.
    pub fn mid(
        &self,
        asset: Asset,
        to: Currency,
        terms: &Terms,
        now: Timestamp,
    ) -> Result<Mid, NoRate> {
        let from = Unit::of_asset(asset, terms);
        self.between(from, Unit::of_currency(to), terms, now)
    }

    /// As [`mid`](Self::mid), however old the quotes are: for what must be priced.
    ///
    /// # Errors
    ///
    /// [`NoRate::Unknown`].
    pub fn last_known(
        &self,
        asset: Asset,
        to: Currency,
        terms: &Terms,
        now: Timestamp,
    ) -> Result<Mid, NoRate> {
        let units = (Unit::of_asset(asset, terms), Unit::of_currency(to));
        self.within(units, terms.base_currency, i64::MAX, now)
    }

    /// Units of `to` per unit of `from`.
    ///
    /// # Errors
    ///
    /// As [`mid`](Self::mid).
    pub fn between(
        &self,
        from: Unit,
        to: Unit,
        terms: &Terms,
        now: Timestamp,
    ) -> Result<Mid, NoRate> {
        let limit = terms.rate_age_seconds_max;
        self.within((from, to), terms.base_currency, limit, now)
    }

    fn within(
        &self,
        (from, to): (Unit, Unit),
        base: Currency,
        limit: i64,
        now: Timestamp,
    ) -> Result<Mid, NoRate> {
        if from == to {
            return Ok(Mid {
                rate: Rate::ONE,
                way: Way::Same,
                at: now,
                age_seconds: 0,
                source: None,
            });
        }
        let pair = self.leg(from, to).map(|(rate, quote)| {
            let is_turned = quote.base != from;
            let way = if is_turned { Way::Inverse } else { Way::Direct };
            mid(rate, way, quote, now)
        });
        let fresh = |mid: &Mid| !is_older(mid.at, limit, now);
        if let Some(found) = &pair
            && fresh(found)
        {
            return Ok(found.clone());
        }
        let base = Unit::of_currency(base);
        let crossed = self.crossed(from, base, to, now);
        if let Some(found) = &crossed
            && fresh(found)
        {
            return Ok(found.clone());
        }
        match pair.or(crossed) {
            None => Err(NoRate::Unknown { from, to }),
            Some(old) => Err(NoRate::Stale {
                from,
                to,
                age_seconds: old.age_seconds,
                age_seconds_max: limit,
            }),
        }
    }

    fn crossed(&self, from: Unit, base: Unit, to: Unit, now: Timestamp) -> Option<Mid> {
        let (first, of_first) = self.leg(from, base)?;
        let (second, of_second) = self.leg(base, to)?;
        let oldest = if of_first.at <= of_second.at {
            of_first
        } else {
            of_second
        };
        Some(mid(first.then(&second), Way::Crossed, oldest, now))
    }

    /// One quote as a rate from `from` to `to`.
    fn leg(&self, from: Unit, to: Unit) -> Option<(Rate, &Quote)> {
        let known = self.find(from, to)?;
        let rate = known.rate.clone();
        if known.quote.base == from {
            Some((rate, &known.quote))
        } else {
            Some((rate.inverse(), &known.quote))
        }
    }

    fn find(&self, a: Unit, b: Unit) -> Option<&Known> {
        let pair = pair(a, b);
        let place = self.known.binary_search_by(|known| known.pair.cmp(&pair));
        self.known.get(place.ok()?)
    }
}

/// Whether a rate of that time is older than is allowed. A rate that is exactly as old as that is
/// still used.
#[must_use]
pub fn is_older(at: Timestamp, age_seconds_max: i64, now: Timestamp) -> bool {
    at.plus_seconds(age_seconds_max) < now
}

fn mid(rate: Rate, way: Way, oldest: &Quote, now: Timestamp) -> Mid {
    Mid {
        rate,
        way,
        at: oldest.at,
        age_seconds: age_seconds(oldest.at, now),
        source: Some(oldest.source.clone()),
    }
}

/// How old a rate of that time is, in whole seconds.
#[must_use]
pub fn age_seconds(at: Timestamp, now: Timestamp) -> i64 {
    let micros = now.micros().saturating_sub(at.micros()).max(0);
    micros.div_euclid(1_000_000)
}

fn is_sane(rate: Decimal) -> bool {
    let rate = rate.trimmed();
    let Ok(mantissa) = u128::try_from(rate.mantissa) else {
        return false;
    };
    // The mantissa against 10^(15 + scale) and 10^(scale - 15).
    let scale = u32::from(rate.scale);
    let most = 10_u128.checked_pow(scale.saturating_add(MAGNITUDE_MAX));
    let least = 10_u128.checked_pow(scale.saturating_sub(MAGNITUDE_MAX));
    let not_above = most.is_none_or(|most| mantissa.cmp(&most) != Ordering::Greater);
    let not_below = least.is_some_and(|least| mantissa >= least);
    mantissa > 0 && not_above && not_below
}
