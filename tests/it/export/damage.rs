//! Damaged journals: what is damaged is named, and everything else comes out.

use std::fs;
use std::path::Path;

use sortie::journal::{ExportError, Journal, JournalErrorKind};
use sortie::probe::StoreProbe;
use sortie::{LaunchFilter, LaunchId, SledJournal};

use super::{append, close, everything, export, import, intent, open};
use crate::directory::{Directory, copy, names};

/// The key of the record of a launch.
fn record(prefix: u8, id: LaunchId, piece: Option<u32>) -> Vec<u8> {
    let piece = piece.map(u32::to_be_bytes);
    [&[prefix][..], &id.as_u128().to_be_bytes(), piece.as_ref().map_or(&[], |piece| &piece[..])].concat()
}

#[tokio::test(start_paused = true)]
async fn damaged_records_are_skipped_and_named_and_all_others_are_exported() {
    let directory = Directory::new();
    let (here, there) = (directory.journal(), directory.path().join("there"));
    let journal = open(&here).await;
    let mut ids = Vec::new();
    for number in 0..20 {
        let length = if number % 2 == 0 { 10 } else { 10_000 };
        ids.push(append(&journal, intent("a", None, &vec![b'1'; length])).await);
    }
    close(journal).await;
    let mut store = StoreProbe::sled(&here).unwrap();
    let mut flipped = store.get(&record(b'h', ids[4], None)).unwrap().unwrap();
    flipped[40] ^= 1;
    let mut newer = store.get(&record(b'h', ids[6], None)).unwrap().unwrap();
    newer[0] = 2;
    let foreign = store.get(&record(b'i', ids[9], Some(1))).unwrap().unwrap();
    store
        .commit(&[
            (&record(b'h', ids[4], None), Some(&flipped)),
            (&record(b'h', ids[6], None), Some(&newer)),
            (&record(b'h', ids[8], None), Some(b"")),
            (&record(b'i', ids[11], Some(1)), Some(&foreign)),
            (&record(b'i', ids[13], Some(2)), None),
            (b"hshort", Some(b"")),
        ])
        .unwrap();
    drop(store);
    let (lines, exported) = export(&here);
    let skipped: Vec<_> = exported.skipped.iter().map(|skipped| (skipped.id, &*skipped.reason)).collect();
    let expected = [
        (Some(ids[4]), "the record is damaged: its checksum differs"),
        (Some(ids[6]), "the record is of version 2, which only a newer version of the crate can read"),
        (Some(ids[8]), "the record is damaged: it is too short"),
        (Some(ids[11]), "its input: piece 1: the record is damaged: its checksum differs"),
        (Some(ids[13]), "its input: piece 2 is missing"),
        (None, "its key cannot be read"),
    ];
    assert_eq!(skipped, expected);
    assert_eq!((exported.damaged, exported.launches, exported.missing), (6, 15, None));
    assert_eq!(import(&there, &lines).unwrap(), 15);
    let journal = open(&there).await;
    let found: Vec<_> = everything(&journal).await.into_iter().map(|launch| launch.0.id).collect();
    let lost = [4, 6, 8, 11, 13].map(|number| ids[number]);
    assert!(found.iter().eq(ids.iter().filter(|id| !lost.contains(id))));
    close(journal).await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_was_set_aside_is_repaired_by_export_and_import() {
    let whole = Directory::new();
    let journal = open(&whole.journal()).await;
    for number in 0..300 {
        append(&journal, intent("a", None, format!("[{number}]").as_bytes())).await;
    }
    close(journal).await;
    // From here on all of it is in sled's files alone.
    close(open(&whole.journal()).await).await;
    let mut some = false;
    for (what, share) in [("no watermark", 100), ("a short file", 75), ("a short file", 40), ("nothing", 0)] {
        let directory = Directory::new();
        let here = directory.journal();
        copy(&whole.journal(), &here);
        let database = here.join("store-1").join("db");
        if share == 100 {
            fs::remove_file(here.join("watermark")).unwrap();
        } else {
            let bytes = fs::read(&database).unwrap();
            let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
            fs::write(&database, &bytes[..used * share / 100]).unwrap();
        }
        let error = SledJournal::open(&here).unwrap_err();
        assert_eq!(error.kind(), JournalErrorKind::Corrupt, "{what}");
        let aside = error.set_aside().unwrap().to_owned();
        // Where it was, there is nothing to export; the error says where to look.
        let error = SledJournal::export(&here, Vec::new()).unwrap_err();
        let ExportError::Journal(error) = error else { panic!("{error:?}") };
        assert_eq!(error.set_aside(), Some(&*aside));

        let files =
            |path: &Path| names(path).iter().map(|name| fs::read(path.join(name)).ok()).collect::<Vec<_>>();
        let before = files(&aside.join("store-1"));
        let (lines, exported) = export(&aside);
        assert_eq!(files(&aside.join("store-1")), before, "{what}: it was changed");
        assert_eq!(exported.launches == 300, share == 100, "{what} {share}");
        assert_eq!(exported.missing.is_some(), share < 100, "{what} {share}: {exported:?}");
        some |= (1..300).contains(&exported.launches);

        // Once the note is removed, the journal begins with what there is.
        let error = import(&here, &lines).unwrap_err();
        assert!(error.to_string().contains("`quarantined` is removed"), "{error}");
        fs::remove_file(here.join("quarantined")).unwrap();
        assert_eq!(import(&here, &lines).unwrap(), exported.launches);
        assert_eq!(names(&here), ["damaged-1", "lock", "store-1", "watermark"], "{what}");
        assert_eq!(names(directory.path()), ["journal"], "{what}");
        let journal = open(&here).await;
        let all = journal.scan(&LaunchFilter::all(), None, 1000).await.unwrap();
        assert_eq!(all.len() as u64, exported.launches);
        close(journal).await;
    }
    assert!(some, "a part of a damaged store can be read");
}

#[tokio::test(start_paused = true)]
async fn an_export_has_what_only_the_log_has_and_says_if_a_log_cannot_be_read() {
    let whole = Directory::new();
    let journal = open(&whole.journal()).await;
    for number in 0..20 {
        append(&journal, intent("a", None, format!("[{number}]").as_bytes())).await;
    }
    // As a process leaves it that dies now.
    let left = Directory::new();
    copy(&whole.journal(), &left.journal());
    close(journal).await;
    let here = left.journal();
    let (_, exported) = export(&here);
    assert_eq!((exported.launches, &exported.missing), (20, &None));

    let log = here.join("store-1").join("log-0");
    let mut bytes = fs::read(&log).unwrap();
    bytes[0] ^= 1;
    fs::write(&log, bytes).unwrap();
    let (_, exported) = export(&here);
    assert_eq!(exported.launches, 0);
    let missing = exported.missing.unwrap();
    assert!(
        missing.starts_with("the latest commits: ") && missing.contains("a log cannot be read"),
        "{missing}"
    );
    let error = SledJournal::open(&here).unwrap_err();
    assert_eq!(error.kind(), JournalErrorKind::Corrupt);
    let (_, exported) = export(error.set_aside().unwrap());
    assert!(exported.missing.is_some());
}
