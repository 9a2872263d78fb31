//! The canonical form of a payload: what its digest is taken of, and what two values are compared by. It is never stored.
//!
//! It is made of the bytes of the payload, so it depends neither on what a `Value` can hold nor on the features of serde_json
//! that another crate of the build turns on. For values that a `Value` holds it is, to the byte, the text of that `Value` with
//! sorted keys: digests of earlier versions were taken of that.
//!
//! Keys of objects are sorted, and equal keys keep their order. Text that serde_json has written is taken as it is. In raw text,
//! whitespace is dropped, strings get the escapes that serde_json writes, integers keep their digits, and other
//! numbers are written as the `f64` that they are read as, if they have at most 17 significant digits, and as they are otherwise.

use std::borrow::Cow;

use serde::Serialize;

use super::escape;

/// How deep arrays and objects may be nested. Text that is deeper has no canonical form.
pub(super) const MOST_LEVELS: usize = 127;

/// How many digits of a number an `f64` can keep.
const MOST_DIGITS: usize = 17;

/// What stands before the number of a call: no byte of JSON outside of a string.
pub(super) const MARK: u8 = 1;

/// How many bytes the number of a call has.
pub(super) const MARKED: usize = 8;

/// The canonical form of a payload; `None` if it has none, because a string in it is no text or it is nested too deep.
/// `raw` says whether there may be text in it that serde_json has not written.
pub(super) fn of(text: &[u8], raw: bool) -> Option<Cow<'_, [u8]>> {
    if raw {
        sorted(&normal(text)?, false).map(|form| Cow::Owned(form.into_owned()))
    } else {
        sorted(text, false)
    }
}

/// Whether two texts differ only in the order of keys and of the elements of arrays.
pub(super) fn are_alike(one: &[u8], other: &[u8]) -> bool {
    sorted(one, true).is_some_and(|one| sorted(other, true).is_some_and(|other| one == other))
}

/// The same form for two values that are to be compared, with the calls that have written each value before it. If `loose`, the
/// elements of arrays are sorted as well.
pub(super) fn marked(text: &[u8], calls: &[(usize, u64)], loose: bool) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() + calls.len() * (MARKED + 1));
    let mut done = 0;
    for (position, call) in calls {
        out.extend_from_slice(text.get(done..*position)?);
        out.push(MARK);
        out.extend_from_slice(&call.to_be_bytes());
        done = *position;
    }
    out.extend_from_slice(text.get(done..)?);
    sorted(&out, loose).map(Cow::into_owned)
}

/// A text with sorted keys.
fn sorted(text: &[u8], loose: bool) -> Option<Cow<'_, [u8]>> {
    let mut sort = Sort { text, at: 0, loose, out: None, levels: 0, parts: Vec::new(), scratch: Vec::new() };
    sort.value()?;
    sort.blanks();
    (sort.at == text.len()).then(|| sort.out.map_or(Cow::Borrowed(text), Cow::Owned))
}

/// A way through a text. What it puts in order stays in its place: only the members of one object change theirs.
struct Sort<'a> {
    text: &'a [u8],
    at: usize,
    /// Whether the elements of arrays are put in order, too.
    loose: bool,
    /// The text with what has been put in order, once there is something.
    out: Option<Vec<u8>>,
    levels: usize,
    /// The parts of the objects and arrays that are open.
    parts: Vec<Part<'a>>,
    /// Where parts are put in order.
    scratch: Vec<u8>,
}

/// A member of an object, or an element of an array.
struct Part<'a> {
    /// The key, decoded.
    key: Cow<'a, [u8]>,
    start: usize,
    end: usize,
}

impl Sort<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn marks(&mut self) {
        while self.peek() == Some(MARK) {
            self.at += MARKED + 1;
        }
    }

    fn value(&mut self) -> Option<()> {
        self.blanks();
        self.marks();
        match self.peek()? {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => {
                self.at += string(self.text.get(self.at..)?)?.0;
                Some(())
            }
            _ => {
                let length = scalar(self.text.get(self.at..)?);
                self.at += length;
                (length > 0).then_some(())
            }
        }
    }

    fn object(&mut self) -> Option<()> {
        self.open()?;
        let first = self.parts.len();
        let mut is_sorted = true;
        self.blanks();
        let mut is_open = self.peek()? != b'}';
        while is_open {
            self.blanks();
            let start = self.at;
            self.marks();
            let (length, is_escaped) = string(self.text.get(self.at..)?)?;
            let key = self.text.get(self.at + 1..self.at + length - 1)?;
            let key = if is_escaped { Cow::Owned(decoded(key)?.into_bytes()) } else { Cow::Borrowed(key) };
            self.at += length;
            self.blanks();
            if self.peek()? != b':' {
                return None;
            }
            self.at += 1;
            self.value()?;
            is_sorted &= self.parts.get(first..)?.last().is_none_or(|last| last.key <= key);
            self.parts.push(Part { key, start, end: self.at });
            is_open = self.goes_on()?;
        }
        if !is_sorted {
            self.parts.get_mut(first..)?.sort_by(|one, other| one.key.cmp(&other.key));
            self.rearrange(first)?;
        }
        self.parts.truncate(first);
        self.close(b'}')
    }

    fn array(&mut self) -> Option<()> {
        self.open()?;
        let first = self.parts.len();
        self.blanks();
        let mut is_open = self.peek()? != b']';
        while is_open {
            let start = self.at;
            self.value()?;
            if self.loose {
                self.parts.push(Part { key: Cow::Borrowed(&[]), start, end: self.at });
            }
            is_open = self.goes_on()?;
        }
        if self.loose {
            let out = self.out.as_deref().unwrap_or(self.text);
            let text = |part: &Part<'_>| out.get(part.start..part.end);
            self.parts.get_mut(first..)?.sort_by(|one, other| text(one).cmp(&text(other)));
            self.rearrange(first)?;
            self.parts.truncate(first);
        }
        self.close(b']')
    }

    fn open(&mut self) -> Option<()> {
        self.levels += 1;
        self.at += 1;
        (self.levels <= MOST_LEVELS).then_some(())
    }

    fn close(&mut self, bracket: u8) -> Option<()> {
        self.levels -= 1;
        self.at += 1;
        (self.text.get(self.at - 1)? == &bracket).then_some(())
    }

    /// Whether there is another part, after the comma.
    fn goes_on(&mut self) -> Option<bool> {
        self.blanks();
        match self.peek()? {
            b',' => {
                self.at += 1;
                Some(true)
            }
            b'}' | b']' => Some(false),
            _ => None,
        }
    }

    /// Writes the parts from `first` on in the order in which they stand now, where they have stood.
    fn rearrange(&mut self, first: usize) -> Option<()> {
        let parts = self.parts.get(first..)?;
        let Some(start) = parts.iter().map(|part| part.start).min() else { return Some(()) };
        let end = parts.iter().map(|part| part.end).max().unwrap_or(start);
        let out = self.out.get_or_insert_with(|| self.text.to_vec());
        self.scratch.clear();
        for part in parts {
            if !self.scratch.is_empty() {
                self.scratch.push(b',');
            }
            self.scratch.extend_from_slice(out.get(part.start..part.end)?);
        }
        // Where raw text had blanks between the parts, they follow now.
        self.scratch.resize(end - start, b' ');
        out.get_mut(start..end)?.copy_from_slice(&self.scratch);
        Some(())
    }
}

/// Raw text as serde_json would have written it, but for the order of keys.
fn normal(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(byte) = rest.first() {
        let length = match byte {
            b' ' | b'\n' | b'\r' | b'\t' => 1,
            b'{' | b'}' | b'[' | b']' | b',' | b':' => {
                out.push(*byte);
                1
            }
            b'"' => {
                let (length, is_escaped) = string(rest)?;
                if is_escaped {
                    write(&mut out, &decoded(rest.get(1..length - 1)?)?)?;
                } else {
                    out.extend_from_slice(rest.get(..length)?);
                }
                length
            }
            _ => {
                let length = scalar(rest);
                let scalar = rest.get(..length)?;
                match double(scalar) {
                    Some(double) => write(&mut out, &double)?,
                    None => out.extend_from_slice(scalar),
                }
                length.max(1)
            }
        };
        rest = rest.get(length..)?;
    }
    Some(out)
}

/// The length of the string that the text begins with, and whether there are escapes in it.
pub(super) fn string(text: &[u8]) -> Option<(usize, bool)> {
    if text.first()? != &b'"' {
        return None;
    }
    let (mut at, mut is_escaped) = (1, false);
    loop {
        at += escape::plain(text.get(at..)?);
        match text.get(at)? {
            b'"' => return Some((at + 1, is_escaped)),
            b'\\' => {
                is_escaped = true;
                at += 2;
            }
            _ => at += 1,
        }
    }
}

/// The length of the number, the boolean or the `null` that the text begins with.
fn scalar(text: &[u8]) -> usize {
    let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b':' | b' ' | b'\n' | b'\r' | b'\t');
    text.iter().position(ends).unwrap_or(text.len())
}

/// The text of what stands between quotation marks; `None` if it is none, because it holds half of a surrogate pair.
fn decoded(inner: &[u8]) -> Option<String> {
    serde_json::from_slice(&[b"\"", inner, b"\""].concat()).ok()
}

fn write<T: Serialize>(out: &mut Vec<u8>, value: &T) -> Option<()> {
    serde_json::to_writer(out, value).ok()
}

/// The number that is written in the place of this one; `None` if it stays as it is.
fn double(scalar: &[u8]) -> Option<f64> {
    if scalar == b"-0" {
        return Some(-0.0);
    }
    let mantissa = scalar.split(|byte| matches!(byte, b'e' | b'E')).next()?;
    let is_number = matches!(scalar.first()?, b'-' | b'0'..=b'9');
    let is_integer = mantissa.len() == scalar.len() && !scalar.contains(&b'.');
    if !is_number || is_integer {
        return None;
    }
    let digits = || mantissa.iter().filter(|byte| byte.is_ascii_digit());
    let is_zero = digits().all(|digit| *digit == b'0');
    let leading = digits().take_while(|digit| **digit == b'0').count();
    let trailing = digits().rev().take_while(|digit| **digit == b'0').count();
    if !is_zero && digits().count() - leading - trailing > MOST_DIGITS {
        return None;
    }
    let double: f64 = std::str::from_utf8(scalar).ok()?.parse().ok()?;
    // What is beyond the range of an `f64` is not this number.
    (double.is_finite() && (double != 0.0 || is_zero)).then_some(double)
}
