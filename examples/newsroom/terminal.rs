//! Text that may have come from anywhere, made fit for one line of a terminal.

/// Replaces what a terminal would act on instead of showing it: control characters, line and paragraph separators,
/// and the marks that hide text or turn its direction. A run of them becomes one replacement character.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if !is_unsafe(c) {
            shown.push(c);
        } else if !shown.ends_with(char::REPLACEMENT_CHARACTER) {
            shown.push(char::REPLACEMENT_CHARACTER);
        }
    }
    shown
}

/// Cuts a text to at most `most` characters, between words where the last of them is short enough.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    let whole_words = kept.rfind(' ').filter(|end| kept.len() - end < 20).unwrap_or(kept.len());
    format!("{}…", kept[..whole_words].trim_end())
}

/// A number with a comma between thousands.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A polarity with its sign and two digits; never `-0.00`.
pub(crate) fn signed(polarity: f64) -> String {
    let rounded = (polarity * 100.0).round() / 100.0;
    format!("{:+.2}", rounded + 0.0)
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffd}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_that_it_would_obey() {
        assert_eq!(visible("a\u{1b}[31mred\u{7}"), "a\u{fffd}[31mred\u{fffd}");
        assert_eq!(visible("two\nlines\r\n"), "two\u{fffd}lines\u{fffd}");
        assert_eq!(visible("\u{202e}txt.exe\u{9b}"), "\u{fffd}txt.exe\u{fffd}");
        assert_eq!(visible("naïve 日本 ✓"), "naïve 日本 ✓");
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        for most in 0..8 {
            assert!(cut("日本語のテキスト", most).chars().count() <= most.max(1));
        }
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("several words to cut", 15), "several words…");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.314, -0.5, -0.001, 0.0].map(signed), ["+0.31", "-0.50", "+0.00", "+0.00"]);
    }
}
