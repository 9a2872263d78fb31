//! Where a journal cannot be opened, and how it is opened after a system that was dropped.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sortie::journal::{ExportError, ImportError, JournalError, JournalErrorKind};
use sortie::{SledJournal, System, agent_fn};

use crate::directory::{Directory, names};
use crate::support::{SECOND, threads};

const FIRST_LINE: &[u8] = b"{\"sortie\":\"launches\",\"version\":1}\n";

/// Opens, exports and imports, none of which may work, and gives the errors.
fn refused(path: &Path) -> [JournalError; 3] {
    let opened = SledJournal::open(path).unwrap_err();
    let ExportError::Journal(exported) = SledJournal::export(path, Vec::new()).unwrap_err() else { panic!() };
    let imported = match SledJournal::import(path, FIRST_LINE).unwrap_err() {
        ImportError::Journal(error) => error,
        ImportError::NotNew(at) => {
            assert_eq!(at, path);
            opened.clone()
        }
        other => panic!("{other:?}"),
    };
    [opened, exported, imported]
}

#[test]
fn a_path_at_which_there_can_be_no_directory_is_refused_with_the_remedy() {
    let directory = Directory::new();
    let root = directory.path();
    fs::write(root.join("file"), "mine").unwrap();
    let mut paths: Vec<(PathBuf, &str)> = vec![
        ("".into(), "the path is empty"),
        (root.join("no").join("journal"), "missing"),
        (root.join("no").join("where").join("journal"), "missing"),
    ];
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        let nul = std::ffi::OsString::from_vec(b"a\0b".to_vec());
        paths.push((root.join(nul), "NUL"));
        std::os::unix::fs::symlink(root.join("nowhere"), root.join("dangling")).unwrap();
        paths.push((root.join("dangling"), "symbolic link"));
    }
    let before = names(root);
    for (path, why) in paths {
        for (number, error) in refused(&path).into_iter().enumerate() {
            assert_eq!(error.kind(), JournalErrorKind::BadPath, "{path:?}: {error:#}");
            assert_eq!(error.path(), Some(&*path));
            assert!(error.to_string().contains("give the path of a directory"), "{error}");
            // An export makes nothing, so that for it nothing is there.
            assert!(number == 1 || format!("{error:#}").contains(why), "{error:#}");
        }
    }
    for path in [root.join("file"), root.join("file").join("journal")] {
        let [opened, _, imported] = refused(&path);
        for error in [opened, imported] {
            assert_eq!(error.kind(), JournalErrorKind::NotWritable, "{error:#}");
            assert!(error.to_string().contains("check the path"), "{error}");
        }
    }
    assert_eq!(names(root), before);
    assert_eq!(fs::read(root.join("file")).unwrap(), b"mine");
}

#[cfg(target_os = "linux")]
#[test]
fn below_a_directory_that_cannot_be_written_nothing_is_made_and_the_error_says_why() {
    use crate::directory::{Mount, mount};
    let Some(disk) = Mount::new("size=16m") else { return };
    if !mount(&["-o", "remount,ro"], &disk.path) {
        println!("skipped: this process may not mount a file system again");
        return;
    }
    let path = disk.path.join("journal");
    for error in [SledJournal::open(&path).unwrap_err(), refused(&path)[2].clone()] {
        assert_eq!(error.kind(), JournalErrorKind::NotWritable, "{error:#}");
        assert_eq!(error.path(), Some(&*path));
        assert!(error.to_string().contains("check the path, its permissions"), "{error}");
    }
}

async fn started(path: &Path) -> System {
    let mut builder = System::builder().journal(SledJournal::open(path).unwrap());
    let agent = builder.register(
        agent_fn(|wait: Duration, _| async move {
            tokio::time::sleep(wait).await;
            Ok(())
        })
        .named("sleep"),
    );
    let system = builder.start().await.unwrap();
    system.launch(&agent, 60 * SECOND).await.unwrap();
    system
}

#[test]
fn opening_waits_for_the_journal_of_a_system_that_was_dropped() {
    let directory = Directory::new();
    let path = directory.journal();
    threads(2).block_on(async {
        for _ in 0..3 {
            drop(started(&path).await);
        }
        // Also within a task, which has the thread that was woken last.
        let task = path.clone();
        tokio::spawn(async move {
            for _ in 0..3 {
                drop(started(&task).await);
            }
        })
        .await
        .unwrap();
        let system = started(&path).await;
        let began = Instant::now();
        assert_eq!(SledJournal::open(&path).unwrap_err().kind(), JournalErrorKind::InUse);
        assert!(began.elapsed() < SECOND, "it waited for a system that runs");
        let other = system.clone();
        drop(system);
        assert_eq!(SledJournal::open(&path).unwrap_err().kind(), JournalErrorKind::InUse);
        assert!(began.elapsed() < SECOND, "it waited for a system that has another handle");
        drop(other);
        // On a thread that is none of the runtime's.
        let path = path.clone();
        std::thread::spawn(move || drop(SledJournal::open(path).unwrap())).join().unwrap();
    });
}

#[tokio::test(start_paused = true)]
async fn on_a_runtime_with_one_thread_the_release_is_awaited() {
    let directory = Directory::new();
    let path = directory.journal();
    // There is none to wait for.
    SledJournal::released(&path).await;
    for _ in 0..3 {
        drop(started(&path).await);
        let error = SledJournal::open(&path).unwrap_err();
        assert_eq!(error.kind(), JournalErrorKind::InUse);
        assert!(format!("{error:#}").contains("SledJournal::released"), "{error:#}");
        SledJournal::released(&path).await;
    }
    let system = started(&path).await;
    let mut released = std::pin::pin!(SledJournal::released(&path));
    assert!(tokio::time::timeout(SECOND, &mut released).await.is_err(), "it is in use");
    system.shutdown(Duration::ZERO).await.unwrap();
    released.await;
    drop(SledJournal::open(&path).unwrap());
}
