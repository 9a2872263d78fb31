//! The memory of this process that is resident.

use std::fs;

/// Whether the system tells. Only Linux does without a library.
pub fn is_known() -> bool {
    read().is_some()
}

/// Resident KiB.
///
/// Panics where [`is_known`] is false.
pub fn kib() -> u64 {
    read().expect("memory is measured only where the system tells")
}

/// Resident MiB.
///
/// Panics where [`is_known`] is false.
pub fn mib() -> f64 {
    kib() as f64 / 1024.0
}

/// The most MiB that were ever resident.
///
/// Panics where [`is_known`] is false.
pub fn peak_mib() -> f64 {
    let status =
        fs::read_to_string("/proc/self/status").expect("memory is measured only where the system tells");
    field(&status, "VmHWM:").expect("the system tells the peak") as f64 / 1024.0
}

/// Of the places where Linux tells, this one counts when asked and is exact. `statm` sums up what each processor
/// has reported so far, and may be off by as much as a stream needs.
fn read() -> Option<u64> {
    field(&fs::read_to_string("/proc/self/smaps_rollup").ok()?, "Rss:")
}

/// The size of this name, in KiB.
fn field(sizes: &str, name: &str) -> Option<u64> {
    let size = sizes.lines().find_map(|line| line.strip_prefix(name))?;
    size.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_found_among_others() {
        let rollup = "5581-7ffc ---p 00000000 00:00 0  [rollup]\nRss:     2008 kB\nPss:      900 kB\n";
        assert_eq!(field(rollup, "Rss:"), Some(2008));
        assert_eq!(field("Pss: 900 kB\n", "Rss:"), None);
    }
}
