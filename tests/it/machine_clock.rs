//! The clock of the machine, where no other one can be given: a library that is loaded before all others sets it.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sortie::{JournalErrorKind, SledJournal};

use crate::directory::{Directory, names};

const DIRECTORY: &str = "SORTIE_TEST_CLOCK";

/// A clock that always shows the time in `SORTIE_TEST_TIME`; other clocks are as they are.
const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *time) {
    const char *text = getenv("SORTIE_TEST_TIME");
    if (clock == CLOCK_REALTIME && text) {
        time->tv_sec = atoll(text);
        time->tv_nsec = 0;
        return 0;
    }
    return (int) syscall(SYS_clock_gettime, clock, time);
}
"#;

/// Builds the library; `None` where there is no compiler for it.
fn library(folder: &Path) -> Option<PathBuf> {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    fs::write(&source, LIBRARY).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    let built = built.is_ok_and(|status| status.success());
    if !built {
        println!("skipped: there is no compiler for a library that sets the clock");
    }
    built.then_some(library)
}

/// Not a test: what the child processes do.
#[test]
fn child() {
    let Some(path) = std::env::var_os(DIRECTORY) else { return };
    match SledJournal::open(Path::new(&path)) {
        Ok(_) => println!("@opened"),
        Err(error) => println!("@{:?} {error:#}", error.kind()),
    }
}

/// What a process says that opens a journal at this time, in seconds since 1970.
fn open_at(library: &Path, journal: &Path, time: i64) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "machine_clock::child", "--nocapture", "--test-threads=1"])
        .env("LD_PRELOAD", library)
        .env("SORTIE_TEST_TIME", time.to_string())
        .env(DIRECTORY, journal)
        .output()
        .unwrap();
    let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let line = said.lines().find_map(|line| Some(line.split_once('@')?.1.to_owned()));
    assert!(output.status.success(), "{said} {error}");
    line.unwrap_or_else(|| panic!("{said} {error}"))
}

#[test]
fn a_journal_is_opened_or_refused_and_never_moved_because_of_the_clock() {
    let directory = Directory::new();
    let Some(library) = library(directory.path()) else { return };
    drop(SledJournal::open(directory.journal()).unwrap());
    for (time, opens) in
        [(-1, false), (-3_000_000_000, false), (0, true), (253_402_300_800, true), (900_000_000_000, true)]
    {
        let said = open_at(&library, &directory.journal(), time);
        if opens {
            assert_eq!(said, "opened", "{time}");
        } else {
            // sled cannot be used then, and says so by a panic.
            assert!(said.starts_with("Io ") && said.contains("before 1970"), "{time}: {said}");
        }
        let left = names(&directory.journal());
        assert_eq!(left, ["lock", "progress", "store-1", "watermark"], "{time}: {said}");
        drop(SledJournal::open(directory.journal()).unwrap());
    }
}

#[test]
fn a_damaged_journal_is_set_aside_at_any_time() {
    let folder = Directory::new();
    let Some(library) = library(folder.path()) else { return };
    for time in [-1, -3_000_000_000, 0, 253_402_300_799, 253_402_300_800, 900_000_000_000] {
        let directory = Directory::new();
        drop(SledJournal::open(directory.journal()).unwrap());
        fs::write(directory.journal().join("watermark"), "nonsense").unwrap();
        let said = open_at(&library, &directory.journal(), time);
        assert!(said.starts_with("Corrupt ") && said.contains("set aside"), "{time}: {said}");
        let again = SledJournal::open(directory.journal()).unwrap_err();
        assert_eq!(again.kind(), JournalErrorKind::Corrupt, "{time}");
        assert!(again.set_aside().is_some_and(|aside| aside.join("watermark").exists()), "{time}: {again:#}");
    }
}
