//! Axes of a drawing: ranges that end on round numbers, their ticks, and where a value lies.

/// How values become positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Linear,
    Logarithmic,
}

/// A line along the tick and what is written beside it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    /// Empty for a minor tick.
    pub(super) label: String,
}

/// One axis.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    pub(super) ticks: Vec<Tick>,
}

impl Axis {
    /// From zero to at least `max`, with about `count` ticks.
    pub(super) fn linear(max: f64, count: u32) -> Self {
        let step = round_step((max / f64::from(count)).max(f64::MIN_POSITIVE));
        let steps = (max / step).ceil().max(1.0);
        let high = steps * step;
        Self::with_steps(high, step, steps as u32)
    }

    /// From zero to exactly `max`, a whole number, with at most `count` whole ticks.
    pub(super) fn seconds(max: f64, count: u32) -> Self {
        let step = round_step((max / f64::from(count)).max(1.0)).round();
        Self::with_steps(max, step, (max / step).floor() as u32)
    }

    /// From below `min` to above `max`, both above zero and a decade apart at least, with lines at
    /// 1, 2 and 5 of each decade.
    pub(super) fn logarithmic(min: f64, max: f64) -> Self {
        let first = 3 * (min.log10().floor() as i32 - 1);
        let last = 3 * (max.log10().floor() as i32 + 1);
        let values: Vec<_> = (first..=last).map(one_two_five).collect();
        let above = values.iter().copied().filter(|value| *value >= max);
        let high = above.fold(f64::INFINITY, f64::min);
        let lowest = min.min(high / 9.9);
        let below = values.iter().copied().filter(|value| *value <= lowest);
        let low = below.fold(one_two_five(first), f64::max);
        let crowded = high / low > 2000.0;
        let ticks = (first..=last)
            .map(|index| (index, one_two_five(index)))
            .filter(|(_, value)| (low..=high).contains(value))
            .map(|(index, value)| {
                let minor = crowded && index.rem_euclid(3) != 0;
                Tick {
                    value,
                    label: if minor { String::new() } else { short(value) },
                }
            })
            .collect();
        Self {
            scale: Scale::Logarithmic,
            low,
            high,
            ticks,
        }
    }

    /// Where `value` lies, 0 at the low end and 1 at the high.
    pub(super) fn position(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Logarithmic => {
                let low = self.low.log10();
                (value.max(f64::MIN_POSITIVE).log10() - low) / (self.high.log10() - low)
            }
        };
        share.clamp(0.0, 1.0)
    }

    fn with_steps(high: f64, step: f64, steps: u32) -> Self {
        let ticks = (0..=steps).map(|number| {
            let value = f64::from(number) * step;
            Tick {
                value,
                label: short(value),
            }
        });
        Self {
            scale: Scale::Linear,
            low: 0.0,
            high,
            ticks: ticks.collect(),
        }
    }
}

/// A number as short as it can be: 0.05, 20, 1.5k.
pub(super) fn short(value: f64) -> String {
    let trimmed = |value: f64, digits: usize| {
        let text = format!("{value:.digits$}");
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        }
    };
    if value >= 1_000_000.0 {
        trimmed(value / 1_000_000.0, 2) + "M"
    } else if value >= 1000.0 {
        trimmed(value / 1000.0, 2) + "k"
    } else {
        trimmed(value, 3)
    }
}

/// 1, 2, 5, 10, 20, ... for 0, 1, 2, 3, 4, ..., and 0.5, 0.2, ... below.
fn one_two_five(index: i32) -> f64 {
    let mantissa = match index.rem_euclid(3) {
        0 => 1.0,
        1 => 2.0,
        _ => 5.0,
    };
    let exponent = index.div_euclid(3);
    let power = 10_f64.powi(exponent.abs());
    if exponent < 0 {
        mantissa / power
    } else {
        mantissa * power
    }
}

/// The smallest 1, 2 or 5 times a power of ten that is not below `step`.
fn round_step(step: f64) -> f64 {
    let decade = 3 * step.log10().floor() as i32;
    let candidates = (decade..decade + 4).map(one_two_five);
    candidates
        .filter(|value| *value >= step * 0.999)
        .fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn linear_axes_end_on_round_numbers() {
        let axis = Axis::linear(43_210.0, 5);
        assert_eq!(labels(&axis), ["0", "10k", "20k", "30k", "40k", "50k"]);
        assert_eq!(axis.position(25_000.0), 0.5);
        assert_eq!(labels(&Axis::linear(0.0, 5)).len(), 2);
    }

    #[test]
    fn seconds_are_whole() {
        assert_eq!(labels(&Axis::seconds(1.0, 12)), ["0", "1"]);
        assert_eq!(
            labels(&Axis::seconds(30.0, 12)),
            ["0", "5", "10", "15", "20", "25", "30"]
        );
        let axis = Axis::seconds(7.0, 3);
        assert_eq!((labels(&axis), axis.position(7.0)), (vec!["0", "5"], 1.0));
    }

    #[test]
    fn logarithmic_axes_enclose_their_values() {
        let axis = Axis::logarithmic(0.31, 4.2);
        assert_eq!(labels(&axis), ["0.2", "0.5", "1", "2", "5"]);
        assert_eq!((axis.position(0.2), axis.position(5.0)), (0.0, 1.0));
        assert!((axis.position(1.0) - 0.5).abs() < 0.001);
        assert_eq!(
            labels(&Axis::logarithmic(1.0, 1.0)),
            ["0.1", "0.2", "0.5", "1"]
        );
        assert_eq!(
            labels(&Axis::logarithmic(26.0, 47.0)),
            ["5", "10", "20", "50"]
        );
        let wide = Axis::logarithmic(0.001, 9000.0);
        assert!(
            labels(&wide)
                .iter()
                .filter(|label| !label.is_empty())
                .count()
                <= 8
        );
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.05, "0.05"),
            (100.0, "100"),
            (1500.0, "1.5k"),
            (2_000_000.0, "2M"),
        ] {
            assert_eq!(short(value), text);
        }
    }
}
