//! What keeps a journal's pairs of keys and values.

use std::fmt;
use std::io;
use std::ops::ControlFlow;

use crate::journal::JournalError;
use crate::outcome::digest::Digested;

pub(crate) mod memory;

/// The longest value that a store takes. Longer ones are cut into pieces above.
pub(crate) const LONGEST_VALUE: usize = 4096;

/// The longest key that a store takes. Hundreds of them stand in one node of sled's, and a node of 128 KiB is too large.
pub(crate) const LONGEST_KEY: usize = 256;

/// One change of a batch.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Sets a value of at most [`LONGEST_VALUE`] bytes under a key of at most [`LONGEST_KEY`].
    Put(Vec<u8>, Vec<u8>),
    /// Removes a key, if it is there.
    Delete(Vec<u8>),
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(key, value) => write!(f, "Put({key:?}, {:?})", Digested(value)),
            Self::Delete(key) => write!(f, "Delete({key:?})"),
        }
    }
}

impl Change {
    /// Refuses what is longer than a store takes. Who cuts values into pieces has made a mistake then.
    pub(crate) fn check(&self) -> Result<(), JournalError> {
        let (key, value) = match self {
            Self::Put(key, value) => (key.len(), value.len()),
            Self::Delete(key) => (key.len(), 0),
        };
        if key <= LONGEST_KEY && value <= LONGEST_VALUE {
            return Ok(());
        }
        let what = format!("a key of {key} B with a value of {value} B is too long");
        Err(io::Error::new(io::ErrorKind::InvalidInput, what).into())
    }
}

/// Takes a pair of a scan, and says whether it wants the next; or refuses it, and so ends the scan with an error.
pub(crate) type Each<'a> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, JournalError> + 'a;

/// Keeps pairs of keys and values, in the order of the keys. Owned by one thread, on which all of this blocks.
pub(crate) trait Store: Send + 'static {
    /// Hands over every pair whose key begins with `prefix` and comes after `after`, in order, until no more are wanted.
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, each: &mut Each<'_>) -> Result<(), JournalError>;

    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError>;

    /// Makes all changes, in order, or none of them. They are durable when this returns.
    ///
    /// After an error nobody knows which of the two it was, and nothing more may be committed before a
    /// [`reopen`](Store::reopen).
    fn commit(&mut self, batch: &[Change]) -> Result<(), JournalError>;

    /// Opens the store anew, in the same place, after a commit has failed: what is then there is what counts. An error
    /// with the kind `NotSynced` is final, any other may be tried again.
    fn reopen(&mut self) -> Result<(), JournalError>;
}
