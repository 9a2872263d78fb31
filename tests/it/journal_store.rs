//! What a journal relies on in its store: the same of the one in memory and the one on disk, and who may have the latter.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use sortie::probe::{StoreProbe, Trap};
use sortie::{JournalError, JournalErrorKind};

use crate::directory::{Directory, names};

fn put<'a>(key: &'a str, value: &'a str) -> (&'a [u8], Option<&'a [u8]>) {
    (key.as_bytes(), Some(value.as_bytes()))
}

fn delete(key: &str) -> (&[u8], Option<&[u8]>) {
    (key.as_bytes(), None)
}

/// The pairs under a prefix, as text.
fn pairs(store: &StoreProbe, prefix: &str) -> Vec<String> {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let pairs = store.scan(prefix.as_bytes()).unwrap();
    pairs.into_iter().map(|(key, value)| format!("{}={}", text(key), text(value))).collect()
}

/// Runs a test on each kind of store.
fn on_each(test: impl Fn(StoreProbe)) {
    test(StoreProbe::memory());
    let directory = Directory::new();
    test(StoreProbe::sled(&directory.journal()).unwrap());
}

#[test]
fn a_batch_is_made_in_order_and_a_scan_gives_the_order_of_the_keys() {
    on_each(|mut store| {
        store
            .commit(&[put("b2", "x"), put("a", "1"), put("b1", "y"), put("b2", "z"), put("c", "2")])
            .unwrap();
        assert_eq!(pairs(&store, ""), ["a=1", "b1=y", "b2=z", "c=2"]);
        assert_eq!(pairs(&store, "b"), ["b1=y", "b2=z"]);
        store
            .commit(&[delete("b1"), put("d", "3"), delete("d"), delete("e"), delete("a"), put("a", "4")])
            .unwrap();
        assert_eq!(pairs(&store, ""), ["a=4", "b2=z", "c=2"]);
        assert_eq!(store.get(b"a").unwrap().unwrap(), b"4");
        assert_eq!(store.get(b"b1").unwrap(), None);
        store.commit(&[]).unwrap();
    });
}

#[test]
fn a_scan_ends_at_the_first_refusal() {
    on_each(|mut store| {
        store.commit(&[put("a", "1"), put("b", "2"), put("c", "3")]).unwrap();
        let mut seen = 0;
        let refused = store.scan_until(b"", |_, _| {
            seen += 1;
            if seen < 2 { Ok(()) } else { Err(JournalError::from(io::Error::other("enough"))) }
        });
        assert_eq!(refused.unwrap_err().kind(), JournalErrorKind::Io);
        assert_eq!(seen, 2);
    });
}

#[test]
fn keys_of_any_bytes_stand_under_their_prefix() {
    on_each(|mut store| {
        let keys: [&[u8]; 5] = [&[0], &[1, 255], &[255], &[255, 255], &[255, 255, 0]];
        store.commit(&keys.map(|key| (key, Some(&b"v"[..])))).unwrap();
        let under =
            |prefix: &[u8]| store.scan(prefix).unwrap().into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(under(&[255]), [&[255][..], &[255, 255], &[255, 255, 0]]);
        assert_eq!(under(&[255, 255]), [&[255, 255][..], &[255, 255, 0]]);
        assert_eq!(under(&[]).len(), 5);
    });
}

#[test]
fn what_is_too_long_is_refused_and_so_is_everything_until_a_reopen() {
    on_each(|mut store| {
        let (long, longest) = ("v".repeat(4097), "v".repeat(4096));
        let (key, longest_key) = ("k".repeat(257), "k".repeat(256));
        store.commit(&[put(&longest_key, &longest)]).unwrap();
        for change in [put("a", &long), put(&key, "1"), delete(&key)] {
            assert!(store.commit(&[put("b", "1"), change]).is_err());
            assert!(store.commit(&[put("c", "1")]).is_err(), "committed after a failure");
            assert!(store.get(b"c").is_err() && store.scan(b"").is_err());
            store.reopen().unwrap();
        }
        assert_eq!(pairs(&store, ""), [format!("{longest_key}={longest}")]);
    });
}

#[test]
fn both_stores_do_what_a_map_does() {
    let directory = Directory::new();
    let mut random = fastrand::Rng::with_seed(7);
    let mut disk = StoreProbe::sled(&directory.journal()).unwrap();
    let mut memory = StoreProbe::memory();
    let mut model = BTreeMap::new();
    for round in 0..150 {
        let changes: Vec<_> = (0..random.usize(1..40))
            .map(|_| {
                let key = format!("{:03}", random.u32(0..300)).into_bytes();
                let value = random.bool().then(|| vec![random.u8(..); random.usize(0..600)]);
                (key, value)
            })
            .collect();
        for (key, value) in changes.clone() {
            match value {
                Some(value) => model.insert(key, value),
                None => model.remove(&key),
            };
        }
        let batch: Vec<_> = changes.iter().map(|(key, value)| (&key[..], value.as_deref())).collect();
        disk.commit(&batch).unwrap();
        memory.commit(&batch).unwrap();
        if round % 50 == 10 {
            disk.reopen().unwrap();
        } else if round % 50 == 30 {
            drop(disk);
            disk = StoreProbe::sled(&directory.journal()).unwrap();
        }
    }
    let model: Vec<_> = model.into_iter().collect();
    assert_eq!(disk.scan(b"").unwrap(), model);
    assert_eq!(memory.scan(b"").unwrap(), model);
}

#[test]
fn what_was_committed_is_there_when_the_store_is_opened_again() {
    let directory = Directory::new();
    for round in 0..5_u32 {
        let mut store = StoreProbe::sled(&directory.journal()).unwrap();
        assert_eq!(store.scan(b"").unwrap().len(), round as usize);
        store.commit(&[put(&round.to_string(), "v")]).unwrap();
    }
    assert_eq!(names(&directory.journal()), ["lock", "progress", "store-1", "watermark"]);
}

#[test]
fn the_longest_records_are_not_put_into_files_of_their_own() {
    // sled never syncs those files.
    let directory = Directory::new();
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    let mut random = fastrand::Rng::with_seed(9);
    for _ in 0..60 {
        let records: Vec<_> = (0..128)
            .map(|_| {
                let mut key = vec![b'k'; 256];
                key[random.usize(..240)..].fill_with(|| random.u8(..));
                (key, (0..4096).map(|_| random.u8(..)).collect::<Vec<_>>())
            })
            .collect();
        let batch: Vec<_> = records.iter().map(|(key, value)| (&key[..], Some(&value[..]))).collect();
        store.commit(&batch).unwrap();
        assert_eq!(names(&directory.journal().join("store-1").join("blobs")), [""; 0]);
    }
    drop(store);
    assert_eq!(StoreProbe::sled(&directory.journal()).unwrap().scan(b"").unwrap().len(), 60 * 128);
}

#[cfg(unix)]
#[test]
fn nobody_else_may_look_into_the_directory() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new();
    let _store = StoreProbe::sled(&directory.journal()).unwrap();
    let mode = std::fs::metadata(directory.journal()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_process_has_a_directory_once_under_whatever_name() {
    let directory = Directory::new();
    let store = StoreProbe::sled(&directory.journal()).unwrap();
    let mut names = vec![directory.journal(), directory.path().join(".").join("journal")];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(directory.journal(), directory.path().join("link")).unwrap();
        names.push(directory.path().join("link"));
    }
    for name in &names {
        let error = StoreProbe::sled(name).err().unwrap();
        assert_eq!(error.kind(), JournalErrorKind::InUse);
        assert_eq!(error.path(), Some(&**name));
    }
    drop(store);
    for name in &names {
        StoreProbe::sled(name).unwrap();
    }
}

#[test]
fn what_is_no_directory_of_a_journal_is_refused_and_not_touched() {
    let directory = Directory::new();
    let file = directory.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    let refused = |path: &std::path::Path, kind| {
        let error = StoreProbe::sled(path).err().unwrap();
        assert_eq!(error.kind(), kind, "{error:#}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    };
    refused(&file, JournalErrorKind::NotWritable);
    refused(&directory.path().join("no/journal"), JournalErrorKind::BadPath);
    refused(directory.path(), JournalErrorKind::NotWritable); // it holds somebody's file
    assert_eq!(names(directory.path()), ["file"]);
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
}

#[test]
fn a_directory_that_is_there_and_empty_is_taken() {
    let directory = Directory::new();
    std::fs::create_dir(directory.path().join("lost+found")).unwrap(); // the root of a disk
    StoreProbe::sled(directory.path()).unwrap();
}

/// The steps of a commit, and whether the batch is there after a failure at it.
const STEPS: [(&str, bool); 3] =
    [("store.before_write", false), ("store.after_write_before_sync", true), ("store.after_sync", true)];

#[test]
fn s20_after_a_failed_commit_nothing_is_committed_before_a_reopen_and_then_all_is_there() {
    for (error, kind) in [
        (io::ErrorKind::StorageFull, JournalErrorKind::DiskFull),
        (io::ErrorKind::Other, JournalErrorKind::Io),
    ] {
        for (step, there) in STEPS {
            let directory = Directory::new();
            let mut store = StoreProbe::sled(&directory.journal()).unwrap();
            store.commit(&[put("a", "1")]).unwrap();
            let trap = Trap::fail(&directory.journal(), step, error);
            let failed = store.commit(&[put("b", "1"), put("c", "1")]).unwrap_err();
            assert_eq!(failed.kind(), kind, "{step}");
            assert_eq!(failed.path(), Some(&*directory.journal()));
            drop(trap);
            assert_eq!(store.commit(&[put("d", "1")]).unwrap_err().kind(), kind, "{step}");
            assert!(store.get(b"a").is_err(), "{step}: what is not certain was read");

            store.reopen().unwrap();
            let found = pairs(&store, "");
            assert!(found == ["a=1"] || found == ["a=1", "b=1", "c=1"], "{step}: {found:?}");
            assert_eq!(found.len() == 3, there, "{step}: {found:?}");
            store.commit(&[put("e", "1")]).unwrap();
        }
    }
}

#[test]
fn s20_a_reopen_that_fails_may_be_tried_again() {
    let directory = Directory::new();
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    store.commit(&[put("a", "1")]).unwrap();
    for step in ["store.open.opened", "store.open.synced", "store.open.counted", "store.open.marked"] {
        let trap = Trap::fail(&directory.journal(), step, io::ErrorKind::StorageFull);
        assert_eq!(store.reopen().unwrap_err().kind(), JournalErrorKind::DiskFull);
        assert!(store.commit(&[put("b", "1")]).is_err());
        drop(trap);
        store.reopen().unwrap();
        assert_eq!(pairs(&store, ""), ["a=1"]);
    }
}

#[test]
fn s20_after_a_failed_sync_writes_are_refused_for_good_and_the_next_open_copies_to_fresh_files() {
    let directory = Directory::new();
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    store.commit(&[put("a", "1")]).unwrap();
    let trap = Trap::fail(&directory.journal(), "store.fdatasync", io::ErrorKind::StorageFull);
    let error = store.commit(&[put("b", "1")]).unwrap_err();
    assert_eq!(error.kind(), JournalErrorKind::NotSynced, "whatever the sync failed of");
    drop(trap);
    assert_eq!(store.reopen().unwrap_err().kind(), JournalErrorKind::NotSynced);
    assert_eq!(store.commit(&[put("c", "1")]).unwrap_err().kind(), JournalErrorKind::NotSynced);
    drop(store);
    assert_eq!(names(&directory.journal()), ["lock", "not-synced", "progress", "store-1", "watermark"]);

    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    assert_eq!(names(&directory.journal()), ["lock", "progress", "store-2", "watermark"]);
    assert_eq!(pairs(&store, "a"), ["a=1"]);
    assert_eq!(store.get(b"c").unwrap(), None);
    store.commit(&[put("d", "1")]).unwrap();
    drop(store);
    let store = StoreProbe::sled(&directory.journal()).unwrap();
    assert_eq!((pairs(&store, "d"), pairs(&store, "a")), (vec!["d=1".into()], vec!["a=1".into()]));
    assert_eq!(
        names(&directory.journal()),
        ["lock", "progress", "store-2", "watermark"],
        "copied without a reason"
    );
}

#[test]
fn a_copy_after_a_failed_sync_that_fails_is_made_at_the_next_open() {
    let directory = Directory::new();
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    store.commit(&[put("a", "1")]).unwrap();
    let trap = Trap::fail(&directory.journal(), "store.fdatasync", io::ErrorKind::Other);
    store.commit(&[put("b", "1")]).unwrap_err();
    drop((trap, store));
    for (step, error, kind) in [
        ("store.open.copied", io::ErrorKind::StorageFull, JournalErrorKind::DiskFull),
        ("store.checkpoint.fdatasync", io::ErrorKind::Other, JournalErrorKind::NotSynced),
    ] {
        let _trap = Trap::fail(&directory.journal(), step, error);
        assert_eq!(StoreProbe::sled(&directory.journal()).err().unwrap().kind(), kind);
        assert!(names(&directory.journal()).contains(&"not-synced".into()));
    }
    let store = StoreProbe::sled(&directory.journal()).unwrap();
    assert_eq!(pairs(&store, "a"), ["a=1"]);
    assert_eq!(names(&directory.journal()), ["lock", "progress", "store-2", "watermark"]);
}

#[test]
fn s20_a_note_of_a_failed_sync_holds_in_whatever_form_it_was_left() {
    type Leave = fn(&std::path::Path);
    let forms: [(&str, Leave); 4] = [
        ("whole", |_| {}),
        ("whole and not renamed", |journal| {
            std::fs::rename(journal.join("not-synced"), journal.join("not-synced.new")).unwrap();
        }),
        ("empty and not renamed", |journal| {
            std::fs::remove_file(journal.join("not-synced")).unwrap();
            std::fs::write(journal.join("not-synced.new"), "").unwrap();
        }),
        ("twice", |journal| {
            assert_ne!(std::fs::copy(journal.join("not-synced"), journal.join("not-synced.new")).unwrap(), 0)
        }),
    ];
    for (form, leave) in forms {
        let directory = Directory::new();
        let journal = directory.journal();
        let mut store = StoreProbe::sled(&journal).unwrap();
        store.commit(&[put("a", "1")]).unwrap();
        let trap = Trap::fail(&journal, "store.fdatasync", io::ErrorKind::Other);
        assert_eq!(store.commit(&[put("b", "1")]).unwrap_err().kind(), JournalErrorKind::NotSynced);
        drop((trap, store));
        leave(&journal);
        // A copy that fails leaves the note as it is.
        let trap = Trap::fail(&journal, "store.open.copied", io::ErrorKind::StorageFull);
        assert_eq!(StoreProbe::sled(&journal).err().unwrap().kind(), JournalErrorKind::DiskFull, "{form}");
        drop(trap);
        let store = StoreProbe::sled(&journal).unwrap();
        assert_eq!(pairs(&store, "a"), ["a=1"], "{form}");
        assert_eq!(names(&journal), ["lock", "progress", "store-2", "watermark"], "{form}");
        drop(store);
        drop(StoreProbe::sled(&journal).unwrap());
        assert_eq!(names(&journal), ["lock", "progress", "store-2", "watermark"], "{form}: copied twice");
    }
}

#[test]
fn s20_if_every_sync_fails_the_next_open_copies_to_fresh_files() {
    let directory = Directory::new();
    let journal = directory.journal();
    let mut store = StoreProbe::sled(&journal).unwrap();
    store.commit(&[put("a", "1")]).unwrap();
    let traps = ["store.fdatasync", "store.checkpoint.fdatasync", "store.replace.fsync"]
        .map(|point| Trap::fail(&journal, point, io::ErrorKind::Other));
    assert_eq!(store.commit(&[put("b", "1")]).unwrap_err().kind(), JournalErrorKind::NotSynced);
    drop(store);
    drop(traps);
    let store = StoreProbe::sled(&journal).unwrap();
    assert_eq!(pairs(&store, "a"), ["a=1"]);
    assert_eq!(names(&journal), ["lock", "progress", "store-2", "watermark"]);
}

#[test]
fn files_that_are_mostly_dead_are_copied_when_they_are_opened() {
    let directory = Directory::new();
    let journal = directory.journal();
    let size =
        |number: u32| std::fs::metadata(journal.join(format!("store-{number}")).join("db")).unwrap().len();
    let mut store = StoreProbe::sled(&journal).unwrap();
    for round in 0..150_u32 {
        let value = vec![round as u8; 2000];
        let keys: Vec<_> = (0..40_u32).map(|key| key.to_be_bytes()).collect();
        let batch: Vec<_> = keys.iter().map(|key| (&key[..], Some(&value[..]))).collect();
        store.commit(&batch).unwrap();
    }
    let before = store.scan(b"").unwrap();
    drop(store);
    let large = size(1);
    drop(StoreProbe::sled(&journal).unwrap());
    assert!(journal.join("store-1").exists(), "it is not worth it below the usual size");
    drop(StoreProbe::sled_compacting(&journal, 0, 1).unwrap());
    assert!(journal.join("store-1").exists(), "enough of it is live");

    let store = StoreProbe::sled_compacting(&journal, 0, 25).unwrap();
    assert_eq!(names(&journal), ["lock", "progress", "store-2", "watermark"]);
    assert!(size(2) < large, "{} of {large} bytes", size(2));
    assert_eq!(store.scan(b"").unwrap(), before);
}

#[test]
fn there_being_no_room_for_smaller_files_is_no_error() {
    let directory = Directory::new();
    let journal = directory.journal();
    StoreProbe::sled(&journal).unwrap().commit(&[put("a", "1")]).unwrap();
    let trap = Trap::fail(&journal, "store.open.copied", io::ErrorKind::StorageFull);
    let store = StoreProbe::sled_compacting(&journal, 0, 100).unwrap();
    assert_eq!(pairs(&store, ""), ["a=1"]);
    assert_eq!(names(&journal), ["lock", "progress", "store-1", "watermark"]);
    drop((store, trap));
    let _store = StoreProbe::sled_compacting(&journal, 0, 100).unwrap();
    assert_eq!(names(&journal), ["lock", "progress", "store-2", "watermark"]);
}

#[test]
fn failpoints_delay_and_panic() {
    let directory = Directory::new();
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    let trap = Trap::delay(&directory.journal(), "store.before_write", Duration::from_millis(20));
    let start = std::time::Instant::now();
    store.commit(&[put("a", "1")]).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(20));
    drop(trap);
    let trap = Trap::panic(&directory.journal(), "store.before_write", 1);
    store.commit(&[put("b", "1")]).unwrap();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| store.commit(&[put("c", "1")])));
    assert!(panic.is_err());
    drop((trap, store));
    let store = StoreProbe::sled(&directory.journal()).unwrap();
    assert_eq!(pairs(&store, ""), ["a=1", "b=1"]);
}
