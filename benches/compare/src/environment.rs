//! Where the figures come from: what must stand above a table for its figures to mean anything.

use std::{env::consts, fs, thread};

/// Machine, compiler and versions, as two lines.
pub fn describe() -> String {
    let cores = thread::available_parallelism().map_or_else(|_| "?".to_owned(), |n| n.to_string());
    let build = if cfg!(debug_assertions) { "DEBUG BUILD, its figures mean nothing" } else { "release" };
    format!(
        "machine:    {}, {cores} cores, {}/{}\nversions:   {}, {}, {build}",
        processor(),
        consts::OS,
        consts::ARCH,
        env!("COMPARE_VERSIONS"),
        env!("COMPARE_RUSTC"),
    )
}

/// The processor's name, where the system tells it without a library.
fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| "processor unknown".to_owned(), |(_, name)| name.trim().to_owned())
}
