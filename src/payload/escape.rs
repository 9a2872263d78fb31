//! The escapes in strings of JSON.

/// How many bytes there are before the first one that is escaped: a quotation mark, a backslash, or a control character. They
/// are looked at eight at a time.
pub(super) fn plain(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHEST: u64 = ONES << 7;
    // The highest bit of the lowest byte that is zero, or below a number, is set, and none below.
    let below = |word: u64, number: u8| word.wrapping_sub(ONES * u64::from(number)) & !word & HIGHEST;
    let is = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let mut at = 0;
    while let Some(chunk) = text.get(at..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*chunk);
        let found = is(word, b'"') | is(word, b'\\') | below(word, 0x20);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += chunk.len();
    }
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20)).unwrap_or(rest.len())
}

/// A byte that is escaped.
pub(super) enum Escape {
    Short([u8; 2]),
    Long([u8; 6]),
}

/// What is written for a byte that is escaped.
pub(super) fn of(byte: u8) -> Escape {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x09 => b't',
        0x0a => b'n',
        0x0c => b'f',
        0x0d => b'r',
        _ => {
            let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' + half - 10 };
            return Escape::Long([b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
        }
    };
    Escape::Short([b'\\', short])
}

impl std::ops::Deref for Escape {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Short(bytes) => bytes,
            Self::Long(bytes) => bytes,
        }
    }
}
