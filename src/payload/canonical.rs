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
pub(super) fn of(text: &[u8], raw: bool) -> Option<Vec<u8>> {
    Scan { raw, ..Scan::over(text) }.scan()
}

/// The same, with the calls that have written each value before it. If `loose`, the elements of arrays are sorted as well.
pub(super) fn marked(text: &[u8], calls: &[(usize, u64)], loose: bool) -> Option<Vec<u8>> {
    Scan { calls, loose, ..Scan::over(text) }.scan()
}

/// A way through a text, and what is made of it.
struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    raw: bool,
    loose: bool,
    /// The calls that have not been met yet.
    calls: &'a [(usize, u64)],
    out: Vec<u8>,
    levels: usize,
    /// The members of the objects that are open, and the elements of such arrays where they are sorted.
    parts: Vec<Part<'a>>,
    /// Where parts are put in order.
    scratch: Vec<u8>,
}

/// A part of what is made: a member of an object, or an element of an array.
struct Part<'a> {
    /// The key, decoded.
    key: Cow<'a, [u8]>,
    start: usize,
    end: usize,
}

impl<'a> Scan<'a> {
    fn over(text: &'a [u8]) -> Self {
        let (out, parts, scratch) = (Vec::with_capacity(text.len()), Vec::new(), Vec::new());
        Self { text, at: 0, raw: false, loose: false, calls: &[], out, levels: 0, parts, scratch }
    }

    fn scan(mut self) -> Option<Vec<u8>> {
        self.value()?;
        self.blanks();
        (self.at == self.text.len()).then_some(self.out)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// The calls that have written what begins here.
    fn marks(&mut self) {
        while let Some(((at, call), rest)) = self.calls.split_first() {
            if *at > self.at {
                return;
            }
            self.out.push(MARK);
            self.out.extend_from_slice(&call.to_be_bytes());
            self.calls = rest;
        }
    }

    fn value(&mut self) -> Option<()> {
        self.blanks();
        self.marks();
        match self.peek()? {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => self.string().map(drop),
            _ => self.scalar(),
        }
    }

    fn object(&mut self) -> Option<()> {
        self.open()?;
        let (first, begin) = (self.parts.len(), self.out.len());
        let mut is_sorted = true;
        self.blanks();
        let mut is_open = self.peek()? != b'}';
        while is_open {
            self.blanks();
            let start = self.out.len();
            self.marks();
            let key = self.string()?;
            let key = if key.contains(&b'\\') { Cow::Owned(decoded(key)?.into_bytes()) } else { Cow::Borrowed(key) };
            self.blanks();
            if self.peek()? != b':' {
                return None;
            }
            self.step();
            self.value()?;
            is_sorted &= self.parts.get(first..)?.last().is_none_or(|last| last.key <= key);
            self.parts.push(Part { key, start, end: self.out.len() });
            is_open = self.goes_on()?;
        }
        if !is_sorted {
            self.parts.get_mut(first..)?.sort_by(|one, other| one.key.cmp(&other.key));
            self.rearrange(first, begin);
        }
        self.parts.truncate(first);
        self.close(b'}')
    }

    fn array(&mut self) -> Option<()> {
        self.open()?;
        let (first, begin) = (self.parts.len(), self.out.len());
        self.blanks();
        let mut is_open = self.peek()? != b']';
        while is_open {
            let start = self.out.len();
            self.value()?;
            if self.loose {
                self.parts.push(Part { key: Cow::Borrowed(&[]), start, end: self.out.len() });
            }
            is_open = self.goes_on()?;
        }
        if self.loose {
            let out = &self.out;
            let text = |part: &Part<'_>| out.get(part.start..part.end);
            self.parts.get_mut(first..)?.sort_by(|one, other| text(one).cmp(&text(other)));
            self.rearrange(first, begin);
            self.parts.truncate(first);
        }
        self.close(b']')
    }

    fn open(&mut self) -> Option<()> {
        self.levels += 1;
        self.step();
        (self.levels <= MOST_LEVELS).then_some(())
    }

    fn close(&mut self, bracket: u8) -> Option<()> {
        self.levels -= 1;
        (self.peek()? == bracket).then(|| self.step())
    }

    /// Whether there is another member or element, after the comma.
    fn goes_on(&mut self) -> Option<bool> {
        self.blanks();
        match self.peek()? {
            b',' => {
                self.step();
                Some(true)
            }
            b'}' | b']' => Some(false),
            _ => None,
        }
    }

    /// Takes one byte over.
    fn step(&mut self) {
        self.out.extend(self.peek());
        self.at += 1;
    }

    /// Writes the parts from `first` on in the order in which they stand now, from `begin` on.
    fn rearrange(&mut self, first: usize, begin: usize) {
        self.scratch.clear();
        for part in self.parts.iter().skip(first) {
            if !self.scratch.is_empty() {
                self.scratch.push(b',');
            }
            self.scratch.extend_from_slice(self.out.get(part.start..part.end).unwrap_or_default());
        }
        self.out.truncate(begin);
        self.out.extend_from_slice(&self.scratch);
    }

    /// Takes a string over. Gives what stands between its quotation marks.
    fn string(&mut self) -> Option<&'a [u8]> {
        if self.peek()? != b'"' {
            return None;
        }
        let rest = self.text.get(self.at + 1..)?;
        let (mut length, mut is_escaped) = (0, false);
        loop {
            length += rest.get(length..)?.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            if rest.get(length)? == &b'"' {
                break;
            }
            is_escaped = true;
            length += 2;
        }
        let inner = rest.get(..length)?;
        if self.raw && is_escaped {
            write(&mut self.out, &decoded(inner)?)?;
        } else {
            self.out.extend_from_slice(self.text.get(self.at..self.at + length + 2)?);
        }
        self.at += length + 2;
        Some(inner)
    }

    /// Takes a number, a boolean or `null` over.
    fn scalar(&mut self) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t');
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        let scalar = rest.get(..length).filter(|scalar| !scalar.is_empty())?;
        self.at += length;
        match double(scalar).filter(|_| self.raw) {
            Some(double) => write(&mut self.out, &double),
            None => {
                self.out.extend_from_slice(scalar);
                Some(())
            }
        }
    }
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
