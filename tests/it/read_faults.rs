//! Errors that may pass while a journal opens: it is refused with that error, nothing is moved, removed or written to the store,
//! and the next opening without the fault finds everything.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use sortie::JournalErrorKind::{self, DiskFull, Io, NotWritable};
use sortie::probe::{StoreProbe, Trap};
use sortie::{JournalError, SledJournal};

use crate::directory::{Directory, copy, names};

/// Error numbers that are the same on every system that the tests run on, and what they are to a journal.
const EINTR: i32 = 4;
const EIO: i32 = 5;
const ENOMEM: i32 = 12;
const EACCES: i32 = 13;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;
const ERRORS: [(i32, JournalErrorKind); 8] = [
    (EIO, Io),
    (EMFILE, Io),
    (ENFILE, Io),
    (ENOSPC, DiskFull),
    (EACCES, NotWritable),
    (ENOMEM, Io),
    (EINTR, Io),
    (EROFS, NotWritable),
];
/// The steps at which files are read.
const STEPS: [&str; 2] = ["store.read.open", "store.read.data"];
/// How many rounds of each error, and the variable that asks for another number.
const ROUNDS: (u64, &str) = (3, "SORTIE_TEST_ROUNDS");
const RECORDS: u32 = 900;

fn rounds() -> u64 {
    std::env::var(ROUNDS.1).map_or(ROUNDS.0, |rounds| rounds.parse().unwrap())
}

/// What a process has left that died while its store was open: some of it is in sled's files, and some in the logs alone.
fn left_by_a_death() -> Directory {
    let (directory, left) = (Directory::new(), Directory::new());
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    for first in (0..RECORDS).step_by(30) {
        let records: Vec<_> =
            (first..first + 30).map(|number| (number.to_be_bytes(), [number as u8; 700])).collect();
        let batch: Vec<_> = records.iter().map(|(key, value)| (&key[..], Some(&value[..]))).collect();
        store.commit(&batch).unwrap();
    }
    copy(&directory.journal(), &left.journal());
    left
}

fn is_whole(journal: &Path) {
    let found = StoreProbe::sled(journal).unwrap_or_else(|error| panic!("{error:#}")).scan(b"").unwrap();
    assert_eq!(found.len(), RECORDS as usize);
    for (number, (key, value)) in (0_u32..).zip(found) {
        assert_eq!((&key[..], &value[..]), (&number.to_be_bytes()[..], &[number as u8; 700][..]));
    }
}

/// Every file of a directory, with its content.
fn content(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for name in names(path) {
        let path = path.join(&name);
        if path.is_dir() {
            let inner = content(&path);
            found.extend(inner.into_iter().map(|(inner, content)| (format!("{name}/{inner}"), content)));
        } else if name != "lock" {
            found.insert(name, fs::read(path).unwrap());
        }
    }
    found
}

fn is_refused(error: &JournalError, kind: JournalErrorKind, journal: &Path, what: &str) {
    assert_eq!(error.kind(), kind, "{what}: {error:#}");
    assert_eq!((error.path(), error.set_aside()), (Some(journal), None), "{what}: {error:#}");
    let text = error.to_string();
    assert!(text.contains(journal.to_str().unwrap()), "{what}: {text}");
}

/// How many times a step is passed when a store of this state is opened.
fn passes(whole: &Directory, step: &str) -> u64 {
    (0..)
        .find(|passes| {
            let left = Directory::new();
            copy(&whole.journal(), &left.journal());
            let _trap = Trap::errno(&left.journal(), step, EIO, *passes);
            StoreProbe::sled(&left.journal()).is_ok()
        })
        .unwrap()
}

#[test]
fn an_error_of_reading_ends_the_opening_before_anything_is_written() {
    let whole = left_by_a_death();
    for step in STEPS {
        let passes = passes(&whole, step);
        // The watermark, the count, two logs, and what sled has.
        assert!(passes >= 6, "{step}: {passes}");
        let mut round = 0;
        for (errno, kind) in ERRORS {
            let left = Directory::new();
            copy(&whole.journal(), &left.journal());
            let before = content(&left.journal());
            for _ in 0..rounds().max(passes.div_ceil(ERRORS.len() as u64)) {
                round += 1;
                let what = format!("{step}, pass {} of {passes}, error {errno}", round % passes);
                let trap = Trap::errno(&left.journal(), step, errno, round % passes);
                let error =
                    StoreProbe::sled(&left.journal()).err().unwrap_or_else(|| panic!("{what}: opened"));
                is_refused(&error, kind, &left.journal(), &what);
                drop(trap);
                assert!(content(&left.journal()) == before, "{what}: something was written");
            }
            is_whole(&left.journal());
            assert_eq!(names(left.path()), ["journal"], "{step}: error {errno}");
        }
    }
}

#[test]
fn an_error_at_any_other_step_of_an_opening_moves_nothing() {
    let whole = left_by_a_death();
    let steps = ["owned", "opened", "replayed", "synced", "counted", "marked", "logged"]
        .map(|step| format!("store.open.{step}"))
        .into_iter()
        .chain(
            ["before_batch", "after_batch", "before_flush", "before_sync"]
                .map(|step| format!("store.checkpoint.{step}")),
        );
    for step in steps {
        for (errno, kind) in ERRORS {
            let left = Directory::new();
            copy(&whole.journal(), &left.journal());
            for _ in 0..rounds().div_ceil(3) {
                let trap = Trap::errno(&left.journal(), &step, errno, 0);
                let error =
                    StoreProbe::sled(&left.journal()).err().unwrap_or_else(|| panic!("{step}: opened"));
                is_refused(&error, kind, &left.journal(), &format!("{step}, error {errno}"));
                drop(trap);
            }
            is_whole(&left.journal());
            assert_eq!(names(left.path()), ["journal"], "{step}: error {errno}");
        }
    }
}

#[test]
fn what_seems_to_be_damaged_and_cannot_be_read_again_is_not_set_aside() {
    let whole = left_by_a_death();
    for (errno, kind) in ERRORS {
        let left = Directory::new();
        copy(&whole.journal(), &left.journal());
        let mut store = StoreProbe::sled(&left.journal()).unwrap();
        assert!(store.refuse(JournalErrorKind::Corrupt).is_err());
        // While it is closed, which is part of a reopening.
        let trap = Trap::errno(&left.journal(), "store.read.data", errno, 0);
        let error = store.reopen().unwrap_err();
        is_refused(&error, kind, &left.journal(), &format!("error {errno}"));
        drop((trap, store));
        is_whole(&left.journal());
        assert_eq!(names(left.path()), ["journal"]);
    }
}

#[test]
fn a_store_that_cannot_be_looked_for_is_not_missing() {
    use std::os::unix::fs::symlink;
    let whole = left_by_a_death();
    // Each of them leads to itself: it is there, and nobody can say what it is.
    for name in
        ["store-1/db", "store-1/log-0", "store-1/log-1", "watermark", "progress", "store-1", "not-synced"]
    {
        let left = Directory::new();
        copy(&whole.journal(), &left.journal());
        let (path, moved) = (left.journal().join(name), left.path().join("moved"));
        let is_there = path.exists();
        if is_there {
            fs::rename(&path, &moved).unwrap();
        }
        symlink(&path, &path).unwrap();
        let error = StoreProbe::sled(&left.journal()).err().unwrap_or_else(|| panic!("{name}: opened"));
        // Where a file of the journal's own directory stands, a symbolic link is refused as such.
        assert!([Io, NotWritable].contains(&error.kind()), "{name}: {error:#}");
        is_refused(&error, error.kind(), &left.journal(), name);
        fs::remove_file(&path).unwrap();
        if is_there {
            fs::rename(&moved, &path).unwrap();
        }
        is_whole(&left.journal());
        assert_eq!(names(left.path()), ["journal"], "{name}");
    }
}

#[test]
fn what_is_not_permitted_is_not_damage() {
    use std::os::unix::fs::PermissionsExt;
    let whole = left_by_a_death();
    if fs::read("/proc/self/status").is_ok_and(|status| String::from_utf8_lossy(&status).contains("Uid:\t0"))
    {
        println!("skipped: permissions do not bind this process");
        return;
    }
    for name in ["store-1", "store-1/db", "store-1/log-0", "watermark", "progress"] {
        let left = Directory::new();
        copy(&whole.journal(), &left.journal());
        let path = left.journal().join(name);
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        let error = StoreProbe::sled(&left.journal()).err().unwrap_or_else(|| panic!("{name}: opened"));
        fs::set_permissions(&path, before).unwrap();
        is_refused(&error, NotWritable, &left.journal(), name);
        is_whole(&left.journal());
    }
}

#[test]
fn an_export_of_what_cannot_be_read_now_leaves_it_as_it_is() {
    let whole = left_by_a_death();
    for step in STEPS {
        let before = content(&whole.journal());
        let _trap = Trap::errno(&whole.journal(), step, EIO, 0);
        SledJournal::export(whole.journal(), &mut Vec::new()).unwrap_err();
        assert!(content(&whole.journal()) == before, "{step}");
    }
    is_whole(&whole.journal());
}

const CHILD: &str = "SORTIE_TEST_READ_FAULTS";

/// Not a test: what the child processes do.
#[test]
fn child() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    match StoreProbe::sled(Path::new(&path)).and_then(|store| store.scan(b"")) {
        Ok(found) => println!("@opened {}", found.len()),
        Err(error) => println!("@{:?} {error:#}", error.kind()),
    }
}

/// What a process says that opens a store, after a shell has done this.
fn open_after(shell: &str, journal: &Path) -> String {
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!("{shell}; exec \"$0\" --exact read_faults::child --nocapture --test-threads=1"))
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, journal)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().find_map(|line| Some(line.split_once('@')?.1.to_owned()));
    // A process without files may not even come to its own beginning.
    line.unwrap_or_default()
}

#[test]
fn a_process_that_may_have_too_few_files_open_leaves_the_store_whole() {
    let whole = left_by_a_death();
    let (mut opened, mut refused) = (0, 0);
    let left = Directory::new();
    copy(&whole.journal(), &left.journal());
    for files in 4..24 {
        let said = open_after(&format!("ulimit -n {files}"), &left.journal());
        opened += usize::from(said == format!("opened {RECORDS}"));
        refused += usize::from(said.starts_with("Io "));
        assert!(!said.starts_with("Corrupt"), "{files} files: {said}");
        assert_eq!(names(left.path()), ["journal"], "{files} files: {said}");
        assert!(!left.journal().join("quarantined").exists(), "{files} files: {said}");
    }
    println!("opened={opened} refused={refused}");
    assert!(refused > 2, "{refused}");
    is_whole(&left.journal());
}

/// Reads of a region of a file fail, as those of a bad block do: by whichever handle, and however they are made.
#[cfg(target_os = "linux")]
const BAD_BLOCK: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
static int is_bad(int file, long from, size_t length) {
    char link[64], path[4096];
    const char *name = getenv("SORTIE_TEST_BAD_FILE"), *at = getenv("SORTIE_TEST_BAD_AT");
    if (!name || !at) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    long end = syscall(SYS_readlink, link, path, sizeof path - 1);
    if (end <= 0) return 0;
    path[end] = 0;
    if (!strstr(path, name)) return 0;
    long bad = atol(at);
    return from <= bad && bad < from + (long) length;
}
ssize_t pread64(int file, void *to, size_t length, off64_t from) {
    if (is_bad(file, from, length)) { errno = EIO; return -1; }
    return syscall(SYS_pread64, file, to, length, from);
}
ssize_t pread(int file, void *to, size_t length, off_t from) { return pread64(file, to, length, from); }
ssize_t read(int file, void *to, size_t length) {
    if (is_bad(file, syscall(SYS_lseek, file, 0L, SEEK_CUR), length)) { errno = EIO; return -1; }
    return syscall(SYS_read, file, to, length);
}
"#;

#[cfg(target_os = "linux")]
#[test]
fn a_bad_block_anywhere_ends_the_opening_before_anything_is_written() {
    let whole = left_by_a_death();
    let (source, library) = (whole.path().join("bad.c"), whole.path().join("bad.so"));
    fs::write(&source, BAD_BLOCK).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    if !built.is_ok_and(|status| status.success()) {
        println!("skipped: there is no compiler for a library that lets reads fail");
        return;
    }
    let left = Directory::new();
    copy(&whole.journal(), &left.journal());
    let before = content(&left.journal());
    let mut random = fastrand::Rng::with_seed(37);
    for round in 0..4 * rounds() {
        let files: Vec<_> = before.iter().filter(|(_, content)| !content.is_empty()).collect();
        let (name, content_before) = files[round as usize % files.len()];
        let bad = random.usize(..content_before.len());
        let shell = format!(
            "export LD_PRELOAD='{}' SORTIE_TEST_BAD_FILE='/journal/{name}' SORTIE_TEST_BAD_AT={bad}",
            library.display()
        );
        let said = open_after(&shell, &left.journal());
        assert!(said.starts_with("Io "), "{name} at {bad}: {said}");
        assert!(content(&left.journal()) == before, "{name} at {bad}: something was written");
        assert_eq!(names(left.path()), ["journal"], "{name} at {bad}");
    }
    is_whole(&left.journal());
}
