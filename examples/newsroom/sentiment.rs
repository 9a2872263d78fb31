//! The mood of a text, by counting words that carry one.

use crate::lexicon::{self, Meaning};
use crate::prose::Sentence;

/// How many words a negation reaches: "not a very good idea" is turned, "not that I know, but good" is not.
const REACH: usize = 3;

/// Neutral votes that every text gets, so that one kind word alone makes no text perfect.
const PRIOR: f64 = 2.0;

/// The weights of all words that carry a mood.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Mood {
    pub(crate) positive: f64,
    pub(crate) negative: f64,
}

impl Mood {
    /// From -1 to 1; 0 for a text that says nothing of its mood.
    pub(crate) fn polarity(self) -> f64 {
        (self.positive - self.negative) / (self.positive + self.negative + PRIOR)
    }

    fn add(&mut self, weight: f64) {
        if weight > 0.0 {
            self.positive += weight;
        } else {
            self.negative -= weight;
        }
    }
}

/// Weighs a text. A negation turns the moods of the next words in its sentence, a degree such as *very* or
/// *slightly* changes the weight of the one that follows it.
pub(crate) fn analyse(sentences: &[Sentence]) -> Mood {
    let mut mood = Mood::default();
    for sentence in sentences {
        let (mut negated_for, mut degree) = (0_usize, 1.0);
        for word in &sentence.words {
            let reach = negated_for;
            negated_for = reach.saturating_sub(1);
            match lexicon::meaning(word) {
                // A second negation only reaches further: in prose, two of them rarely cancel out.
                Some(Meaning::Negation) => negated_for = REACH,
                Some(Meaning::Degree(factor)) => degree = factor,
                Some(Meaning::Mood(weight)) => {
                    mood.add(if reach > 0 { -weight } else { weight } * degree);
                    degree = 1.0;
                }
                None => {
                    degree = 1.0;
                    if word == "but" {
                        negated_for = 0;
                    }
                }
            }
        }
    }
    mood
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polarity(text: &str) -> f64 {
        analyse(&Sentence::split(text)).polarity()
    }

    #[test]
    fn plain_words_count() {
        assert!(polarity("I love this new feature!") > 0.2);
        assert!(polarity("This is absolutely terrible.") < -0.2);
        assert_eq!(polarity("The table has four legs."), 0.0);
        assert_eq!(polarity(""), 0.0);
    }

    #[test]
    fn negation_turns_what_is_near_and_nothing_else() {
        assert!(polarity("This is not a good idea.") < 0.0);
        assert!(polarity("It never crashes.") > 0.0);
        assert!(polarity("It doesn’t fail.") > 0.0);
        assert!(polarity("Not that anybody had asked for it, good.") > 0.0);
        assert!(polarity("Not cheap, but good.") == 0.0, "`but` ends a negation");
        assert!(polarity("No. Good.") > 0.0, "a negation ends with its sentence");
    }

    #[test]
    fn degrees_weigh() {
        let [slightly, plain, very] = ["slightly good", "good", "very good"].map(polarity);
        assert!(slightly < plain && plain < very);
    }

    #[test]
    fn polarity_stays_within_its_limits() {
        for text in ["very good ".repeat(10_000), "very bad ".repeat(10_000)] {
            let polarity = polarity(&text);
            assert!((-1.0..=1.0).contains(&polarity) && polarity.abs() > 0.99);
        }
    }
}
