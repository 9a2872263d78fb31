//! File systems that are full or read-only: real ones, in memory, where this process may mount them.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use sortie::JournalErrorKind;
use sortie::probe::StoreProbe;

use crate::directory::{Directory, Mount, mount, names};

/// Takes all room that there is, less so much.
fn fill(disk: &Path, leave: u64) -> PathBuf {
    let path = disk.join("filler");
    let mut file = File::create(&path).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(leave)).unwrap();
    path
}

/// Commits until it fails, and returns how many batches were acknowledged, and how it failed.
fn commit_until_full(store: &mut StoreProbe, from: u32) -> (u32, JournalErrorKind) {
    for number in from.. {
        let keys: Vec<_> = (0..8_u8).map(|part| [&number.to_be_bytes()[..], &[part]].concat()).collect();
        let value = value(number);
        let batch: Vec<_> = keys.iter().map(|key| (&key[..], Some(&value[..]))).collect();
        if let Err(error) = store.commit(&batch) {
            return (number, error.kind());
        }
        assert!(number < 100_000, "the disk does not get full");
    }
    unreachable!()
}

fn value(number: u32) -> [u8; 400] {
    [number as u8; 400]
}

/// Checks that so many batches are there, each as a whole, and at most the one whose commit failed.
fn all_there(store: &StoreProbe, acknowledged: u32) -> u32 {
    let pairs = store.scan(b"").unwrap();
    assert_eq!(pairs.len() % 8, 0, "half a batch");
    for (at, (key, value)) in pairs.iter().enumerate() {
        let number = (at / 8) as u32;
        assert_eq!((&key[..4], value[..] == self::value(number)), (&number.to_be_bytes()[..], true));
    }
    let found = pairs.len() as u32 / 8;
    assert!(
        found == acknowledged || found == acknowledged + 1,
        "{found} are there, {acknowledged} acknowledged"
    );
    found
}

#[test]
fn s20_a_full_disk_loses_nothing_and_the_store_goes_on_in_place_once_there_is_room() {
    for leave in [0, 300 << 10, 2 << 20] {
        let Some(disk) = Mount::new("size=16m") else { return };
        let journal = disk.path.join("journal");
        let mut store = StoreProbe::sled(&journal).unwrap();
        store.commit(&[]).unwrap();
        let filler = fill(&disk.path, leave);
        let mut count = 0;
        for round in 0..3 {
            let (done, kind) = commit_until_full(&mut store, count);
            assert_eq!(kind, JournalErrorKind::DiskFull, "round {round}");
            assert!(store.commit(&[(b"x", Some(b"x"))]).is_err());
            count = done;
            // Still full: it may open or not, but neither does harm.
            for _ in 0..2 {
                match store.reopen() {
                    Ok(()) => count = all_there(&store, count),
                    Err(error) => assert_eq!(error.kind(), JournalErrorKind::DiskFull, "{error:#}"),
                }
            }
            let room = fs::metadata(&filler).unwrap().len().saturating_sub(2 << 20);
            File::options().write(true).open(&filler).unwrap().set_len(room).unwrap();
            store.reopen().unwrap();
            count = all_there(&store, count);
        }
        drop(store);
        fs::remove_file(filler).unwrap();
        all_there(&StoreProbe::sled(&journal).unwrap(), count);
        assert_eq!(names(&journal), ["lock", "progress", "store-1", "watermark"]);
    }
}

#[test]
fn a_journal_on_a_full_disk_says_so_and_begins_once_there_is_room() {
    let Some(disk) = Mount::new("size=4m") else { return };
    let filler = fill(&disk.path, 0);
    for _ in 0..3 {
        let error = StoreProbe::sled(&disk.path.join("journal")).err().unwrap();
        assert_eq!(error.kind(), JournalErrorKind::DiskFull, "{error:#}");
    }
    fs::remove_file(filler).unwrap();
    StoreProbe::sled(&disk.path.join("journal")).unwrap();
}

#[test]
fn a_read_only_file_system_is_not_writable() {
    let Some(disk) = Mount::new("size=16m") else { return };
    let journal = disk.path.join("journal");
    drop(StoreProbe::sled(&journal).unwrap());
    if !mount(&["-o", "remount,ro"], &disk.path) {
        println!("skipped: this process may not mount a file system again");
        return;
    }
    for path in [journal, disk.path.join("new")] {
        let error = StoreProbe::sled(&path).err().unwrap();
        assert_eq!(error.kind(), JournalErrorKind::NotWritable, "{error:#}");
        assert_eq!(error.path(), Some(&*path));
    }
}

#[test]
fn a_directory_without_permission_is_not_writable() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new();
    fs::create_dir(directory.journal()).unwrap();
    fs::set_permissions(directory.journal(), fs::Permissions::from_mode(0o500)).unwrap();
    if File::create(directory.journal().join("file")).is_ok() {
        println!("skipped: permissions do not bind this process");
        return;
    }
    let error = StoreProbe::sled(&directory.journal()).err().unwrap();
    assert_eq!(error.kind(), JournalErrorKind::NotWritable, "{error:#}");
}
