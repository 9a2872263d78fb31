//! The log in front of sled: what was committed and sled was not told of yet.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sortie::JournalErrorKind;
use sortie::probe::{StoreProbe, Trap};

use crate::directory::{Directory, copy};

/// The length of a log.
const LENGTH: usize = 1 << 20;

fn log(journal: &Path, number: usize) -> PathBuf {
    journal.join("store-1").join(format!("log-{number}"))
}

fn put(store: &mut StoreProbe, key: u32) {
    store.commit(&[(&key.to_be_bytes(), Some(&[key as u8; 300]))]).unwrap();
}

/// How many keys are there, after checking that they are the first ones, and what they hold.
fn count(store: &StoreProbe) -> u32 {
    let pairs = store.scan(b"").unwrap();
    for (at, (key, value)) in (0_u32..).zip(&pairs) {
        assert_eq!((&key[..], &value[..]), (&at.to_be_bytes()[..], &[at as u8; 300][..]));
    }
    pairs.len() as u32
}

/// What a process leaves behind that dies now: the files of an open store.
fn left_by_a_death(journal: &Path) -> Directory {
    let directory = Directory::new();
    copy(journal, &directory.journal());
    directory
}

#[test]
fn what_is_read_is_the_latest_whether_sled_knows_it_or_not() {
    let directory = Directory::new();
    let mut random = fastrand::Rng::with_seed(17);
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    let mut model = BTreeMap::new();
    for round in 0..700 {
        let changes: Vec<_> = (0..random.usize(1..12))
            .map(|_| {
                let key =
                    format!("{}{:02}", ['a', 'b', 'c'][random.usize(..3)], random.u32(0..60)).into_bytes();
                (key, (random.u32(..3) > 0).then(|| vec![random.u8(..); random.usize(0..200)]))
            })
            .collect();
        let batch: Vec<_> = changes.iter().map(|(key, value)| (&key[..], value.as_deref())).collect();
        store.commit(&batch).unwrap();
        for (key, value) in changes.clone() {
            match value {
                Some(value) => model.insert(key, value),
                None => model.remove(&key),
            };
        }
        for (key, _) in &changes {
            assert_eq!(store.get(key).unwrap().as_ref(), model.get(key), "round {round}");
        }
        let under = |prefix: &[u8], after: &[u8]| -> Vec<_> {
            let pairs = model.iter().filter(|(key, _)| key.starts_with(prefix) && key.as_slice() > after);
            pairs.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        assert_eq!(store.scan(b"b").unwrap(), under(b"b", b""), "round {round}");
        let (after, most) = (format!("b{:02}", random.u32(0..60)), random.usize(1..8));
        let mut some = under(b"b", after.as_bytes());
        some.truncate(most);
        assert_eq!(store.some(b"b", after.as_bytes(), most).unwrap(), some, "round {round}");
    }
    drop(store);
    let store = StoreProbe::sled(&directory.journal()).unwrap();
    assert_eq!(store.scan(b"").unwrap(), model.into_iter().collect::<Vec<_>>());
}

#[test]
fn whoever_opens_a_store_whose_process_died_tells_sled_what_the_log_has() {
    let directory = Directory::new();
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    // Around the moments when sled is told of some.
    for key in 0..1100 {
        put(&mut store, key);
        if key % 100 == 7 || (250..270).contains(&key) {
            let left = left_by_a_death(&directory.journal());
            for _ in 0..2 {
                assert_eq!(count(&StoreProbe::sled(&left.journal()).unwrap()), key + 1);
            }
        }
    }
}

#[test]
fn a_log_is_used_again_and_does_not_grow() {
    let directory = Directory::new();
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    let value = [1; 4000];
    for key in 0..3000_u32 {
        store.commit(&[(&(key % 100).to_be_bytes(), Some(&value))]).unwrap();
    }
    for number in 0..2 {
        assert_eq!(fs::metadata(log(&directory.journal(), number)).unwrap().len(), LENGTH as u64);
    }
    let left = left_by_a_death(&directory.journal());
    assert_eq!(StoreProbe::sled(&left.journal()).unwrap().scan(b"").unwrap().len(), 100);
}

#[test]
fn a_batch_that_is_longer_than_a_log_is_there_as_a_whole() {
    let directory = Directory::new();
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    put(&mut store, 0);
    let (keys, value): (Vec<_>, _) = ((1..=1000_u32).map(u32::to_be_bytes).collect(), [9; 4096]);
    let batch: Vec<_> = keys.iter().map(|key| (&key[..], Some(&value[..]))).collect();
    store.commit(&batch).unwrap();
    let left = left_by_a_death(&directory.journal());
    assert_eq!(StoreProbe::sled(&left.journal()).unwrap().scan(b"").unwrap().len(), 1001);
    store.commit(&batch).unwrap();
    drop(store);
    assert_eq!(StoreProbe::sled(&directory.journal()).unwrap().scan(b"").unwrap().len(), 1001);
}

#[test]
fn the_bytes_of_a_log_are_those_of_format_1() {
    let directory = Directory::new();
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    store.commit(&[(b"key", Some(b"value")), (b"gone", None), (b"empty", Some(b""))]).unwrap();
    let bytes = fs::read(log(&directory.journal(), 0)).unwrap();
    // The opening was commit 1: this is number 2.
    let body = b"\x02\0\0\0\0\0\0\0\x03\0\x06\0keyvalue\x04\0\0\0gone\x05\0\x01\0empty";
    let mut expected = b"sortie log 1\n\0\0\0".to_vec();
    expected.extend((body.len() as u32).to_le_bytes());
    expected.extend([0; 4]);
    expected.extend(body);
    let checksum = 20..24;
    let found = &bytes[..expected.len()];
    assert_eq!(found[..20], expected[..20]);
    assert_eq!(found[24..], expected[24..]);
    assert_eq!(found[checksum], crc32(body).to_le_bytes());
}

/// The checksum bit by bit, as the standard has it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum: u32, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    })
}

#[test]
fn a_store_without_logs_is_one_of_a_version_that_had_none() {
    let directory = Directory::new();
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    (0..300).for_each(|key| put(&mut store, key));
    drop(store);
    (0..2).for_each(|number| fs::remove_file(log(&directory.journal(), number)).unwrap());
    assert_eq!(count(&StoreProbe::sled(&directory.journal()).unwrap()), 300);
}

#[test]
fn s38_damage_anywhere_in_a_log_loses_no_record_in_silence() {
    let directory = Directory::new();
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    (0..400).for_each(|key| put(&mut store, key));
    let whole = left_by_a_death(&directory.journal());
    let mut random = fastrand::Rng::with_seed(23);
    let mut noticed = 0;
    for round in 0..40 {
        let left = left_by_a_death(&whole.journal());
        let path = log(&left.journal(), round % 2);
        let mut bytes = fs::read(&path).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        let at = random.usize(..used);
        match round % 8 {
            0 | 1 => bytes.truncate(at),
            2 | 3 => bytes[at..].fill(0),
            _ => bytes[at] ^= 1 << random.u8(..8),
        }
        fs::write(&path, bytes).unwrap();
        match StoreProbe::sled(&left.journal()) {
            Ok(store) => assert_eq!(count(&store), 400, "round {round}, {at} of {used}"),
            Err(error) => {
                let kind = error.kind();
                assert!(
                    [JournalErrorKind::Corrupt, JournalErrorKind::NewerFormat].contains(&kind),
                    "{error:#}"
                );
                noticed += 1;
            }
        }
    }
    assert!(noticed > 10, "{noticed}");
}

#[test]
fn s38_a_log_of_a_newer_format_is_refused_and_not_touched() {
    let directory = Directory::new();
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    put(&mut store, 0);
    let left = left_by_a_death(&directory.journal());
    let path = log(&left.journal(), 0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[11] = b'2';
    fs::write(&path, &bytes).unwrap();
    let error = StoreProbe::sled(&left.journal()).err().unwrap();
    assert_eq!(error.kind(), JournalErrorKind::NewerFormat, "{error:#}");
    assert!(fs::read(&path).unwrap() == bytes);
}

#[test]
fn s20_a_checkpoint_that_fails_loses_nothing_and_the_store_goes_on_in_place() {
    for point in ["before_batch", "after_batch", "before_flush", "before_sync", "after_sync"] {
        let directory = Directory::new();
        let mut store = StoreProbe::sled(&directory.journal()).unwrap();
        let full = Trap::fail(
            &directory.journal(),
            &format!("store.checkpoint.{point}"),
            io::ErrorKind::StorageFull,
        );
        let mut acknowledged = 0_u32;
        let error = loop {
            let key = acknowledged + 1;
            assert!(key < 5000, "{point}: nobody was told");
            match store.commit(&[(&acknowledged.to_be_bytes(), Some(&[acknowledged as u8; 300]))]) {
                Ok(()) => acknowledged = key,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), JournalErrorKind::DiskFull, "{point}: {error:#}");
        assert!(acknowledged >= 511, "{point}: {acknowledged}");
        assert!(store.commit(&[]).is_err());
        assert_eq!(store.reopen().unwrap_err().kind(), JournalErrorKind::DiskFull, "{point}");
        drop(full);
        store.reopen().unwrap();
        let found = count(&store);
        assert!(found == acknowledged || found == acknowledged + 1, "{point}: {found} of {acknowledged}");
        put(&mut store, found);
        drop(store);
        assert_eq!(count(&StoreProbe::sled(&directory.journal()).unwrap()), found + 1);
    }
}

#[test]
fn s20_after_a_checkpoint_whose_sync_failed_the_next_open_copies_to_fresh_files() {
    let directory = Directory::new();
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    let trap = Trap::fail(&directory.journal(), "store.checkpoint.fdatasync", io::ErrorKind::Other);
    let mut acknowledged = 0_u32;
    while store.commit(&[(&acknowledged.to_be_bytes(), Some(&[acknowledged as u8; 300]))]).is_ok() {
        acknowledged += 1;
        assert!(acknowledged < 5000, "nobody was told");
    }
    assert_eq!(store.reopen().unwrap_err().kind(), JournalErrorKind::NotSynced);
    drop((trap, store));
    let store = StoreProbe::sled(&directory.journal()).unwrap();
    let found = count(&store);
    assert!(found == acknowledged || found == acknowledged + 1, "{found} of {acknowledged}");
    assert!(directory.journal().join("store-2").exists());
}

/// A log as the format has it: these records, one commit each, of these numbers.
fn log_of(records: &[(u64, &[u8])]) -> Vec<u8> {
    let mut bytes = b"sortie log 1\n\0\0\0".to_vec();
    for (number, changes) in records {
        bytes.extend(record_of(*number, changes));
    }
    bytes
}

fn record_of(number: u64, changes: &[u8]) -> Vec<u8> {
    let body = [&number.to_le_bytes()[..], changes].concat();
    [&(body.len() as u32).to_le_bytes()[..], &crc32(&body).to_le_bytes(), &body].concat()
}

/// Where each record of a log begins.
fn records(bytes: &[u8]) -> Vec<usize> {
    let (mut starts, mut at) = (Vec::new(), 16);
    loop {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        if length < 8 {
            return starts;
        }
        starts.push(at);
        at += 8 + length;
    }
}

#[test]
fn s38_damage_in_the_middle_of_a_log_is_noticed_without_the_count_beside_it() {
    let directory = Directory::new();
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    (0..300).for_each(|key| put(&mut store, key));
    let whole = left_by_a_death(&directory.journal());
    let bytes = fs::read(log(&whole.journal(), 0)).unwrap();
    let starts = records(&bytes);
    assert_eq!(starts.len(), 300);
    let mut random = fastrand::Rng::with_seed(29);
    for round in 0..30 {
        let left = left_by_a_death(&whole.journal());
        fs::remove_file(left.journal().join("progress")).unwrap();
        // Any but the last one: the end of a log can be one that was not synced.
        let damaged = if round == 0 { 0 } else { random.usize(..299) };
        let (from, to) = (starts[damaged], starts[damaged + 1]);
        let mut bytes = bytes.clone();
        match round % 4 {
            0 => bytes[random.usize(from..to)] ^= 1 << random.u8(..8),
            1 => bytes[from..to].fill(0),
            2 => bytes[from..from + 4].fill(0xff),
            // The records behind it stand where none is looked for.
            _ => drop(bytes.remove(random.usize(from..to))),
        }
        fs::write(log(&left.journal(), 0), bytes).unwrap();
        let error = StoreProbe::sled(&left.journal()).err();
        let error = error.unwrap_or_else(|| panic!("round {round}: the log ended at record {damaged}"));
        assert_eq!(error.kind(), JournalErrorKind::Corrupt, "round {round}: {error:#}");
    }
}

#[test]
fn s38_a_log_without_its_title_is_noticed_without_the_count_beside_it() {
    let directory = Directory::new();
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    (0..20).for_each(|key| put(&mut store, key));
    for length in [16, 512] {
        let left = left_by_a_death(&directory.journal());
        fs::remove_file(left.journal().join("progress")).unwrap();
        let path = log(&left.journal(), 0);
        let mut bytes = fs::read(&path).unwrap();
        bytes[..length].fill(0);
        fs::write(&path, bytes).unwrap();
        let error = StoreProbe::sled(&left.journal()).err().unwrap();
        assert_eq!(error.kind(), JournalErrorKind::Corrupt, "{length}: {error:#}");
    }
}

#[test]
fn what_older_records_have_left_in_a_log_is_no_damage() {
    let directory = Directory::new();
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    // Values of several lengths, so that the new records end within old ones; some of them hold whole records of a log.
    for key in 0..2200_u32 {
        let inner = record_of(u64::from(key), b"\x01\0\x02\0kv");
        let value = if key % 3 == 0 { inner } else { vec![key as u8; 100 + key as usize * 7 % 300] };
        store.commit(&[(&key.to_be_bytes(), Some(&value))]).unwrap();
        if key % 61 == 60 {
            let left = left_by_a_death(&directory.journal());
            fs::remove_file(left.journal().join("progress")).unwrap();
            let found = StoreProbe::sled(&left.journal()).unwrap().scan(b"").unwrap().len();
            assert_eq!(found, key as usize + 1);
        }
    }
}

#[test]
fn a_number_of_a_log_is_not_believed_without_bounds() {
    let change = b"\x01\0\x02\0kv".as_slice();
    for numbers in [&[u64::MAX][..], &[u64::MAX, 0], &[u64::MAX - 1, u64::MAX, 0], &[0], &[0, 1]] {
        let directory = Directory::new();
        let mut store = StoreProbe::sled(&directory.journal()).unwrap();
        put(&mut store, 0);
        let left = left_by_a_death(&directory.journal());
        let records: Vec<_> = numbers.iter().map(|number| (*number, change)).collect();
        fs::write(log(&left.journal(), 1), log_of(&records)).unwrap();
        // It is refused, or of no use; it neither panics nor counts for a commit.
        match StoreProbe::sled(&left.journal()) {
            Ok(store) => assert_eq!(count(&store), 1, "{numbers:?}"),
            Err(error) => assert_eq!(error.kind(), JournalErrorKind::Corrupt, "{numbers:?}: {error:#}"),
        }
    }
}

#[test]
fn a_count_beside_the_store_is_not_believed_without_bounds() {
    let directory = Directory::new();
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    put(&mut store, 0);
    drop(store);
    let journal = directory.journal();
    let text = format!("sortie journal\nformat 1\nstore {0}\ncommits {0}\n", u64::MAX);
    fs::write(journal.join("watermark"), format!("{text}crc32 {:08x}\n", crc32(text.as_bytes()))).unwrap();
    fs::rename(journal.join("store-1"), journal.join(format!("store-{}", u64::MAX))).unwrap();
    let error = StoreProbe::sled_compacting(&journal, 0, 100).err().unwrap();
    assert_eq!(error.kind(), JournalErrorKind::Corrupt, "{error:#}");
}

#[cfg(unix)]
#[test]
fn a_file_that_is_much_too_long_is_read_as_far_as_anything_can_be_in_it() {
    for (name, whole) in
        [("store-1/log-0", true), ("store-1/log-1", true), ("progress", true), ("watermark", false)]
    {
        let directory = Directory::new();
        let mut store = StoreProbe::sled(&directory.journal()).unwrap();
        (0..20).for_each(|key| put(&mut store, key));
        let left = left_by_a_death(&directory.journal());
        // A hole, which takes no room on the disk, and would take more memory than there is.
        let file = File::options().write(true).open(left.journal().join(name)).unwrap();
        if file.set_len(1 << 43).is_err() {
            println!("skipped: the file system has no such long files");
            return;
        }
        match StoreProbe::sled(&left.journal()) {
            Ok(store) => assert!(whole && count(&store) == 20, "{name}"),
            Err(error) => assert!(!whole && error.kind() == JournalErrorKind::Corrupt, "{name}: {error:#}"),
        }
    }
}

#[test]
fn a_record_that_is_longer_than_a_log_is_read_only_if_it_is_whole() {
    let directory = Directory::new();
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    put(&mut store, 0);
    let left = left_by_a_death(&directory.journal());
    let path = log(&left.journal(), 1);
    let mut bytes = fs::read(&path).unwrap();
    bytes[16..20].copy_from_slice(&(1_u32 << 30).to_le_bytes());
    fs::write(&path, bytes).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(2 << 30).unwrap();
    assert_eq!(count(&StoreProbe::sled(&left.journal()).unwrap()), 1);
}

/// Commits so many bytes as one record of the log.
fn fill(store: &mut StoreProbe, first: u32, mut bytes: usize) -> u32 {
    // Its length, its checksum and its number; and of each change two lengths and a key.
    bytes -= 16;
    let mut values = Vec::new();
    while bytes > 0 {
        let rest = if bytes <= 4104 { bytes } else { (bytes - 8).min(4104) };
        values.push(vec![7; rest - 8]);
        bytes -= rest;
    }
    let keys: Vec<_> = (first..).take(values.len()).map(u32::to_be_bytes).collect();
    let batch: Vec<_> = keys.iter().zip(&values).map(|(key, value)| (&key[..], Some(&value[..]))).collect();
    store.commit(&batch).unwrap();
    first + values.len() as u32
}

#[test]
fn a_commit_that_finds_no_room_while_sled_is_told_of_others_is_durable_at_once() {
    for (left, last) in
        [(0, 40), (1, 40), (7, 5000), (8, 40), (9, 40), (15, 40), (16, 300_000), (17, 40), (30, 2_000_000)]
    {
        let directory = Directory::new();
        let mut store = StoreProbe::sled(&directory.journal()).unwrap();
        let slow =
            Trap::delay(&directory.journal(), "store.checkpoint.before_batch", Duration::from_millis(400));
        let mut next = 0;
        // From here on sled is being told of these, and the other log is written to.
        let keys: Vec<_> = (1_000_000..1_000_520_u32).map(u32::to_be_bytes).collect();
        let batch: Vec<_> = keys.iter().map(|key| (&key[..], Some(&b"v"[..]))).collect();
        store.commit(&batch).unwrap();
        let mut room = LENGTH - 16 - left;
        while room > 0 {
            let bytes = if room > 300_000 { 200_000 } else { room };
            next = fill(&mut store, next, bytes);
            room -= bytes;
        }
        next = fill(&mut store, next, last);
        // Before sled has it.
        let dead = left_by_a_death(&directory.journal());
        let found = StoreProbe::sled(&dead.journal()).unwrap().scan(b"").unwrap().len();
        assert_eq!(found, next as usize + 520, "{left} bytes left, {last} in the last record");
        drop(slow);
        for _ in 0..3 {
            next = fill(&mut store, next, 400_000);
        }
        let dead = left_by_a_death(&directory.journal());
        let found = StoreProbe::sled(&dead.journal()).unwrap().scan(b"").unwrap().len();
        assert_eq!(found, next as usize + 520, "{left} bytes left, {last} in the last record");
    }
}
