//! Values of the user's as texts of bounded length.

use std::cell::Cell;
use std::error::Error;
use std::fmt::{self, Debug, Display, Write};
use std::iter::successors;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use super::contain;

/// How long a text of the user's is where it is kept, in bytes: an error with its causes, the message of a panic.
const LONGEST: usize = 8 * 1024;

/// How long a key, a label or the name of a lane may be at all, in bytes. Where less is allowed, the caller says so.
const LONGEST_NAME: usize = 1024 * 1024;

/// How many errors a chain of causes is followed to. A chain that leads back to itself ends there as well.
const DEEPEST: usize = 64;

/// How deep the formatting of one value may lie within that of another, where the crate's own types lead there.
const DEEPEST_NESTED: u32 = 16;

/// How many pieces a text may be written in, beyond two for each byte. Pieces may be empty, so their number needs a bound of
/// its own.
const MORE_PIECES: usize = 1024;

/// How many pieces are refused before the code that goes on writing is stopped.
const MOST_REFUSED: usize = 1024;

/// Stands where a text was cut.
const ELLIPSIS: &str = "…";

thread_local! {
    static NESTED: Cell<u32> = const { Cell::new(0) };
}

/// What a value's `Display` says, in at most 8 KiB. What panics, fails or does not end is said instead.
pub(crate) fn display(value: &(impl Display + ?Sized)) -> String {
    within(LONGEST, "Display", format_args!("{value}"))
}

/// What a value's `Debug` says, as [`display`] does.
pub(crate) fn debug(value: &(impl Debug + ?Sized), alternate: bool) -> Verbatim {
    Verbatim(match alternate {
        true => within(LONGEST, "Debug", format_args!("{value:#?}")),
        false => within(LONGEST, "Debug", format_args!("{value:?}")),
    })
}

/// A text that is the `Debug` of something.
pub(crate) struct Verbatim(String);

impl Debug for Verbatim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an error and the errors below it say, in at most 8 KiB and 64 errors.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = Text::new(LONGEST);
    text.add("Display", format_args!("{error}"));
    for cause in causes(error) {
        text.add_own(": ");
        text.add("Display", format_args!("{cause}"));
    }
    text.finish()
}

/// The errors below an error: at most 64 of them. A `source` that panics ends them.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(source(error), |error| source(*error)).take(DEEPEST)
}

/// The error below an error. A `source` that panics has none.
pub(crate) fn source<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    contain(|| error.source()).ok().flatten()
}

/// The text of a key, a label or the name of a lane, for which the caller has a limit: beyond 1 MiB it is cut. It is called in
/// the code of who gives the name, so what panics there does so here.
///
/// # Panics
/// If the `Display` of the value panics or fails.
#[track_caller]
pub(crate) fn name_of(name: &(impl Display + ?Sized)) -> String {
    name_and_whether_cut(name).0
}

/// The text of a key for which there is no other limit than 1 MiB; otherwise as [`name_of`].
///
/// # Panics
/// If the `Display` of the value panics or fails, or writes more than that.
#[track_caller]
pub(crate) fn key_of(key: &(impl Display + ?Sized)) -> Arc<str> {
    let (key, is_cut) = name_and_whether_cut(key);
    assert!(!is_cut, "a key is longer than 1 MiB, or its `Display` does not end");
    key.into()
}

#[track_caller]
fn name_and_whether_cut(name: &(impl Display + ?Sized)) -> (String, bool) {
    let mut piece = Piece::new(LONGEST_NAME);
    let written = catch_unwind(AssertUnwindSafe(|| write!(piece, "{name}")));
    if !piece.is_cut {
        let written = written.unwrap_or_else(|panic| resume_unwind(panic));
        assert!(written.is_ok(), "the `Display` of a key, a label or the name of a lane returned an error");
    }
    (piece.text, piece.is_cut)
}

/// A text of the user's as it is kept: at most 8 KiB of it.
pub(crate) fn cut(text: &str) -> String {
    let mut kept = Text::new(LONGEST);
    kept.add_own(text);
    kept.finish()
}

/// The text of a value, in at most `limit` bytes.
pub(super) fn within(limit: usize, method: &str, value: fmt::Arguments<'_>) -> String {
    let mut text = Text::new(limit);
    text.add(method, value);
    text.finish()
}

/// A text of bounded length, made of what values say.
struct Text(Piece);

impl Text {
    fn new(limit: usize) -> Self {
        Self(Piece::new(limit.saturating_sub(ELLIPSIS.len())))
    }

    /// Adds what a value says.
    fn add(&mut self, method: &str, value: fmt::Arguments<'_>) {
        if self.0.is_cut {
            return;
        }
        let nested = Nested::enter();
        if nested.is_too_deep() {
            return self.add_own(ELLIPSIS);
        }
        let before = self.0.text.len();
        let problem = match contain(|| self.0.write_fmt(value)) {
            // What was cut was stopped by an error.
            _ if self.0.is_cut => return,
            Ok(Ok(())) => return,
            Ok(Err(_)) => "failed".to_owned(),
            Err(panic) => format!("panicked: {panic}"),
        };
        if self.0.text.len() == before {
            self.add_own(&format!("a value whose `{method}` {problem}"));
        } else {
            self.add_own(&format!(" (its `{method}` {problem})"));
        }
    }

    /// Adds a text of the crate's.
    fn add_own(&mut self, text: &str) {
        // A text without room has been cut, and shows that.
        let _ = self.0.write_str(text);
    }

    fn finish(self) -> String {
        let Self(Piece { mut text, is_cut, .. }) = self;
        if is_cut {
            text.push_str(ELLIPSIS);
        }
        text
    }
}

/// What code of the user's writes to. Beyond its bounds it returns an error, and code that goes on nevertheless is unwound.
struct Piece {
    text: String,
    limit: usize,
    pieces: usize,
    is_cut: bool,
    refused: usize,
}

impl Piece {
    fn new(limit: usize) -> Self {
        Self { text: String::new(), limit, pieces: 0, is_cut: false, refused: 0 }
    }
}

impl fmt::Write for Piece {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if self.is_cut {
            self.refused += 1;
            if self.refused > MOST_REFUSED {
                // Not a panic: nothing is wrong, and no hook has to be told.
                resume_unwind(Box::new("it goes on writing where it was told to stop"));
            }
            return Err(fmt::Error);
        }
        self.pieces += 1;
        let room = self.limit - self.text.len();
        if piece.len() <= room && self.pieces <= 2 * self.limit + MORE_PIECES {
            self.text.push_str(piece);
            return Ok(());
        }
        self.is_cut = true;
        let mut end = room.min(piece.len());
        while !piece.is_char_boundary(end) {
            end -= 1;
        }
        self.text.push_str(&piece[..end]);
        Err(fmt::Error)
    }
}

/// One value's formatting within those that have called it, on this thread.
struct Nested(u32);

impl Nested {
    fn enter() -> Self {
        Self(NESTED.replace(NESTED.get() + 1))
    }

    fn is_too_deep(&self) -> bool {
        self.0 >= DEEPEST_NESTED
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        NESTED.set(self.0);
    }
}
