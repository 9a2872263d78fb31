//! The syntax within a paragraph: links, images, code spans, emphasis, HTML tags.

/// No tag, footnote or link address is longer; what looks like one is text.
const LONGEST: usize = 2_000;

/// Takes the syntax out of a paragraph and collapses its white space.
///
/// Links keep their text and lose their address, images go, bare addresses go, code spans keep their content as it
/// stands. One pass: a text full of brackets that nothing closes takes linear time, too.
pub(crate) fn strip(paragraph: &str) -> String {
    let mut cleaner = Cleaner {
        text: paragraph,
        at: 0,
        prose: String::with_capacity(paragraph.len()),
        brackets: Vec::new(),
        in_code: false,
        ends: [Next::new(')'), Next::new(']'), Next::new('>')],
    };
    while let Some(next) = cleaner.rest().chars().next() {
        cleaner.step(next);
    }
    cleaner.prose.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct Cleaner<'a> {
    text: &'a str,
    at: usize,
    prose: String,
    /// The brackets that are open: where their text begins in the prose, and whether it is that of an image.
    brackets: Vec<(usize, bool)>,
    in_code: bool,
    ends: [Next; 3],
}

impl<'a> Cleaner<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Takes one character, or one whole construct, from the rest.
    fn step(&mut self, next: char) {
        let rest = self.rest();
        let after = &rest[next.len_utf8()..];
        match next {
            '`' => {
                self.at += rest.len() - rest.trim_start_matches('`').len();
                self.in_code = !self.in_code;
            }
            _ if self.in_code => self.keep(next),
            '\\' if after.starts_with(|c: char| c.is_ascii_punctuation()) => {
                self.at += 1;
                self.keep(char::from(after.as_bytes()[0]));
            }
            '!' if after.starts_with('[') => self.open_bracket(true),
            '[' if after.starts_with('^') && self.skip_through(']') => {}
            '[' => self.open_bracket(false),
            ']' => self.close_bracket(),
            '<' if after.starts_with(begins_tag) && self.skip_through('>') => {}
            // A loose star is a sign of its own, as in 2 * 3.
            '*' if !(after.starts_with(' ') && self.prose.ends_with(' ')) => self.at += 1,
            '~' if after.starts_with('~') => self.at += 2,
            '_' if !(after.starts_with(char::is_alphanumeric)
                && self.prose.ends_with(char::is_alphanumeric)) =>
            {
                self.at += 1;
            }
            'h' if rest.starts_with("http://") || rest.starts_with("https://") => {
                let ends = |c: char| c.is_whitespace() || matches!(c, ')' | '>' | ']');
                self.at += rest.find(ends).unwrap_or(rest.len());
            }
            _ => self.keep(next),
        }
    }

    fn keep(&mut self, next: char) {
        self.prose.push(next);
        self.at += next.len_utf8();
    }

    fn open_bracket(&mut self, is_image: bool) {
        self.brackets.push((self.prose.len(), is_image));
        self.at += if is_image { 2 } else { 1 };
    }

    /// The text in brackets stays, unless it belongs to an image; the address that follows goes.
    fn close_bracket(&mut self) {
        self.at += 1;
        let Some((start, is_image)) = self.brackets.pop() else { return };
        let is_link = match self.rest().chars().next() {
            Some('(') => self.skip_through(')'),
            Some('[') => self.skip_through(']'),
            _ => false,
        };
        if is_link && is_image {
            self.prose.truncate(start);
        }
    }

    /// Skips to behind the next `end`, if it is near enough to belong to what begins here.
    fn skip_through(&mut self, end: char) -> bool {
        let (text, at) = (self.text, self.at);
        let found = self.ends.iter_mut().find(|next| next.mark == end).and_then(|next| next.from(text, at));
        match found.filter(|found| found - at <= LONGEST) {
            Some(found) => {
                self.at = found + 1;
                true
            }
            None => false,
        }
    }
}

fn begins_tag(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '/' | '!')
}

/// Where a character comes next. It remembers what it found, also that there is none, so that all searches of a
/// paragraph together read it once.
struct Next {
    mark: char,
    /// The position searched from, and what was found.
    last: Option<(usize, Option<usize>)>,
}

impl Next {
    fn new(mark: char) -> Self {
        Self { mark, last: None }
    }

    fn from(&mut self, text: &str, at: usize) -> Option<usize> {
        let known = self.last.filter(|(from, found)| *from <= at && found.is_none_or(|found| at <= found));
        let found = match known {
            Some((_, found)) => found,
            None => text[at..].find(self.mark).map(|offset| at + offset),
        };
        self.last = Some((at, found));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syntax_goes_and_text_stays() {
        for (markdown, prose) in [
            (
                "see [the guide](guide.md \"title\") and [that][ref] or [this]",
                "see the guide and that or this",
            ),
            ("[![badge](https://a.b/c.svg)](https://a.b) built", "built"),
            ("an ![icon](i.png) here, a note[^1] there", "an here, a note there"),
            ("**bold**, *slanted*, __strong__, ~~gone~~", "bold, slanted, strong, gone"),
            ("snake_case stays, 2 * 3 too", "snake_case stays, 2 * 3 too"),
            ("code such as `Vec<[u8]>` and ``a*b``", "code such as Vec<[u8]> and a*b"),
            ("a <br/> tag, <https://a.b>, but 1 < 2 > 0", "a tag, , but 1 < 2 > 0"),
            ("at https://example.com/a_b today", "at today"),
            (r"\*literal\* and C:\dir", r"*literal* and C:\dir"),
            ("  white \t space ", "white space"),
        ] {
            assert_eq!(strip(markdown), prose);
        }
    }

    #[test]
    fn what_nothing_closes_is_text() {
        assert_eq!(strip("a [b and (c <d ![e `f"), "a b and (c <d e f");
        assert_eq!(strip("](x ]["), "(x");
    }

    /// Quadratic time would take minutes here.
    #[test]
    fn hostile_texts_take_linear_time() {
        for text in ["[", "![", "[^", "[](", "[a][", "<a", "`", "*", "\\", "]", "_"] {
            strip(&text.repeat((1 << 20) / text.len()));
        }
    }
}
