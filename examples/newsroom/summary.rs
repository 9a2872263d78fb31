//! A summary in one sentence: the one that says most of what the text keeps coming back to.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use crate::prose::Sentence;

/// Words that every text repeats, whatever it is about.
static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "a about after all also an and any are as at be because been before being both but by can could did do does done
    each either else even every few for from get gets give given had has have he her here his how i if in into is it
    its just like made make makes many may me might more most much must my needs no nor not now of off on one only or
    other our out over own per same she should since so some such than that the their them then there these they this
    those through to too two under until up upon us use used uses very via was we were what when where whether which
    while who whose why will with within without would yet you your"
        .split_whitespace()
        .collect()
});

/// Added to the number of words that a sentence is measured by: a sentence of two key words is no summary.
const LENGTH_PRIOR: f64 = 6.0;

/// How much more the first sentence of a text weighs than one far from it: authors begin with what matters.
const POSITION_BONUS: f64 = 0.6;

/// What captions, labels and list entries are worth beside sentences.
const FRAGMENT: f64 = 0.4;

/// The sentence whose words are the most frequent in the text, with a bonus for sentences near its beginning; the
/// earlier of two equal ones. `None` if there is no sentence.
pub(crate) fn summarise(sentences: &[Sentence]) -> Option<&str> {
    let mut frequencies: HashMap<&str, f64> = HashMap::new();
    for word in sentences.iter().flat_map(content) {
        *frequencies.entry(word).or_default() += 1.0;
    }
    let most = frequencies.values().fold(1.0_f64, |most, count| most.max(*count));

    let mut best: Option<(f64, &Sentence)> = None;
    for (position, sentence) in sentences.iter().enumerate() {
        // A word counts once: repeating it makes a sentence no better.
        let mut words: Vec<&str> = content(sentence).collect();
        words.sort_unstable();
        words.dedup();
        let weight: f64 = words.iter().map(|word| frequencies[word] / most).sum();
        let density = weight / (sentence.words.len() as f64 + LENGTH_PRIOR);
        let bonus = 1.0 + POSITION_BONUS / (1.0 + position as f64);
        let score = density * bonus * if is_whole(sentence) { 1.0 } else { FRAGMENT };
        if best.is_none_or(|(highest, _)| score > highest) {
            best = Some((score, sentence));
        }
    }
    best.map(|(_, sentence)| sentence.text.as_str())
}

/// Whether it ends as a sentence does, and is long enough to say something.
fn is_whole(sentence: &Sentence) -> bool {
    sentence.words.len() >= 4
        && sentence.text.trim_end_matches([')', '"', '”', '’']).ends_with(['.', '!', '?', '。', '！', '？'])
}

/// The words that tell what a sentence is about.
fn content(sentence: &Sentence) -> impl Iterator<Item = &str> {
    let says_something = |word: &&str| {
        word.chars().nth(1).is_some() && word.contains(char::is_alphabetic) && !COMMON.contains(word)
    };
    sentence.words.iter().map(String::as_str).filter(says_something)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(text: &str) -> String {
        summarise(&Sentence::split(text)).unwrap_or("none").to_owned()
    }

    #[test]
    fn the_sentence_about_the_subject_wins() {
        let text = "Hello there. A journal keeps every launch, and a launch survives a crash. Lunch was nice. \
            The journal is one file. Every launch has a ticket.";
        assert_eq!(summary(text), "A journal keeps every launch, and a launch survives a crash.");
    }

    #[test]
    fn the_first_of_equals_wins() {
        assert_eq!(summary("Cats chase mice. Mice fear cats. Cats ignore mice."), "Cats chase mice.");
    }

    #[test]
    fn a_fragment_gives_way_to_a_sentence() {
        let sentences = ["cats, dogs, chase", "Our cats chase the dogs.", "Cats!"].map(Sentence::new);
        assert_eq!(summarise(&sentences), Some("Our cats chase the dogs."));
        assert_eq!(summarise(&sentences[..1]), Some("cats, dogs, chase"));
    }

    #[test]
    fn texts_without_content_have_a_summary_if_they_have_a_sentence() {
        assert_eq!(summary("It is. So be it."), "It is.");
        assert_eq!(summary(""), "none");
    }
}
