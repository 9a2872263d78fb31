//! What is measured: a place on the disk, the memory, and durations.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fmt, fs, process};

/// The directory of a journal, removed with this value.
pub struct Place(PathBuf);

impl Place {
    pub fn new() -> io::Result<Self> {
        let path = env::current_exe()?.with_file_name(format!("upkeep-{}", process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The MiB of all files in it.
    pub fn mib(&self) -> f64 {
        size(&self.0) as f64 / f64::from(1 << 20)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Files that are removed meanwhile take no space.
fn size(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let of = |path: &Path| match fs::metadata(path) {
        Ok(found) if found.is_dir() => size(path),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.flatten().map(|entry| of(&entry.path())).sum()
}

/// The MiB of this process that are resident. Not a number where the system does not tell.
pub fn resident_mib() -> f64 {
    let of = |sizes: String| {
        let line = sizes.lines().find_map(|line| line.strip_prefix("Rss:"))?;
        line.trim().strip_suffix(" kB")?.parse::<f64>().ok()
    };
    fs::read_to_string("/proc/self/smaps_rollup").ok().and_then(of).map_or(f64::NAN, |kib| kib / 1024.0)
}

/// How long something took, again and again.
#[derive(Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    pub fn add(&mut self, took: Duration) {
        self.0.push(took);
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Milliseconds, at the median, the 99th percentile and the worst.
    pub fn figures(mut self) -> Figures {
        self.0.sort_unstable();
        let at = |part: f64| {
            let last = self.0.len().saturating_sub(1);
            self.0.get((last as f64 * part) as usize).map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
        };
        Figures { p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}

/// In milliseconds.
#[derive(Clone, Copy)]
pub struct Figures {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "launch ms p50 {:.2} p99 {:.2} max {:.2}", self.p50, self.p99, self.max)
    }
}
