//! What came of a batch, in the order of its requests.

use std::ops::Range;

use super::{engine::EngineError, hosted::Answer};

/// What came of each request. The words stay where they were written, one text for each thread.
#[derive(Debug)]
pub struct Replies {
    places: Vec<Place>,
    texts: Vec<Vec<u8>>,
    others: Vec<Result<Answer, EngineError>>,
}

/// Where to find a reply.
#[derive(Clone, Debug)]
enum Place {
    /// Nowhere: it did not come home.
    Lost,
    /// In one of the texts.
    Told { text: usize, range: Range<usize> },
    /// Among the others.
    Other(usize),
}

/// What came of one request.
#[derive(Debug)]
pub enum Reply<'a> {
    /// The words of its answer.
    Told(&'a [u8]),
    /// Its answer itself, or why there is none.
    Other(Result<Answer, EngineError>),
}

impl Replies {
    /// None yet, for so many requests.
    pub(super) fn new(count: usize) -> Self {
        Self {
            places: vec![Place::Lost; count],
            texts: Vec::new(),
            others: Vec::new(),
        }
    }

    /// Puts what is not words in its place.
    pub(super) fn put(&mut self, number: usize, other: Result<Answer, EngineError>) {
        if let Some(place) = self.places.get_mut(number) {
            *place = Place::Other(self.others.len());
            self.others.push(other);
        }
    }

    /// Notes where words are in the text that is added next.
    pub(super) fn tell(&mut self, number: usize, range: Range<usize>) {
        let text = self.texts.len();
        if let Some(place) = self.places.get_mut(number) {
            *place = Place::Told { text, range };
        }
    }

    /// Adds the text in which the words are that were just noted.
    pub(super) fn add_text(&mut self, text: Vec<u8>) {
        self.texts.push(text);
    }

    /// About how many bytes they are, with what stands around them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let words: usize = self.texts.iter().map(Vec::len).sum();
        let around = self.places.len().saturating_mul(32);
        let others = self.others.len().saturating_mul(1_280);
        words.saturating_add(around).saturating_add(others)
    }

    /// Those that are not words, in no order, to be replaced.
    pub fn others_mut(&mut self) -> &mut [Result<Answer, EngineError>] {
        &mut self.others
    }

    /// Hands them out in order.
    pub fn for_each(mut self, mut tell: impl FnMut(Reply<'_>)) {
        for place in self.places {
            let words = match place {
                Place::Told { text, range } => {
                    self.texts.get(text).and_then(|text| text.get(range))
                }
                Place::Other(index) => {
                    if let Some(other) = self.others.get_mut(index) {
                        let other = std::mem::replace(other, Err(EngineError::Unavailable));
                        tell(Reply::Other(other));
                        continue;
                    }
                    None
                }
                Place::Lost => None,
            };
            tell(words.map_or(Reply::Other(Err(EngineError::Unavailable)), Reply::Told));
        }
    }

    /// The answers of a batch that was not to be told in words.
    pub(super) fn into_answers(self) -> Vec<Result<Answer, EngineError>> {
        let mut answers = Vec::with_capacity(self.places.len());
        self.for_each(|reply| {
            answers.push(match reply {
                Reply::Other(answer) => answer,
                Reply::Told(_) => Err(EngineError::Unavailable),
            });
        });
        answers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_in_the_order_of_the_requests() {
        let mut replies = Replies::new(5);
        replies.tell(3, 0..1);
        replies.tell(0, 1..3);
        replies.add_text(b"dab".to_vec());
        replies.put(1, Err(EngineError::KeyConflict));
        replies.tell(4, 0..2);
        replies.add_text(b"xy".to_vec());
        for other in replies.others_mut() {
            *other = Err(EngineError::Busy("later"));
        }
        let mut seen = Vec::new();
        replies.for_each(|reply| {
            seen.push(match reply {
                Reply::Told(words) => String::from_utf8_lossy(words).into_owned(),
                Reply::Other(other) => other.map(|_| ()).unwrap_err().to_string(),
            });
        });
        let lost = EngineError::Unavailable.to_string();
        assert_eq!(seen, ["ab", "busy: later", &lost, "d", "xy"]);
    }
}
