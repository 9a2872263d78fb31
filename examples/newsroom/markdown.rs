//! The prose of a Markdown text: what a reader would read aloud.
//!
//! Line by line, blocks that hold no prose are dropped: headings, fenced code, tables, comments, front matter, link
//! definitions. What is left is joined into paragraphs, and [`inline`] takes the syntax out of those. This is no
//! Markdown parser: it knows what occurs in READMEs, and takes linear time on anything else.

use crate::inline;

/// The paragraphs of a text; a list item is a paragraph of its own. White space within is collapsed.
pub(crate) fn paragraphs(text: &str) -> Vec<String> {
    let mut blocks = Blocks::default();
    let mut lines = after_front_matter(text).lines().peekable();
    while let Some(line) = lines.next() {
        let line = unquoted(line);
        if let Some(fence) = Fence::opened_by(line) {
            blocks.end();
            // A fence that is never closed reaches to the end, as renderers have it.
            lines.find(|line| fence.is_closed_by(unquoted(line)));
        } else if line.starts_with("<!--") {
            if !line.contains("-->") {
                lines.find(|line| line.contains("-->"));
            }
        } else if is_table_rule(line) {
            // The header is the line before the rule; the rows go on to the next line without a cell.
            blocks.drop_last_line();
            while lines.next_if(|line| unquoted(line).contains('|')).is_some() {}
        } else if is_underline(line) && blocks.has_open() {
            blocks.discard();
        } else if line.is_empty() || is_heading(line) || is_rule(line) || is_definition(line) {
            blocks.end();
        } else if let Some(item) = list_item(line) {
            blocks.end();
            blocks.add(item);
        } else {
            blocks.add(line);
        }
    }
    blocks.end();
    blocks.done
}

/// Paragraphs, and the lines of the one that is still open.
#[derive(Default)]
struct Blocks<'a> {
    done: Vec<String>,
    open: Vec<&'a str>,
}

impl<'a> Blocks<'a> {
    fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    fn add(&mut self, line: &'a str) {
        self.open.push(line);
    }

    fn drop_last_line(&mut self) {
        self.open.pop();
        self.end();
    }

    fn discard(&mut self) {
        self.open.clear();
    }

    fn end(&mut self) {
        let prose = inline::strip(&self.open.join(" "));
        self.discard();
        if !prose.is_empty() {
            self.done.push(prose);
        }
    }
}

fn after_front_matter(text: &str) -> &str {
    for fence in ["---\n", "+++\n"] {
        if let Some((_, rest)) =
            text.strip_prefix(fence).and_then(|inner| inner.split_once(&format!("\n{fence}")))
        {
            return rest;
        }
    }
    text
}

/// The line without indentation and quote marks.
fn unquoted(line: &str) -> &str {
    line.trim_start_matches(|c: char| c == '>' || c.is_whitespace()).trim_end()
}

/// The fence of a code block: a run of at least three marks, closed by a run that is no shorter.
struct Fence {
    mark: char,
    length: usize,
}

impl Fence {
    fn opened_by(line: &str) -> Option<Self> {
        let mark = line.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
        let length = line.chars().take_while(|c| *c == mark).count();
        // A line such as ```` ```code``` ```` is a code span.
        let is_span = mark == '`' && line[length..].contains('`');
        (length >= 3 && !is_span).then_some(Self { mark, length })
    }

    fn is_closed_by(&self, line: &str) -> bool {
        line.len() >= self.length && line.chars().all(|c| c == self.mark)
    }
}

fn is_heading(line: &str) -> bool {
    let title = line.trim_start_matches('#');
    (1..=6).contains(&(line.len() - title.len())) && (title.is_empty() || title.starts_with([' ', '\t']))
}

/// The line under a heading that is marked by underlining.
fn is_underline(line: &str) -> bool {
    !line.is_empty() && ['=', '-'].iter().any(|mark| line.chars().all(|c| c == *mark))
}

/// A line across the page, such as `* * *`.
fn is_rule(line: &str) -> bool {
    let marks = line.chars().filter(|c| !c.is_whitespace());
    marks.clone().count() >= 3 && ['*', '-', '_', '='].iter().any(|mark| marks.clone().all(|c| c == *mark))
}

/// The line between the header of a table and its rows.
fn is_table_rule(line: &str) -> bool {
    line.contains('|')
        && line.contains('-')
        && line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' ' | '\t'))
}

/// The address of a link that stands elsewhere: `[name]: address`.
fn is_definition(line: &str) -> bool {
    line.starts_with('[') && line.split_once(']').is_some_and(|(_, rest)| rest.starts_with(':'))
}

/// The text of a list item: after its bullet or number, and after its check box.
fn list_item(line: &str) -> Option<&str> {
    let after_mark = line.strip_prefix(['-', '*', '+']).or_else(|| {
        let after_number = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = line.len() - after_number.len();
        after_number.strip_prefix(['.', ')']).filter(|_| (1..=9).contains(&digits))
    })?;
    let text = after_mark.strip_prefix([' ', '\t'])?.trim_start();
    Some(["[ ] ", "[x] ", "[X] "].iter().find_map(|check| text.strip_prefix(check)).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_prose_is_left() {
        let text = "\
---
title: dropped
---
# Heading

The first paragraph
goes on here.

> Quoted words
> are prose.

```rust
let dropped = 1;
```

| dropped | too |
|---------|-----|
| cells   | go  |

Underlined heading
------------------
- one item
- [x] another
  that goes on
3. a third

<!-- dropped
     as well -->
* * *
[name]: https://example.com
#hashtag is prose
";
        let expected = [
            "The first paragraph goes on here.",
            "Quoted words are prose.",
            "one item",
            "another that goes on",
            "a third",
            "#hashtag is prose",
        ];
        assert_eq!(paragraphs(text), expected);
    }

    #[test]
    fn a_longer_fence_holds_a_shorter_one() {
        assert_eq!(paragraphs("a\n````md\n```\ndropped\n```\n````\nb"), ["a", "b"]);
        assert_eq!(paragraphs("a\n~~~\nnever closed\n```\nstill open"), ["a"]);
    }

    #[test]
    fn a_table_without_outer_bars_takes_its_header_along() {
        assert_eq!(
            paragraphs("before\n\nname | size\n--- | ---\na | 1\nb | 2\n\nafter"),
            ["before", "after"]
        );
    }

    #[test]
    fn windows_line_ends_make_no_difference() {
        assert_eq!(paragraphs("one\r\ntwo\r\n\r\n# no\r\nthree\r\n"), ["one two", "three"]);
    }
}
