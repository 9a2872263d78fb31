//! Damaged stores: set aside, reported, and never silently begun anew.

use std::fs;
use std::path::{Path, PathBuf};

use sortie::JournalErrorKind;
use sortie::probe::StoreProbe;

use crate::directory::{Directory, copy, names};

/// A journal with some records, closed.
fn journal() -> Directory {
    let directory = Directory::new();
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    for number in 0..200_u32 {
        store.commit(&[(&number.to_be_bytes(), Some(&[7; 500]))]).unwrap();
    }
    drop(store);
    // From here on all of it is in sled's files alone.
    drop(StoreProbe::sled(&directory.journal()).unwrap());
    directory
}

/// Checks that the store is found damaged, now and later, until somebody decides. Returns where it stands.
fn is_set_aside(directory: &Directory, what: &str) -> PathBuf {
    let journal = directory.journal();
    let (before, beside) = (names(&journal), names(directory.path()));
    let error = StoreProbe::sled(&journal).err().unwrap_or_else(|| panic!("{what}: opened"));
    assert_eq!(error.kind(), JournalErrorKind::Corrupt, "{what}: {error:#}");
    let aside = error.set_aside().unwrap_or_else(|| panic!("{what}: {error:#}")).to_owned();
    for path in [&journal, &aside] {
        assert!(error.to_string().contains(path.to_str().unwrap()), "{what}: {error}");
    }
    assert_eq!(aside.parent(), Some(&*journal));
    assert_eq!(names(directory.path()), beside, "{what}: something was made outside of the directory");
    let earlier: Vec<_> = before.iter().filter(|name| name.starts_with("damaged-")).cloned().collect();
    let name = format!("damaged-{}", earlier.len() + 1);
    assert_eq!(aside.file_name().unwrap().to_str(), Some(&*name));
    let left = earlier.iter().cloned().chain([name, "lock".to_owned(), "quarantined".to_owned()]);
    assert!(left.eq(names(&journal)), "{what}: {:?}", names(&journal));
    let moved: Vec<_> =
        before.into_iter().filter(|name| name != "lock" && !name.starts_with("damaged-")).collect();
    assert_eq!(names(&aside), moved, "{what}");

    let again = StoreProbe::sled(&journal).err().unwrap();
    assert_eq!(again.kind(), JournalErrorKind::Corrupt, "{what}: it was begun anew");
    assert_eq!(again.set_aside(), Some(&*aside));
    aside
}

fn database(directory: &Directory) -> PathBuf {
    directory.journal().join("store-1").join("db")
}

#[test]
fn s38_damage_of_every_kind_is_noticed() {
    type Damage = fn(&Directory);
    let damages: [(&str, Damage); 8] = [
        ("no file of sled's", |directory| fs::remove_file(database(directory)).unwrap()),
        ("no store", |directory| fs::remove_dir_all(directory.journal().join("store-1")).unwrap()),
        ("an empty file", |directory| fs::write(database(directory), b"").unwrap()),
        ("nonsense", |directory| {
            let length = fs::metadata(database(directory)).unwrap().len() as usize;
            let mut random = fastrand::Rng::with_seed(3);
            fs::write(database(directory), (0..length).map(|_| random.u8(..)).collect::<Vec<_>>()).unwrap();
        }),
        ("a snapshot cut short", |directory| {
            drop(StoreProbe::sled(&directory.journal()).unwrap());
            let store = directory.journal().join("store-1");
            let snapshot = names(&store).into_iter().find(|name| name.starts_with("snap.")).unwrap();
            let bytes = fs::read(store.join(&snapshot)).unwrap();
            fs::write(store.join(&snapshot), &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("no watermark", |directory| fs::remove_file(directory.journal().join("watermark")).unwrap()),
        ("an empty watermark", |directory| fs::write(directory.journal().join("watermark"), "").unwrap()),
        ("a flipped bit in the watermark", |directory| {
            let path = directory.journal().join("watermark");
            let mut bytes = fs::read(&path).unwrap();
            let at = bytes.iter().position(|byte| byte.is_ascii_digit()).unwrap();
            bytes[at] ^= 2;
            fs::write(path, bytes).unwrap();
        }),
    ];
    for (what, damage) in damages {
        let directory = journal();
        damage(&directory);
        is_set_aside(&directory, what);
    }
}

#[test]
fn what_an_interrupted_copy_left_is_kept_while_the_store_that_counts_is_damaged() {
    let directory = journal();
    copy(&directory.journal().join("store-1"), &directory.journal().join("store-2"));
    fs::remove_dir_all(directory.journal().join("store-1")).unwrap();
    let aside = is_set_aside(&directory, "the wrong store");
    assert!(aside.join("store-2").join("db").exists());
}

#[test]
fn a_store_that_knows_less_than_it_did_is_damaged() {
    let directory = journal();
    let (store, old) = (directory.journal().join("store-1"), directory.path().join("old"));
    copy(&store, &old);
    for _ in 0..2 {
        drop(StoreProbe::sled(&directory.journal()).unwrap());
    }
    fs::remove_dir_all(&store).unwrap();
    copy(&old, &store);
    is_set_aside(&directory, "an older state");

    // The same of a store that is sound, and empty.
    let (directory, other) = (journal(), Directory::new());
    drop(StoreProbe::sled(&directory.journal()).unwrap());
    drop(StoreProbe::sled(&other.journal()).unwrap());
    fs::remove_dir_all(directory.journal().join("store-1")).unwrap();
    copy(&other.journal().join("store-1"), &directory.journal().join("store-1"));
    is_set_aside(&directory, "an empty store");
}

#[test]
fn s38_damage_anywhere_in_the_file_loses_no_record_in_silence() {
    // sled takes damage for the end of its log, or notices it when the record is read, or has no use for what is damaged.
    let whole = journal();
    let mut random = fastrand::Rng::with_seed(11);
    let mut noticed = 0;
    for round in 0..24 {
        let directory = Directory::new();
        copy(&whole.journal(), &directory.journal());
        let mut bytes = fs::read(database(&directory)).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        let length = if round % 2 == 0 { 5000 } else { 1 };
        let at = random.usize(..used - length);
        bytes[at..at + length].iter_mut().for_each(|byte| *byte ^= 0x55);
        fs::write(database(&directory), bytes).unwrap();
        match StoreProbe::sled(&directory.journal()).and_then(|store| store.scan(b"")) {
            Ok(found) => assert_eq!(found.len(), 200, "{length} at {at} of {used}"),
            Err(error) => {
                assert_eq!(error.kind(), JournalErrorKind::Corrupt, "{error:#}");
                let again = StoreProbe::sled(&directory.journal()).err().unwrap();
                assert_eq!(again.kind(), JournalErrorKind::Corrupt, "{error:#}");
                assert!(again.set_aside().is_some_and(|aside| aside.join("store-1").exists()), "{again:#}");
                noticed += 1;
            }
        }
    }
    assert!(noticed > 0);
}

#[test]
fn a_store_whose_records_are_refused_as_corrupt_is_set_aside_when_it_is_closed() {
    let directory = journal();
    let store = StoreProbe::sled(&directory.journal()).unwrap();
    assert!(store.refuse(JournalErrorKind::NewerFormat).is_err());
    drop(store);
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    assert!(store.refuse(JournalErrorKind::Corrupt).is_err());
    let error = store.reopen().unwrap_err();
    assert_eq!(error.kind(), JournalErrorKind::Corrupt);
    let aside = error.set_aside().unwrap();
    assert!(aside.join("store-1").join("db").exists());
    assert_eq!(store.reopen().unwrap_err().kind(), JournalErrorKind::Corrupt, "it was begun anew");
    drop(store);
    assert_eq!(names(&directory.journal()), ["damaged-1", "lock", "quarantined"]);
}

#[test]
fn who_removes_the_note_begins_anew_and_who_puts_the_store_back_goes_on() {
    let directory = journal();
    let journal = directory.journal();
    let watermark = fs::read(journal.join("watermark")).unwrap();
    fs::remove_file(journal.join("watermark")).unwrap();
    let aside = is_set_aside(&directory, "no watermark");
    let note = fs::read_to_string(journal.join("quarantined")).unwrap();
    assert!(note.contains("the watermark is missing"), "{note}");

    fs::remove_file(journal.join("quarantined")).unwrap();
    let store = StoreProbe::sled(&journal).unwrap();
    assert_eq!(store.scan(b"").unwrap(), []);
    drop(store);
    assert!(aside.join("store-1").exists());

    for name in ["lock", "progress", "watermark"] {
        fs::remove_file(journal.join(name)).unwrap();
    }
    fs::remove_dir_all(journal.join("store-1")).unwrap();
    for name in names(&aside) {
        fs::rename(aside.join(&name), journal.join(&name)).unwrap();
    }
    fs::write(journal.join("watermark"), watermark).unwrap();
    assert_eq!(StoreProbe::sled(&journal).unwrap().scan(b"").unwrap().len(), 200);
}

#[test]
fn two_damaged_stores_get_two_names() {
    let directory = journal();
    let first = {
        fs::remove_file(directory.journal().join("watermark")).unwrap();
        is_set_aside(&directory, "the first")
    };
    fs::remove_file(directory.journal().join("quarantined")).unwrap();
    drop(StoreProbe::sled(&directory.journal()).unwrap());
    fs::remove_file(directory.journal().join("watermark")).unwrap();
    assert_ne!(is_set_aside(&directory, "the second"), first);
}

#[test]
fn s38_a_newer_format_is_refused_and_not_touched() {
    let directory = journal();
    let path = directory.journal().join("watermark");
    let newer = "sortie journal\nformat 2\nsomething else\n";
    let newer = format!("{newer}crc32 {:08x}\n", crc32fast::hash(newer.as_bytes()));
    fs::write(&path, &newer).unwrap();
    let state =
        |path: &Path| names(path).into_iter().map(|name| fs::read(path.join(name)).ok()).collect::<Vec<_>>();
    let store = directory.journal().join("store-1");
    let before = (state(&directory.journal()), state(&store), names(&store));
    let error = StoreProbe::sled(&directory.journal()).err().unwrap();
    assert_eq!(error.kind(), JournalErrorKind::NewerFormat);
    assert_eq!(error.path(), Some(&*directory.journal()));
    assert_eq!((state(&directory.journal()), state(&store), names(&store)), before);
}

#[test]
fn what_an_interrupted_open_left_is_cleared() {
    let directory = journal();
    let store = directory.journal().join("store-1");
    fs::write(store.join("snap.00000000FFFFFFFF.generating"), "half").unwrap();
    fs::write(directory.journal().join("watermark.new"), "half").unwrap();
    copy(&store, &directory.journal().join("store-2"));
    assert_eq!(StoreProbe::sled(&directory.journal()).unwrap().scan(b"").unwrap().len(), 200);
    assert!(!names(&store).iter().any(|name| name.ends_with(".generating")));
    assert_eq!(names(&directory.journal()), ["lock", "progress", "store-1", "watermark"]);
}
