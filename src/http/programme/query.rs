//! Reads query strings, in which a name may stand several times; whatever is wrong is named.

use actix_web::{HttpRequest, web};

use super::super::problem::Problem;
use crate::domain::time::Timestamp;

/// The longest value of a parameter.
const VALUE_BYTES_MAX: usize = 1_024;
/// The most parameters.
const PARAMS_MAX: usize = 2_048;

/// A query string's names and values, in order.
#[derive(Debug)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads the query string: of `once` each name at most once, of `many` any number.
    ///
    /// A name that ends in `[` in `many` stands for all names that begin so and end in `]`.
    ///
    /// # Errors
    ///
    /// 400 with the parameter's name.
    pub fn read(request: &HttpRequest, once: &[&str], many: &[&str]) -> Result<Self, Problem> {
        Self::parse(request.query_string(), once, many)
    }

    fn parse(text: &str, once: &[&str], many: &[&str]) -> Result<Self, Problem> {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(text)
            .map_err(|error| Problem::malformed("query", error.to_string()))?
            .into_inner();
        if pairs.len() > PARAMS_MAX {
            let message = format!("at most {PARAMS_MAX} parameters are taken");
            return Err(Problem::malformed("query", message));
        }
        let is_map = |known: &&str, name: &str| {
            known.ends_with('[') && name.starts_with(*known) && name.ends_with(']')
        };
        for (place, (name, value)) in pairs.iter().enumerate() {
            let shown: String = name.chars().take(64).collect();
            let may_repeat = many
                .iter()
                .any(|known| known == name || is_map(known, name));
            if !may_repeat && !once.contains(&name.as_str()) {
                let message = format!("there is no parameter {shown}");
                return Err(Problem::malformed(shown, message));
            }
            if !may_repeat && pairs.iter().take(place).any(|(known, _)| known == name) {
                let message = format!("{shown} may be given once");
                return Err(Problem::malformed(shown, message));
            }
            if value.is_empty() || value.len() > VALUE_BYTES_MAX {
                let message = format!("{shown} must have 1 to {VALUE_BYTES_MAX} bytes");
                return Err(Problem::malformed(shown, message));
            }
        }
        Ok(Self(pairs))
    }

    /// The value of `name`, if it was given.
    #[must_use]
    pub fn one(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Every value of `name`.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let fits = move |(known, _): &&(String, String)| known == name;
        self.0.iter().filter(fits).map(|(_, value)| value.as_str())
    }

    /// The inner names and values of `name[inner]=value`.
    pub fn map<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(known, value)| {
            let inner = known.strip_prefix(name)?.strip_prefix('[')?;
            Some((inner.strip_suffix(']')?, value.as_str()))
        })
    }

    /// A number from `min` to `max`, or `default`.
    ///
    /// # Errors
    ///
    /// 400 with the parameter's name.
    pub fn number(
        &self,
        name: &str,
        default: usize,
        (min, max): (usize, usize),
    ) -> Result<usize, Problem> {
        let Some(text) = self.one(name) else {
            return Ok(default);
        };
        let number = text.parse().ok().filter(|n| (min..=max).contains(n));
        number.ok_or_else(|| {
            Problem::malformed(name, format!("{name} must be a number from {min} to {max}"))
        })
    }

    /// A moment.
    ///
    /// # Errors
    ///
    /// 400 with the parameter's name.
    pub fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let parsed = self.one(name).map(str::parse::<Timestamp>).transpose();
        parsed.map_err(|error| Problem::malformed(name, format!("{name} {error}")))
    }

    /// One of some words.
    ///
    /// # Errors
    ///
    /// 400 with the parameter's name and the words.
    pub fn word<'a>(&'a self, name: &str, words: &[&str]) -> Result<Option<&'a str>, Problem> {
        let found = self.0.iter().find(|(known, _)| known == name);
        let Some((_, text)) = found else {
            return Ok(None);
        };
        if words.contains(&text.as_str()) {
            return Ok(Some(text));
        }
        let message = format!("{name} must be one of {}", words.join(", "));
        Err(Problem::malformed(name, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Params, Option<String>> {
        let known = Params::parse(text, &["limit", "before"], &["urns", "metadata["]);
        known.map_err(|problem| problem.field)
    }

    #[test]
    fn names_may_repeat_where_they_may() {
        let params = parse("urns=a&limit=5&urns=b&metadata%5Bk%5D=v").expect("fits");
        assert_eq!(params.all("urns").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(params.map("metadata").collect::<Vec<_>>(), [("k", "v")]);
        assert!(matches!(params.number("limit", 1, (1, 9)), Ok(5)));
        assert!(params.number("limit", 1, (1, 4)).is_err());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, field) in [
            ("limit=1&limit=2", "limit"),
            ("nonsense=1", "nonsense"),
            ("limit=", "limit"),
            ("metadata[k=1", "metadata[k"),
        ] {
            assert_eq!(
                parse(text).err().flatten().as_deref(),
                Some(field),
                "{text}"
            );
        }
        let params = parse("before=+2026-01-01T00:00:00Z").expect("fits");
        assert!(params.time("before").is_err());
    }
}
