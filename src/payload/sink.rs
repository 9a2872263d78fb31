//! Where the JSON of a value goes: it is kept, or compared with what was written before.

use std::cell::{Cell, RefCell};
use std::io;

use super::error::EncodeError;
use super::escape;

/// How far beyond the limit the length of a value is counted, as a multiple: so that the error can say how long the value is,
/// and a value without an end is given up.
const COUNTED: usize = 4;

/// How many levels of arrays and objects serde_json reads.
const MOST_LEVELS: u32 = 127;

/// How many calls of a `Serialize` within another one are made: options and newtypes are no levels of JSON, and a value that
/// wraps itself without an end would overflow the stack.
const MOST_CALLS: u32 = 4 * MOST_LEVELS;

/// What JSON does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    NotANumber,
    Infinity,
    NegativeInfinity,
    /// A `Some` whose value is written as `null`, as `None` is.
    SomeNull,
}

/// What the writing of a value says beside its JSON.
pub(super) struct Sink<'e> {
    out: RefCell<Vec<u8>>,
    /// What has to be written, where the value is only compared.
    expected: Option<&'e [u8]>,
    len: Cell<usize>,
    limit: usize,
    differs: Cell<bool>,
    /// A digest of the calls of the serializer, and of what JSON does not hold.
    calls: Cell<u64>,
    /// The same, whatever the order of the calls.
    any_order: Cell<u64>,
    losses: Cell<u64>,
    first_loss: Cell<Option<(usize, Loss)>>,
    /// The calls, each with the position of the value that it wrote, where they are kept.
    recorded: Option<RefCell<Vec<(usize, u64)>>>,
    levels: Cell<u32>,
    depth: Cell<u32>,
    too_deep: Cell<bool>,
    /// Whether what is written is passed over, because it stands already.
    pub(super) muted: Cell<bool>,
    /// Whether single floats are written as doubles.
    pub(super) widens: bool,
    /// Whether there were single floats.
    pub(super) singles: Cell<bool>,
    /// Whether there was text that serde_json has not made: that of a `RawValue`.
    pub(super) raw: Cell<bool>,
    /// Whether there were objects of more than one key.
    pub(super) objects: Cell<bool>,
}

impl<'e> Sink<'e> {
    fn new(limit: usize) -> Self {
        Self {
            out: RefCell::default(),
            expected: None,
            len: Cell::new(0),
            limit,
            differs: Cell::new(false),
            calls: Cell::new(0),
            any_order: Cell::new(0),
            losses: Cell::new(0),
            first_loss: Cell::new(None),
            recorded: None,
            levels: Cell::new(0),
            depth: Cell::new(0),
            too_deep: Cell::new(false),
            muted: Cell::new(false),
            widens: false,
            singles: Cell::new(false),
            raw: Cell::new(false),
            objects: Cell::new(false),
        }
    }

    /// Keeps what is written, up to `limit` bytes.
    pub(super) fn keeping(limit: usize) -> Self {
        let sink = Self::new(limit);
        sink.out.borrow_mut().reserve(limit.min(256));
        sink
    }

    /// The same, with single floats written as doubles.
    pub(super) fn widening(limit: usize) -> Self {
        Self { widens: true, ..Self::keeping(limit) }
    }

    /// The same, and keeps the calls.
    pub(super) fn recording(limit: usize) -> Self {
        Self { recorded: Some(RefCell::default()), ..Self::keeping(limit) }
    }

    /// Compares what is written, and ends the writing where it differs.
    pub(super) fn comparing(expected: &'e [u8]) -> Self {
        Self { expected: Some(expected), ..Self::new(expected.len()) }
    }

    pub(super) fn len(&self) -> usize {
        self.len.get()
    }

    /// Whether more was written than may be kept.
    pub(super) fn is_too_long(&self) -> bool {
        self.len.get() > self.limit
    }

    pub(super) fn is_too_deep(&self) -> bool {
        self.too_deep.get()
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Something is wrong where the writing has come to.
    #[cold]
    pub(super) fn error(&self, what: &str) -> EncodeError {
        self.with_text(|text| EncodeError::at(text, self.len.get(), what))
    }

    /// The first thing that JSON does not hold.
    #[cold]
    pub(super) fn loss(&self) -> Option<EncodeError> {
        let (position, loss) = self.first_loss.get()?;
        Some(self.with_text(|text| EncodeError::at(text, position, loss.text())))
    }

    /// What was written up to now, or has to be written.
    pub(super) fn with_text<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        match self.expected {
            Some(expected) => read(expected),
            None => read(&self.out.borrow()),
        }
    }

    /// Whether something else was written than was expected.
    pub(super) fn differs(&self) -> bool {
        self.differs.get()
    }

    /// Whether all that was expected was written, by the same calls as into `other`, and nothing else.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        // A raw text may stand in for any value.
        let raw = self.raw.get() || other.raw.get();
        let calls = raw || self.calls == other.calls;
        !self.differs.get() && self.len == other.len && self.losses == other.losses && calls
    }

    /// Whether as much was written as into `other`, by the same calls in whatever order, and nothing was lost.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        let lost = self.first_loss.get().or(other.first_loss.get()).is_some();
        self.len == other.len && self.any_order == other.any_order && !lost
    }

    /// What was written.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.out.into_inner()
    }

    /// What was written, and the calls that wrote it.
    pub(super) fn into_parts(self) -> (Vec<u8>, Vec<(usize, u64)>) {
        (self.out.into_inner(), self.recorded.unwrap_or_default().into_inner())
    }

    /// Notes a call, by a number for its kind.
    #[inline]
    pub(super) fn note(&self, call: u64) {
        self.calls.set(mixed(self.calls.get(), call));
        self.any_order.set(self.any_order.get().wrapping_add(mixed(call, call)));
        if let Some(recorded) = &self.recorded {
            recorded.borrow_mut().push((self.len.get(), call));
        }
    }

    /// Notes that the value at `position` is written as another one.
    #[cold]
    pub(super) fn lose(&self, position: usize, loss: Loss) {
        self.losses.set(mixed(mixed(self.losses.get(), position as u64), loss as u64 + 1));
        if self.first_loss.get().is_none() {
            self.first_loss.set(Some((position, loss)));
        }
        if let Some(recorded) = &self.recorded {
            recorded.borrow_mut().push((position, loss.call()));
        }
    }

    /// Whether `null` is all that was written from `start` on.
    pub(super) fn is_null_since(&self, start: usize) -> bool {
        let (null, end) = (b"null", self.len.get());
        end == start + null.len()
            && match self.expected {
                Some(expected) => expected.get(start..end) == Some(null),
                None => self.out.borrow().get(start..end) == Some(null),
            }
    }

    /// Goes so many levels of arrays and objects down; `false` if that is too deep.
    #[inline]
    #[must_use]
    pub(super) fn descend(&self, levels: u32) -> bool {
        let (levels, depth) = (self.levels.get() + levels, self.depth.get() + 1);
        self.levels.set(levels);
        self.depth.set(depth);
        let fits = levels <= MOST_LEVELS && depth <= MOST_CALLS;
        if !fits {
            self.too_deep.set(true);
        }
        fits
    }

    /// Comes back.
    #[inline]
    pub(super) fn ascend(&self, levels: u32) {
        self.levels.set(self.levels.get().saturating_sub(levels));
        self.depth.set(self.depth.get().saturating_sub(1));
    }

    /// Writes a string as serde_json does.
    pub(super) fn string(&self, value: &str) -> io::Result<()> {
        self.put(b"\"")?;
        let mut rest = value.as_bytes();
        while !rest.is_empty() {
            let (plain, others) = rest.split_at(escape::plain(rest));
            if !plain.is_empty() {
                self.put(plain)?;
            }
            rest = others;
            if let Some((byte, others)) = rest.split_first() {
                self.put(&escape::of(*byte))?;
                rest = others;
            }
        }
        self.put(b"\"")
    }

    #[inline]
    fn put(&self, piece: &[u8]) -> io::Result<()> {
        let start = self.len.get();
        let end = start.saturating_add(piece.len());
        match self.expected {
            Some(expected) if expected.get(start..end) == Some(piece) => {}
            Some(_) => {
                self.differs.set(true);
                return Err(io::ErrorKind::InvalidData.into());
            }
            None if end <= self.limit => self.out.borrow_mut().extend_from_slice(piece),
            None => return self.count(end),
        }
        self.len.set(end);
        Ok(())
    }

    #[cold]
    fn count(&self, end: usize) -> io::Result<()> {
        let most = self.limit.saturating_mul(COUNTED);
        // A `Serialize` may go on after an error.
        self.len.set(end.min(most.saturating_add(1)));
        if end > most { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl io::Write for &Sink<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.write_all(piece).map(|()| piece.len())
    }

    #[inline]
    fn write_all(&mut self, piece: &[u8]) -> io::Result<()> {
        if self.muted.get() { Ok(()) } else { self.put(piece) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Loss {
    /// The number of the call that says it.
    pub(super) fn call(self) -> u64 {
        LOSSES + self as u64
    }

    /// Whether a call says such a thing.
    pub(super) fn is_loss(call: u64) -> bool {
        call >= LOSSES
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::NotANumber => "NaN is not a number that JSON has",
            Self::Infinity => "infinity is not a number that JSON has",
            Self::NegativeInfinity => "-infinity is not a number that JSON has",
            Self::SomeNull => "a `Some` is written as `null`, and would be read back as `None`",
        }
    }
}

/// The numbers of the calls that say that something is lost: no other call has a number as high.
const LOSSES: u64 = u64::MAX - 15;

/// A digest with one more number in it.
#[inline]
pub(super) fn mixed(digest: u64, number: u64) -> u64 {
    (digest.rotate_left(5) ^ number).wrapping_mul(0x517c_c1b7_2722_0a95)
}
