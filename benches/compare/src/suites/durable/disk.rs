//! Where durable work is written.

use std::cell::Cell;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, process};

use super::job::BYTES;

/// How often the disk is asked before its median counts.
const SYNCS: usize = 200;

/// A directory for one suite, removed with this value.
///
/// It is beside the program and not where the system keeps temporary files, because those are often in memory, where a
/// sync costs nothing and means nothing.
pub struct Place {
    path: PathBuf,
    given: Cell<usize>,
}

impl Place {
    pub fn new() -> Self {
        let program = env::current_exe().expect("the system knows which program this is");
        let path = program.with_file_name(format!("durable-{}", process::id()));
        fs::create_dir_all(&path).expect("there is a disk to write to");
        Self { path, given: Cell::new(0) }
    }

    /// A path within it where nothing is.
    pub fn fresh(&self) -> PathBuf {
        self.given.set(self.given.get() + 1);
        self.path.join(self.given.get().to_string())
    }

    /// Removes what was written so far. To be called between contests: what a file system does about a file that is gone
    /// takes time of whoever syncs next.
    pub fn clear(&self) {
        for given in 1..=self.given.get() {
            Self::remove(&self.path.join(given.to_string()));
        }
    }

    /// Removes what is at a path. What cannot be removed takes space, and does no harm.
    pub fn remove(path: &Path) {
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }

    /// How long the disk takes to make the bytes of one job durable: the median of some.
    pub fn sync_p50(&self) -> Duration {
        sync_p50(&self.fresh())
    }

    /// What stands above a table: the disk, and its own speed before and after all that was measured on it.
    pub fn describe(&self, before: Duration) -> String {
        let [before, after] = [before, self.sync_p50()].map(|p50| p50.as_secs_f64() * 1e6);
        let file_system = file_system(&self.path).unwrap_or_else(|| "file system unknown".to_owned());
        format!(
            "disk:       {file_system}; write of {BYTES} B + fdatasync, one thread: p50 {before:.0} µs before, {after:.0} µs after",
        )
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        Self::remove(&self.path);
    }
}

/// Within a file that is long enough already: what a sync of a longer one takes is the file system's.
fn sync_p50(path: &Path) -> Duration {
    let file = File::create(path).expect("there is a disk to write to");
    file.set_len((SYNCS * BYTES) as u64).and_then(|()| file.sync_all()).expect("the disk is not full");
    let mut took: Vec<_> = (0..SYNCS)
        .map(|sync| {
            let start = Instant::now();
            let written = file.write_all_at(&[1; BYTES], (sync * BYTES) as u64);
            written.and_then(|()| file.sync_data()).expect("the disk is not full");
            start.elapsed()
        })
        .collect();
    took.sort();
    took[SYNCS / 2]
}

/// The kind of file system, where the system tells it without a library.
fn file_system(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?)).filter(|(point, _)| path.starts_with(point))
    });
    // The last of the longest ones is what is seen there.
    mounts.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind.to_owned())
}
