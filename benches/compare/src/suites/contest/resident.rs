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

/// Of the places where Linux tells, this one counts when asked and is exact. `statm` sums up what each processor
/// has reported so far, and may be off by as much as a stream needs.
fn read() -> Option<u64> {
    rss(&fs::read_to_string("/proc/self/smaps_rollup").ok()?)
}

fn rss(rollup: &str) -> Option<u64> {
    let size = rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    size.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_found_among_others() {
        let rollup = "5581-7ffc ---p 00000000 00:00 0  [rollup]\nRss:     2008 kB\nPss:      900 kB\n";
        assert_eq!(rss(rollup), Some(2008));
        assert_eq!(rss("Pss: 900 kB\n"), None);
    }
}
