//! Sentences and words.

/// A sentence and its words in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sentence {
    pub(crate) text: String,
    pub(crate) words: Vec<String>,
}

/// A full stop after one of these ends no sentence.
const ABBREVIATIONS: [&str; 7] = ["e.g", "i.e", "etc", "vs", "cf", "approx", "fig"];

impl Sentence {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), words: words(text).collect() }
    }

    /// Splits a paragraph. A stop ends a sentence if white space follows it and the next word does not begin in
    /// lower case, so that `0.3`, `main.rs` and `e.g. this` stay whole; the stops of East Asian scripts always do.
    /// Sentences without a word are left out.
    pub(crate) fn split(paragraph: &str) -> Vec<Self> {
        let mut sentences = Vec::new();
        let mut start = 0;
        for (at, stop) in paragraph.char_indices() {
            let end = at + stop.len_utf8();
            let (before, after) = (&paragraph[start..at], &paragraph[end..]);
            let ends = match stop {
                '。' | '！' | '？' => true,
                '!' | '?' => begins_sentence(after),
                '.' => begins_sentence(after) && !is_abbreviated(before),
                _ => false,
            };
            if ends {
                sentences.push(Self::new(paragraph[start..end].trim()));
                start = end;
            }
        }
        sentences.push(Self::new(paragraph[start..].trim()));
        sentences.retain(|sentence| !sentence.words.is_empty());
        sentences
    }
}

fn begins_sentence(after: &str) -> bool {
    after.starts_with(char::is_whitespace) && !after.trim_start().starts_with(char::is_lowercase)
}

fn is_abbreviated(before: &str) -> bool {
    let last = before.rsplit([' ', '(']).next().unwrap_or_default();
    ABBREVIATIONS.iter().any(|abbreviation| last.eq_ignore_ascii_case(abbreviation))
}

/// The words of a text in lower case: letters, digits, and apostrophes within them.
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric() && !matches!(c, '\'' | '’'))
        .map(|word| word.trim_matches(['\'', '’']))
        .filter(|word| !word.is_empty())
        .map(|word| word.replace('’', "'").to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(paragraph: &str) -> Vec<String> {
        Sentence::split(paragraph).into_iter().map(|sentence| sentence.text).collect()
    }

    #[test]
    fn stops_inside_numbers_names_and_abbreviations_end_nothing() {
        assert_eq!(
            texts("It takes 0.3 s in main.rs, e.g. Here it is. Is it? Yes! 100 of them... and on"),
            ["It takes 0.3 s in main.rs, e.g. Here it is.", "Is it?", "Yes!", "100 of them... and on"]
        );
    }

    #[test]
    fn other_scripts_have_other_stops() {
        assert_eq!(texts("今日は。元気です！"), ["今日は。", "元気です！"]);
    }

    #[test]
    fn words_keep_their_apostrophes_and_lose_their_quotes() {
        let found: Vec<_> = words("'Don’t' split well-known snake_case Ünïcode—42").collect();
        assert_eq!(found, ["don't", "split", "well", "known", "snake", "case", "ünïcode", "42"]);
    }
}
