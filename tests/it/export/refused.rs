//! What is refused: journals that are open, lines that are wrong, directories that are not new.

use std::fs;

use sortie::SledJournal;
use sortie::journal::{ExportError, Exported, ImportError, JournalErrorKind};

use super::{append, begin, close, export, import, intent, open};
use crate::directory::{Directory, names};

#[tokio::test(start_paused = true)]
async fn only_a_closed_journal_is_exported_and_nothing_is_made_of_none() {
    let directory = Directory::new();
    let here = directory.journal();
    let journal = open(&here).await;
    let kind = |result: Result<Exported, ExportError>| match result {
        Err(ExportError::Journal(error)) => error.kind(),
        other => panic!("{other:?}"),
    };
    assert_eq!(kind(SledJournal::export(&here, Vec::new())), JournalErrorKind::InUse);
    append(&journal, intent("a", None, b"1")).await;
    close(journal).await;
    assert_eq!(export(&here).1.launches, 1);
    let nowhere = directory.path().join("nowhere");
    assert_eq!(kind(SledJournal::export(&nowhere, Vec::new())), JournalErrorKind::BadPath);
    fs::create_dir(&nowhere).unwrap();
    assert_eq!(kind(SledJournal::export(&nowhere, Vec::new())), JournalErrorKind::Corrupt);
    fs::write(nowhere.join("holiday.jpg"), "").unwrap();
    assert_eq!(kind(SledJournal::export(nowhere.join("holiday.jpg"), Vec::new())), JournalErrorKind::BadPath);

    let mut full = [0; 100];
    let error = SledJournal::export(&here, &mut full[..]).unwrap_err();
    assert!(matches!(error, ExportError::Write(_)), "{error}");
    assert_eq!(names(directory.path()), ["journal", "nowhere"]);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_wrong_is_refused_with_its_number_and_leaves_nothing_behind() {
    let directory = Directory::new();
    let here = directory.journal();
    let journal = open(&here).await;
    append(&journal, intent("b", Some("k"), b"[1]")).await;
    begin(&journal, intent("a", Some("running"), b"[2]")).await;
    append(&journal, intent("a", None, b"\xff")).await;
    close(journal).await;
    let (lines, _) = export(&here);
    fs::remove_dir_all(&here).unwrap();
    let refused = |change: &dyn Fn(&mut Vec<String>), at: u64, why: &str| {
        let mut lines = lines.clone();
        change(&mut lines);
        match import(&here, &lines) {
            Err(ImportError::BadLine { line, reason }) => {
                assert!(line == at && reason.contains(why), "line {line}: {reason}; expected {at}: {why}");
            }
            other => panic!("{why}: {other:?}"),
        }
        assert!(names(directory.path()).is_empty(), "{why}");
    };
    let replace = |at: usize, from: &'static str, to: &'static str| {
        move |lines: &mut Vec<String>| {
            assert!(lines[at].contains(from), "{}", lines[at]);
            lines[at] = lines[at].replace(from, to);
        }
    };
    refused(&|lines| lines.clear(), 1, "no first line");
    refused(&|lines| drop(lines.remove(0)), 1, "the first line must be");
    refused(&replace(0, "launches", "lunches"), 1, "`lunches`");
    refused(&replace(0, "1", "2"), 1, "newer version");
    refused(&|lines| lines[2].truncate(50), 3, "EOF");
    refused(&|lines| lines[1].clear(), 2, "EOF");
    refused(&|lines| lines.push(lines[1].replace("\"k\"", "null")), 5, "the same id");
    refused(
        &replace(2, "\"a\",\"key\":\"running\"", "\"b\",\"key\":\"k\""),
        3,
        "the same key of the same agent: `k`",
    );
    refused(&replace(1, "\"agent\":\"b\"", "\"agent\":\"\""), 2, "a name of 0 bytes");
    refused(&replace(1, "\"agent\"", "\"agents\""), 2, "agents");
    refused(&replace(1, "\"key\":\"k\"", "\"key\":\"\""), 2, "its key is 0 bytes long");
    refused(
        &replace(1, "\"output\":null", "\"output\":{\"json\":1}"),
        2,
        "a launch that is done has an output",
    );
    refused(&replace(1, "\"input\":{\"json\":[1]}", "\"input\":null"), 2, "it has no input");
    refused(&replace(3, "\"hex\":\"ff\"", "\"hex\":\"f\""), 4, "hexadecimal");
    refused(&replace(3, "\"hex\":\"ff\"", "\"hex\":\"\u{e4}\""), 4, "hexadecimal");
    refused(&replace(1, "\"digest\":\"", "\"digest\":\"0"), 2, "digest");
    refused(&replace(1, "\"id\":\"0", "\"id\":\"f"), 2, "no journal has given the id");
    refused(&replace(1, "\"id\":\"", "\"id\":\"x"), 2, "is not the id of a launch");
    refused(&replace(2, "\"epoch\":1", "\"epoch\":18446744073709551615"), 3, "the epoch");
    // What is good is still taken, without an end of its last line as well.
    assert_eq!(import(&here, &lines).unwrap(), 3);
}

#[test]
fn a_journal_is_imported_into_a_new_directory_only() {
    let directory = Directory::new();
    let here = directory.journal();
    let first = [r#"{"sortie":"launches","version":1}"#.to_owned()];
    fs::create_dir(&here).unwrap();
    fs::write(here.join("something"), "").unwrap();
    let error = import(&here, &first).unwrap_err();
    assert!(matches!(&error, ImportError::NotNew(path) if *path == here), "{error}");
    fs::remove_file(here.join("something")).unwrap();
    assert_eq!(import(&here, &first).unwrap(), 0);
    // It is a journal by now.
    assert!(matches!(import(&here, &first), Err(ImportError::NotNew(_))));
    drop(SledJournal::open(&here).unwrap());

    // What an import has left that was killed is no journal, and what is beside is not the journal's.
    let other = directory.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::create_dir(other.join("import-0b8f6f0e6f1e4d3c9a4b5c6d7e8f9a0b")).unwrap();
    fs::create_dir(directory.path().join("other.importing")).unwrap();
    assert_eq!(import(&other, &first).unwrap(), 0);
    assert_eq!(names(&other), ["lock", "store-1", "watermark"]);
    assert_eq!(names(directory.path()), ["journal", "other", "other.importing"]);
    let error = import(&directory.path().join("no/folder"), &first).unwrap_err();
    assert!(matches!(error, ImportError::Journal(_)), "{error}");
}
