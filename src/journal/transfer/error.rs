//! Why launches were not exported or imported.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::journal::JournalError;

/// Why launches could not be exported. The journal is as it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The journal could not be read at all, or is open.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The lines could not be written. What has been written is not all.
    #[error("the exported launches could not be written: {0}")]
    Write(#[source] io::Error),
}

/// Why launches could not be imported. There is no new journal then.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// There is a journal at the path, or something that is not a journal's.
    #[error("`{}` is not an empty directory: launches are imported into a new journal", .0.display())]
    NotNew(PathBuf),
    /// A line is not what an export writes.
    #[error("line {line} cannot be imported: {reason}")]
    BadLine {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The lines could not be read.
    #[error("the launches could not be read: {0}")]
    Read(#[source] io::Error),
    /// The new journal could not be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}
