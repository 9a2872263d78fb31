//! What can go wrong with a journal.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::outcome::BoxError;
use crate::user_code::{Contained, chain, debug};

/// Why a journal could not be opened, read or written.
///
/// [`kind`](JournalError::kind) says what to do about it; `{}` names the directory, and the remedy where there is one. Cheap to
/// clone: all those whose writes were to be made durable together get the same error.
#[derive(Clone)]
pub struct JournalError {
    kind: JournalErrorKind,
    path: Option<PathBuf>,
    set_aside: Option<PathBuf>,
    /// It may be the user's, within an error of input or output.
    source: Option<Arc<Contained<BoxError>>>,
}

/// What is wrong with a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JournalErrorKind {
    /// Another process has the directory open. It is free as soon as that process has ended, however it ends.
    OwnedByAnotherProcess,
    /// This process has the directory open already, or the journal belongs to another system: one journal, one system.
    InUse,
    /// The path is not one at which there is, or can be made, a directory: it is empty, holds a NUL byte, is a symbolic link
    /// to nothing, or the directory above it is missing. The error's source says which.
    BadPath,
    /// The directory cannot be created, read or written: permissions, a read-only file system, a file in its place.
    NotWritable,
    /// The disk is full. What was acknowledged is kept, and writing works again once there is room.
    DiskFull,
    /// The disk could not be made to keep what was written. Writes are refused until the journal is opened again; what was
    /// acknowledged before is kept.
    NotSynced,
    /// The store is damaged. It was set aside, in a directory within the journal's, and not touched otherwise.
    Corrupt,
    /// The store was written by a newer version of the crate. It was not touched.
    NewerFormat,
    /// The system of the journal has ended.
    Closed,
    /// Any other error of the file system, or of the limits of the process (too many open files, no memory). What was
    /// acknowledged is kept, and nothing was set aside: open the journal again when the cause is gone.
    Io,
    /// A journal that is not the crate's own panicked. What was asked of it may have been recorded or not.
    Panicked,
}

impl JournalError {
    pub(crate) fn new(kind: JournalErrorKind) -> Self {
        Self { kind, path: None, set_aside: None, source: None }
    }

    /// The directory that it is about.
    #[cfg_attr(not(feature = "sled"), expect(dead_code, reason = "only a store on disk has a directory"))]
    pub(crate) fn at(mut self, path: &Path) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    pub(crate) fn because(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(Arc::new(Contained::new(source.into())));
        self
    }

    /// Where a damaged store stands now.
    #[cfg_attr(not(feature = "sled"), expect(dead_code, reason = "only a store on disk is set aside"))]
    pub(crate) fn moved_to(mut self, path: &Path) -> Self {
        self.set_aside = Some(path.to_owned());
        self
    }

    fn cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref()?.get().map(|error| error.as_ref() as _)
    }

    /// What is wrong.
    pub fn kind(&self) -> JournalErrorKind {
        self.kind
    }

    /// The directory of the journal, if it has one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Where a damaged store was put, if it could be moved.
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }
}

impl From<io::Error> for JournalError {
    fn from(error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => JournalErrorKind::DiskFull,
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory => JournalErrorKind::NotWritable,
            _ => JournalErrorKind::Io,
        };
        Self::new(kind).because(error)
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the journal")?;
        if let Some(path) = &self.path {
            write!(f, " in `{}`", path.display())?;
        }
        f.write_str(match self.kind {
            JournalErrorKind::OwnedByAnotherProcess => {
                " is owned by another process: one process has a journal at a time"
            }
            JournalErrorKind::InUse => " is in use in this process: one journal belongs to one system",
            JournalErrorKind::BadPath => {
                " cannot be opened: give the path of a directory, of which only the last part may be missing"
            }
            JournalErrorKind::NotWritable => {
                " cannot be written: check the path, its permissions, and that the file system is not read-only"
            }
            JournalErrorKind::DiskFull => " cannot grow: the disk is full",
            JournalErrorKind::NotSynced => {
                " could not be made durable: it takes no more writes until it is opened again"
            }
            JournalErrorKind::Corrupt => " is damaged",
            JournalErrorKind::NewerFormat => " was written by a newer version of this crate",
            JournalErrorKind::Closed => " is closed: its system has ended",
            JournalErrorKind::Io => {
                " could not be read or written: what was acknowledged is kept; check the disk and the limits of the process, \
                 and open it again"
            }
            JournalErrorKind::Panicked => " panicked: what was asked of it may have been recorded or not",
        })?;
        if let Some(path) = &self.set_aside {
            write!(
                f,
                ": it was set aside as `{}`, and a new one is begun only once the file `quarantined` is removed",
                path.display()
            )?;
        }
        match self.cause() {
            Some(cause) if f.alternate() => write!(f, ": {}", chain(cause)),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = self.cause().map(|cause| debug(cause, f.alternate()));
        f.debug_struct("JournalError")
            .field("kind", &self.kind)
            .field("path", &self.path)
            .field("set_aside", &self.set_aside)
            .field("source", &source)
            .finish()
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause()
    }
}
