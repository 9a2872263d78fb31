//! Everything that a journal makes, moves or sets aside stays in its own directory, and of what is there it removes only what
//! it has made itself.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sortie::SledJournal;
use sortie::journal::{ExportError, ImportError, JournalErrorKind};
use sortie::probe::{StoreProbe, Trap};

use crate::directory::{Directory, names};

const FIRST_LINE: &[u8] = b"{\"sortie\":\"launches\",\"version\":1}\n";
const CHILD: &str = "SORTIE_TEST_IMPORT";

/// Every path below a directory but for one, with the content of the files.
fn around(directory: &Path, but: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for name in names(directory) {
        let path = directory.join(name);
        if path == but {
            continue;
        }
        let is_directory = fs::symlink_metadata(&path).unwrap().is_dir();
        if is_directory {
            found.extend(around(&path, but));
        }
        found.insert(path.clone(), if is_directory { None } else { fs::read(&path).ok() });
    }
    found
}

fn filled(journal: &Path) {
    let mut store = StoreProbe::sled(journal).unwrap();
    for number in 0..200_u32 {
        store.commit(&[(&number.to_be_bytes(), Some(&[7; 500]))]).unwrap();
    }
}

fn damage(journal: &Path) {
    fs::write(journal.join("watermark"), "nonsense").unwrap();
}

/// Names beside and in a journal's directory that look like its own.
fn look_alikes(journal: &Path, is_new: bool) {
    let beside = journal.file_name().unwrap().to_str().unwrap();
    for suffix in ["reading", "importing", "corrupt-20260101T000000Z", "damaged-1", "export", "new"] {
        let path = journal.with_file_name(format!("{beside}.{suffix}"));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("mine"), suffix).unwrap();
    }
    if is_new {
        return;
    }
    for name in [
        "store-1.before-upgrade",
        "store-01",
        "store-1x",
        "store-",
        "store-0",
        "store-+2",
        "Store-2",
        "damaged-",
        "damaged-01",
        "import-mine",
        "import-0b8f6f0e6f1e4d3c9a4b5c6d7e8f9a0bX",
        "import-0B8F6F0E6F1E4D3C9A4B5C6D7E8F9A0B",
        "import-00000000000000000000000000000000",
        "export-of-monday",
        "export-0b8f6f0e-6f1e-4d3c-9a4b-5c6d7e8f9a0b",
        "importing",
        "data.reading",
    ] {
        fs::create_dir(journal.join(name)).unwrap();
        fs::write(journal.join(name).join("mine"), name).unwrap();
    }
    for name in [
        "watermark.bak.new",
        "watermark.bak",
        "watermark-.new",
        "watermark-x.new",
        "not-synced.new.new",
        "not-synced-yet",
        "progress.new",
        "lock.new",
        "quarantined.txt",
        "store-3", // a file
        "import-1b8f6f0e6f1e4d3c9a4b5c6d7e8f9a0b",
        "export-2b8f6f0e6f1e4d3c9a4b5c6d7e8f9a0b",
    ] {
        fs::write(journal.join(name), name).unwrap();
    }
    // Of a directory.
    fs::create_dir(journal.join("not-synced.new")).unwrap();
    #[cfg(unix)]
    {
        let elsewhere = journal.with_file_name("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("mine"), "mine").unwrap();
        for name in [
            "store-2",
            "store-4",
            "damaged-1",
            "import-3b8f6f0e6f1e4d3c9a4b5c6d7e8f9a0b",
            "export-4b8f6f0e6f1e4d3c9a4b5c6d7e8f9a0b",
        ] {
            std::os::unix::fs::symlink(&elsewhere, journal.join(name)).unwrap();
        }
        std::os::unix::fs::symlink(elsewhere.join("mine"), journal.join("watermark.new")).unwrap();
        std::os::unix::fs::symlink("nowhere", journal.join("quarantined.new")).unwrap();
    }
}

/// What of these paths is not there any more, or not as it was.
fn lost(before: &BTreeMap<PathBuf, Option<Vec<u8>>>, root: &Path) -> Vec<PathBuf> {
    let after = around(root, Path::new(""));
    before
        .iter()
        .filter(|(path, content)| after.get(*path) != Some(content))
        .map(|(path, _)| path.clone())
        .collect()
}

#[test]
fn nothing_outside_of_the_directory_is_made_moved_or_removed() {
    let directory = Directory::new();
    let (journal, imported) = (directory.journal(), directory.path().join("imported"));
    look_alikes(&journal, true);
    look_alikes(&imported, true);
    fs::create_dir(&journal).unwrap();
    fs::create_dir(&imported).unwrap();
    let check = |what: &str, but: &Path, operation: &dyn Fn()| {
        let before = around(directory.path(), but);
        operation();
        assert!(around(directory.path(), but) == before, "{what}");
    };
    check("open", &journal, &|| filled(&journal));
    check("compaction", &journal, &|| drop(StoreProbe::sled_compacting(&journal, 0, 100).unwrap()));
    check("export", &journal, &|| drop(SledJournal::export(&journal, io::sink()).unwrap()));
    check("import", &imported, &|| assert_eq!(SledJournal::import(&imported, FIRST_LINE).unwrap(), 0));
    check("a refused import", &imported, &|| assert!(SledJournal::import(&imported, FIRST_LINE).is_err()));
    damage(&journal);
    check("damage", &journal, &|| {
        let error = StoreProbe::sled(&journal).err().unwrap();
        assert_eq!(error.set_aside(), Some(&*journal.join("damaged-1")));
    });
    check("a second opening", &journal, &|| {
        let error = StoreProbe::sled(&journal).err().unwrap();
        assert_eq!(error.kind(), JournalErrorKind::Corrupt, "{error:#}");
        assert_eq!(error.set_aside(), Some(&*journal.join("damaged-1")));
    });
    let aside = journal.join("damaged-1");
    check("the export of what was set aside", &aside, &|| {
        assert!(SledJournal::export(&aside, io::sink()).is_ok());
    });
    check("the decision", &journal, &|| {
        fs::remove_file(journal.join("quarantined")).unwrap();
        assert_eq!(SledJournal::import(&journal, FIRST_LINE).unwrap(), 0);
        drop(StoreProbe::sled(&journal).unwrap());
    });
    assert_eq!(names(&journal), ["damaged-1", "lock", "progress", "store-1", "watermark"]);
}

#[test]
fn what_has_a_name_like_the_journals_own_survives_everything() {
    let directory = Directory::new();
    let journal = directory.journal();
    filled(&journal);
    look_alikes(&journal, false);
    let mine = around(directory.path(), Path::new(""));
    let mine: BTreeMap<_, _> = mine
        .into_iter()
        .filter(|(path, _)| {
            let own = ["lock", "progress", "watermark", "store-1"];
            !own.iter().any(|name| path.starts_with(journal.join(name)))
        })
        .collect();
    assert!(mine.len() > 50, "{}", mine.len());
    let check = |what: &str| assert_eq!(lost(&mine, directory.path()), Vec::<PathBuf>::new(), "{what}");
    for _ in 0..2 {
        assert_eq!(StoreProbe::sled(&journal).unwrap().scan(b"").unwrap().len(), 200);
        check("open");
    }
    SledJournal::export(&journal, io::sink()).unwrap();
    check("export");
    let error = SledJournal::import(&journal, FIRST_LINE).unwrap_err();
    assert!(matches!(error, ImportError::NotNew(_)), "{error}");
    check("import");
    // The next names that are free are taken.
    assert_eq!(StoreProbe::sled_compacting(&journal, 0, 100).unwrap().scan(b"").unwrap().len(), 200);
    check("compaction");
    assert!(journal.join("store-5").join("db").exists() && !journal.join("store-1").exists());
    let mut store = StoreProbe::sled(&journal).unwrap();
    let trap = Trap::fail(&journal, "store.fdatasync", io::ErrorKind::Other);
    assert_eq!(store.commit(&[(b"k", None)]).unwrap_err().kind(), JournalErrorKind::NotSynced);
    drop((trap, store));
    check("a failed sync");
    drop(StoreProbe::sled(&journal));
    check("the opening after a failed sync");
    damage(&journal);
    let error = StoreProbe::sled(&journal).err().unwrap();
    assert_eq!(error.set_aside(), Some(&*journal.join("damaged-2")), "{error:#}");
    check("damage");
    SledJournal::export(journal.join("damaged-2"), io::sink()).unwrap();
    let ExportError::Journal(error) = SledJournal::export(&journal, io::sink()).unwrap_err() else {
        panic!()
    };
    assert_eq!(error.set_aside(), Some(&*journal.join("damaged-2")));
    fs::remove_file(journal.join("quarantined")).unwrap();
    assert!(matches!(SledJournal::import(&journal, FIRST_LINE), Err(ImportError::NotNew(_))));
    drop(StoreProbe::sled(&journal).unwrap());
    check("the next journal");
}

#[test]
fn an_interrupted_setting_aside_leaves_no_empty_directory() {
    let directory = Directory::new();
    let journal = directory.journal();
    filled(&journal);
    damage(&journal);
    // A process was killed before it had written the note.
    fs::create_dir(journal.join("damaged-1")).unwrap();
    let error = StoreProbe::sled(&journal).err().unwrap();
    assert_eq!(error.set_aside(), Some(&*journal.join("damaged-1")));
    assert_eq!(names(&journal), ["damaged-1", "lock", "quarantined"]);
}

#[cfg(unix)]
#[test]
fn where_one_of_the_journals_files_is_something_else_the_directory_is_refused_and_not_touched() {
    for name in ["lock", "watermark", "progress", "not-synced", "quarantined"] {
        let directory = Directory::new();
        let (journal, mine) = (directory.journal(), directory.path().join("mine"));
        filled(&journal);
        fs::write(&mine, "a text of the user's").unwrap();
        let file = journal.join(name);
        if file.exists() {
            fs::rename(&file, directory.path().join("moved")).unwrap();
        }
        std::os::unix::fs::symlink(&mine, &file).unwrap();
        let before = around(directory.path(), Path::new(""));
        for _ in 0..2 {
            let error = StoreProbe::sled(&journal).err().unwrap();
            assert_eq!(error.kind(), JournalErrorKind::NotWritable, "{name}: {error:#}");
            assert!(format!("{error:#}").contains(&format!("`{name}`")), "{error:#}");
        }
        assert!(around(directory.path(), Path::new("")) == before, "{name}");
        fs::remove_file(&file).unwrap();
        if directory.path().join("moved").exists() {
            fs::rename(directory.path().join("moved"), &file).unwrap();
        }
        assert_eq!(StoreProbe::sled(&journal).unwrap().scan(b"").unwrap().len(), 200, "{name}");
    }
}

#[test]
fn what_an_earlier_version_has_set_aside_beside_the_directory_is_found_there() {
    for (name, found) in [
        ("corrupt-20260301T101112Z", true),
        ("corrupt-20260301T101112Z-2", true),
        // What no version has written leads nowhere.
        ("corrupt-", false),
        ("../other", false),
        ("corrupt-/../../other", false),
        ("damaged-01", false),
        ("damaged-../other", false),
        ("", false),
        ("mine", false),
    ] {
        let directory = Directory::new();
        let journal = directory.journal();
        filled(&journal);
        let aside = directory.path().join(format!("journal.{name}"));
        if found {
            fs::create_dir(&aside).unwrap();
            fs::rename(journal.join("store-1"), aside.join("store-1")).unwrap();
        }
        let other = directory.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(journal.join("quarantined"), format!("{name}\nThe journal that was here is damaged.\n"))
            .unwrap();
        for _ in 0..2 {
            let error = StoreProbe::sled(&journal).err().unwrap();
            assert_eq!(error.kind(), JournalErrorKind::Corrupt, "{name}");
            assert_eq!(error.set_aside(), found.then_some(&*aside), "{name}");
        }
        assert_eq!(names(&other), [""; 0], "{name}");
        // An interrupted moving goes on where it began, and leads nowhere else.
        let left = if found {
            vec!["lock", "quarantined"]
        } else {
            vec!["lock", "progress", "quarantined", "store-1", "watermark"]
        };
        assert_eq!(names(&journal), left, "{name}");
        if found {
            assert_eq!(names(&aside), ["progress", "store-1", "watermark"]);
            assert!(SledJournal::export(&aside, io::sink()).is_ok());
        }
        fs::remove_file(journal.join("quarantined")).unwrap();
        assert_eq!(StoreProbe::sled(&journal).unwrap().scan(b"").unwrap().len(), if found { 0 } else { 200 });
    }
}

#[test]
fn an_import_that_fails_leaves_the_directory_as_it_was() {
    let directory = Directory::new();
    let journal = directory.journal();
    let bad = [FIRST_LINE, b"nonsense\n"].concat();
    for (what, prepare, left) in [
        ("nothing", &(|_: &Path| {}) as &dyn Fn(&Path), None),
        ("an empty one", &|path| fs::create_dir(path).unwrap(), Some(vec!["lock"])),
        (
            "the root of a disk",
            &|path| fs::create_dir_all(path.join("lost+found")).unwrap(),
            Some(vec!["lock", "lost+found"]),
        ),
    ] {
        prepare(&journal);
        assert!(
            matches!(SledJournal::import(&journal, &bad[..]), Err(ImportError::BadLine { line: 2, .. })),
            "{what}"
        );
        for point in ["declared", "moved"] {
            let trap = Trap::fail(&journal, &format!("store.import.{point}"), io::ErrorKind::Other);
            assert!(SledJournal::import(&journal, FIRST_LINE).is_err(), "{what}: {point}");
            drop(trap);
            assert_eq!(
                journal.exists().then(|| names(&journal)),
                left.as_ref().map(|left| left.iter().map(|name| name.to_string()).collect()),
                "{what}: {point}"
            );
        }
        assert_eq!(SledJournal::import(&journal, FIRST_LINE).unwrap(), 0, "{what}");
        drop(StoreProbe::sled(&journal).unwrap());
        fs::remove_dir_all(&journal).unwrap();
    }
    assert_eq!(names(directory.path()), [""; 0]);
}

/// Not a test: what the child process of the next one does.
#[test]
fn child() {
    if let Some(path) = std::env::var_os(CHILD) {
        let _ = SledJournal::import(path, FIRST_LINE);
    }
}

#[cfg(unix)]
#[test]
fn s19_an_import_that_is_killed_at_any_step_leaves_no_journal_or_a_whole_one() {
    for (point, whole) in [
        ("store.open.declared", false),
        ("store.open.copied", false),
        ("store.import.declared", false),
        ("store.import.moved", false),
        ("store.import.published", true),
    ] {
        for again in [true, false] {
            let directory = Directory::new();
            let journal = directory.journal();
            let killed = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "journal_inside::child", "--nocapture"])
                .env(CHILD, &journal)
                .env("SORTIE_FAILPOINT", format!("{point}=kill"))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap();
            assert!(!killed.success(), "{point}");
            assert_eq!(names(directory.path()), ["journal"], "{point}");
            if again {
                let imported = SledJournal::import(&journal, FIRST_LINE);
                assert_eq!(matches!(imported, Err(ImportError::NotNew(_))), whole, "{point}: {imported:?}");
                assert_eq!(imported.is_ok(), !whole, "{point}: {imported:?}");
            }
            assert_eq!(StoreProbe::sled(&journal).unwrap().scan(b"h").unwrap(), [], "{point}");
            assert_eq!(names(&journal), ["lock", "progress", "store-1", "watermark"], "{point}");
        }
    }
}

/// A journal at the root of a volume, where no rename leads out of and which nothing can take the place of.
#[cfg(target_os = "linux")]
#[test]
fn a_journal_at_the_root_of_a_volume_is_set_aside_exported_and_imported() {
    use crate::directory::Mount;
    let Some(disk) = Mount::new("size=64m") else { return };
    let (journal, parent) = (&*disk.path, disk.path.parent().unwrap());
    fs::create_dir(journal.join("lost+found")).unwrap();
    let beside = names(parent);
    filled(journal);
    drop(StoreProbe::sled_compacting(journal, 0, 100).unwrap());
    SledJournal::export(journal, io::sink()).unwrap();
    for round in 1..=3 {
        damage(journal);
        let aside = journal.join(format!("damaged-{round}"));
        for _ in 0..3 {
            let error = StoreProbe::sled(journal).err().unwrap();
            assert_eq!(error.kind(), JournalErrorKind::Corrupt, "{error:#}");
            assert_eq!(error.set_aside(), Some(&*aside), "{error:#}");
        }
        let mut lines = Vec::new();
        SledJournal::export(&aside, &mut lines).unwrap();
        let refused = SledJournal::import(journal, FIRST_LINE).unwrap_err();
        assert!(refused.to_string().contains("`quarantined`"), "{refused}");
        fs::remove_file(journal.join("quarantined")).unwrap();
        match round {
            1 => assert_eq!(SledJournal::import(journal, FIRST_LINE).unwrap(), 0),
            _ => assert_eq!(StoreProbe::sled(journal).unwrap().scan(b"").unwrap(), []),
        }
        filled(journal);
    }
    assert_eq!(names(parent), beside);
    // And an empty volume, with and without what the file system puts there.
    for name in names(journal) {
        let path = journal.join(name);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
    assert_eq!(SledJournal::import(journal, FIRST_LINE).unwrap(), 0);
    assert_eq!(names(journal), ["lock", "store-1", "watermark"]);
    assert_eq!(names(parent), beside);
}

#[cfg(unix)]
#[test]
fn every_file_is_for_its_owner_alone_also_in_a_directory_that_is_open_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    for open_to in [0o755, 0o777, 0o750, 0o700] {
        let directory = Directory::new();
        let journal = directory.journal();
        fs::create_dir(&journal).unwrap();
        fs::set_permissions(&journal, fs::Permissions::from_mode(open_to)).unwrap();
        filled(&journal);
        for name in names(&journal) {
            let expected = if journal.join(&name).is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode(&journal.join(&name)), expected, "{name}");
        }
        for name in ["db", "log-0", "log-1"] {
            assert_eq!(mode(&journal.join("store-1").join(name)), 0o600, "{name}");
        }
        assert_eq!(mode(&journal), open_to, "what the user has made stays as it is");
        // As earlier versions have made them.
        for name in ["lock", "progress"] {
            fs::set_permissions(journal.join(name), fs::Permissions::from_mode(0o644)).unwrap();
        }
        let store = StoreProbe::sled(&journal).unwrap();
        assert_eq!((mode(&journal.join("lock")), mode(&journal.join("progress"))), (0o600, 0o600));
        drop(store);
        damage(&journal);
        let aside = StoreProbe::sled(&journal).err().unwrap().set_aside().unwrap().to_owned();
        assert_eq!((mode(&aside), mode(&journal.join("quarantined"))), (0o700, 0o600));
    }
}
