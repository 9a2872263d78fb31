//! Texts of others, as they stand in a log.

use std::fmt::{self, Display, Write};

use super::describe::within;

/// How much of a text stands in a log, in bytes before it is escaped.
const LONGEST: usize = 1000;

/// A value of the user's as a log shows it: its `Display`, contained, cut after 1,000 bytes, on one line, and without
/// characters that a terminal obeys.
pub(crate) struct Printable<T> {
    value: T,
    in_full: bool,
}

/// Shows a value as `{}` does.
pub(crate) fn printable<T: Display>(value: T) -> Printable<T> {
    Printable { value, in_full: false }
}

/// Shows a value as `{:#}` does: an error of the crate with its causes.
pub(crate) fn printable_in_full<T: Display>(value: T) -> Printable<T> {
    Printable { value, in_full: true }
}

impl<T: Display> Display for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.in_full {
            true => within(LONGEST, "Display", format_args!("{:#}", self.value)),
            false => within(LONGEST, "Display", format_args!("{}", self.value)),
        };
        for c in text.chars() {
            match c {
                '\t' | '\n' | '\r' => write!(f, "{}", c.escape_default())?,
                _ if is_obeyed(c) => write!(f, "{}", c.escape_unicode())?,
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Whether a terminal or an editor obeys a character instead of showing it: control characters, other ends of lines, and marks
/// that are invisible or turn the direction of a text.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
