//! Where in a value something is, told by its JSON: nothing has to be kept on the way there.

use std::fmt::Write;

use super::canonical::{self, MARK, MARKED};

/// How many steps of a path are told from each end.
const STEPS: usize = 8;

/// How many characters of a key are told.
const LONGEST_KEY: usize = 48;

/// One step down.
enum Step<'a> {
    /// Into an object: the text of the key, once there is one.
    Key(Option<&'a [u8]>),
    /// Into an array: the position.
    Index(usize),
}

/// Where the text stands at `offset`, such as `.items[3].price`; empty for the value itself. The text may be the beginning
/// of a value, and no JSON after the offset.
pub(super) fn at(text: &[u8], offset: usize) -> String {
    let mut steps = Vec::new();
    let mut rest = text.get(..offset).unwrap_or(text);
    while let Some((byte, after)) = rest.split_first() {
        let whole = std::mem::replace(&mut rest, after);
        match byte {
            b'{' => steps.push(Step::Key(None)),
            b'[' => steps.push(Step::Index(0)),
            b'}' | b']' => drop(steps.pop()),
            b',' => match steps.last_mut() {
                Some(Step::Key(key)) => *key = None,
                Some(Step::Index(index)) => *index += 1,
                None => {}
            },
            b'"' => {
                let Some((length, _)) = canonical::string(whole) else { break };
                if let Some(Step::Key(key @ None)) = steps.last_mut() {
                    *key = whole.get(1..length - 1);
                }
                rest = whole.get(length..).unwrap_or_default();
            }
            // A mark of what was noted about the value that follows.
            &MARK => rest = rest.get(MARKED..).unwrap_or_default(),
            _ => {}
        }
    }
    if text.get(offset).is_some_and(|byte| matches!(byte, b'}' | b']')) {
        // What is wrong with a value as a whole is found at its end.
        steps.pop();
    }
    told(&steps)
}

fn told(steps: &[Step<'_>]) -> String {
    let mut path = String::new();
    for (position, step) in steps.iter().enumerate() {
        if position >= STEPS && position + STEPS < steps.len() {
            if position == STEPS {
                path.push('…');
            }
            continue;
        }
        // Writing to a string does not fail.
        let _ = match step {
            Step::Index(index) => write!(path, "[{index}]"),
            Step::Key(None) => Ok(()),
            Step::Key(Some(key)) => {
                let key = String::from_utf8_lossy(key);
                let is_word = key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
                let mut cut: String = key.chars().take(LONGEST_KEY).flat_map(char::escape_debug).collect();
                if key.chars().nth(LONGEST_KEY).is_some() {
                    cut.push('…');
                }
                if is_word && !key.is_empty() { write!(path, ".{cut}") } else { write!(path, "[\"{cut}\"]") }
            }
        };
    }
    path
}
