//! The words that carry a mood, and those that turn, strengthen or weaken it.
//!
//! Base forms: [`meaning`] knows their common endings, too. The lists are meant for technical prose, so words that
//! are neutral there (*kill*, *abort*, *exception*) are left out.

use std::collections::HashMap;
use std::sync::LazyLock;

const POSITIVE: &str = "
    able accurate admire advantage affordable amazing appealing appreciate attractive awesome beautiful
    benefit best better brave bright brilliant calm careful charming cheap cheerful clean clear clever
    comfortable compact confident consistent convenient correct courage creative curious delight dependable
    durable ease easy effective efficient elegant enjoy enthusiastic excellent excited exciting fair faithful
    fantastic fast favourite fine flexible free fresh friendly fun gain generous gentle glad good grace
    graceful grateful great guarantee handy happiness happy heal healthy help helpful honest hope ideal
    important impressive improve improvement incredible inspire interesting intuitive joy keen lasting lively
    love lovely lucky magnificent marvellous neat nice optimal outstanding peace perfect pleasant pleased
    pleasure polished positive powerful practical praise precise pretty productive progress promise promising
    proper proud quick ready reasonable recommend recover reliable remarkable resilient responsive reward
    rich right robust safe satisfied secure sensible sharp simple simplicity smart smooth solid sound
    splendid stable steady strength strong succeed success successful suitable superb sweet thank thorough
    thrive tidy tolerant trust truthful useful valuable versatile vivid warm welcome win wise wonderful worth
    worthwhile";

const NEGATIVE: &str = "
    abuse ache afraid aggravate alarming angry annoy annoying anxious ashamed awful awkward bad bitter blame
    bleak boring bother break brittle broken bug burden careless chaos cheat clumsy collapse complain
    complaint complicated confuse confusing corrupt costly crash cruel cry cumbersome damage danger dangerous
    dead deadlock deceive defect deficient delay deny depress despair destroy die difficult dirty disappoint
    disaster dislike dismal dread dreadful dull endless error evil exhaust expensive fail failure fake false
    fault fear flaw flimsy foolish forbid forget fragile freeze frustrate fury garbage grave grief grim guilt
    hang hard harm harsh hate hazard hell horrible hostile hurt ignorant impossible inaccurate inadequate
    incomplete inconsistent incorrect inferior insecure jam lack lame leak lie limitation lonely lose loss
    lost mad mess miserable mislead miss mistake neglect nervous nightmare obscure obsolete outage overrun
    pain painful panic pathetic pity pointless poor problem quirk rage refuse regret reject repel risk rotten
    rude ruin sad scare scary severe shame shock sick silent sloppy slow sorrow sorry starve stuck stupid
    suffer suspicious terrible terror threat tired tiresome torn trouble ugly unable unclear unfair unhappy
    unpleasant unreliable unsafe unstable unsure upset useless vague victim violent vulnerable waste weak
    weakness weird worry worse worst worthless wound wreck wrong";

const NEGATORS: &str = "
    barely cannot hardly lacking neither never no nobody none nor not nothing nowhere scarcely seldom without";

const STRONGER: &str = "
    absolutely amazingly awfully completely deeply enormously entirely especially extremely fully greatly highly
    hugely incredibly particularly perfectly really so thoroughly too totally truly utterly very";

const WEAKER: &str = "almost bit fairly little mildly nearly partially partly quite rather slightly somewhat";

/// What a word says of the mood.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Meaning {
    /// 1 or -1.
    Mood(f64),
    /// Turns the moods that follow.
    Negation,
    /// Multiplies the next mood.
    Degree(f64),
}

static MEANINGS: LazyLock<HashMap<String, Meaning>> = LazyLock::new(|| {
    let mut meanings = HashMap::new();
    for (list, meaning) in
        [(NEGATORS, Meaning::Negation), (STRONGER, Meaning::Degree(1.5)), (WEAKER, Meaning::Degree(0.5))]
    {
        meanings.extend(list.split_whitespace().map(|word| (word.to_owned(), meaning)));
    }
    let moods = [(POSITIVE, Meaning::Mood(1.0)), (NEGATIVE, Meaning::Mood(-1.0))];
    for (list, meaning) in moods {
        meanings.extend(list.split_whitespace().map(|word| (word.to_owned(), meaning)));
    }
    // Last, so that a listed word keeps its own meaning: *hardly* is not *hard*.
    for (list, meaning) in moods {
        for form in list.split_whitespace().flat_map(forms) {
            meanings.entry(form).or_insert(meaning);
        }
    }
    meanings
});

/// The meaning of a word in lower case, or `None` for the many that have none here.
pub(crate) fn meaning(word: &str) -> Option<Meaning> {
    if word.ends_with("n't") {
        return Some(Meaning::Negation);
    }
    MEANINGS.get(word).copied()
}

/// The word with the endings of nouns, verbs and adjectives: *crash* gives *crashes*, *lose* gives *losing*, *happy*
/// gives *happily*. It does not know which of them the word takes; a form that nobody writes does no harm.
fn forms(word: &str) -> Vec<String> {
    let (stem, endings): (&str, &[&str]) = if let Some(stem) = word.strip_suffix('y') {
        (stem, &["ys", "ies", "yed", "ied", "ying", "ily", "ier", "iest"])
    } else if let Some(stem) = word.strip_suffix("le") {
        (stem, &["les", "led", "ling", "ly", "ler", "lest"])
    } else if let Some(stem) = word.strip_suffix('e') {
        (stem, &["es", "ed", "ing", "ely", "er", "est"])
    } else {
        (word, &["s", "es", "ed", "ing", "ly", "er", "est"])
    };
    endings.iter().map(|ending| format!("{stem}{ending}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_stands_in_two_lists() {
        let mut words: Vec<_> = [POSITIVE, NEGATIVE, NEGATORS, STRONGER, WEAKER]
            .iter()
            .flat_map(|l| l.split_whitespace())
            .collect();
        let count = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), count);
    }

    #[test]
    fn endings_keep_the_meaning_of_the_base_form() {
        for (word, mood) in [
            ("crashes", -1.0),
            ("losing", -1.0),
            ("worries", -1.0),
            ("happily", 1.0),
            ("simply", 1.0),
            ("faster", 1.0),
            ("enjoyed", 1.0),
        ] {
            assert_eq!(meaning(word), Some(Meaning::Mood(mood)), "{word}");
        }
        assert_eq!(meaning("doesn't"), Some(Meaning::Negation));
        for word in ["table", "nots", "verys", "lost and found"] {
            assert_eq!(meaning(word), None, "{word}");
        }
        assert_eq!(meaning("hardly"), Some(Meaning::Negation));
    }
}
