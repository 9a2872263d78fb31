//! Copies of what a killed process has left.

use std::fs::{self, File};
use std::path::Path;

/// Copies a file, or a directory with all that is in it. What is copied is on disk when it returns, so that nobody pays for
/// that later.
///
/// Panics if it cannot: without a copy there is nothing to measure.
pub fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::copy(from, to).and_then(|_| File::open(to)?.sync_all()).expect("a file can be copied");
        return;
    }
    fs::create_dir(to).expect("the place is fresh");
    for entry in fs::read_dir(from).expect("it is a directory") {
        let entry = entry.expect("it can be read");
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}
