//! A write or a sync that fails: nothing more is written before the store has been opened again.

use std::path::Path;
use std::{fs, io};

use sortie::probe::Trap;
use sortie::{JournalErrorKind, LaunchError, LaunchErrorKind};

use super::{is_one_and_done, rest, result};
use crate::directory::names;
use crate::doomed::Scene;

/// Why the journal did not record a launch.
fn journal_error(error: &LaunchError) -> JournalErrorKind {
    let LaunchErrorKind::Journal(error) = error.kind() else { panic!("{error:?}") };
    error.kind()
}

#[tokio::test(start_paused = true)]
async fn p20_a_failed_write_is_an_error_and_nothing_is_written_before_a_reopen() {
    for (point, error, kind) in [
        ("store.before_write", io::ErrorKind::StorageFull, JournalErrorKind::DiskFull),
        ("store.before_write", io::ErrorKind::Other, JournalErrorKind::Io),
        ("store.after_write_before_sync", io::ErrorKind::StorageFull, JournalErrorKind::DiskFull),
        ("store.after_sync", io::ErrorKind::Other, JournalErrorKind::Io),
    ] {
        let scene = Scene::of("", async |_| {}).await.unwrap();
        let (system, agent) = scene.restart().await;
        let kept = system.launch(&agent, 7).key("kept").await.unwrap();
        rest().await;
        let open = Trap::fail(&scene.journal(), "store.open.owned", error);
        let write = Trap::fail(&scene.journal(), point, error);
        let failed = system.launch(&agent, 7).key("k").await.unwrap_err();
        assert_eq!(journal_error(&failed), kind, "{point}");
        drop(write);
        // The disk would take it again; the handle that has failed is not asked, and there is no other yet.
        assert!(handles(&scene.journal()).is_empty(), "{point}: {:?}", handles(&scene.journal()));
        for _ in 0..3 {
            let refused = system.launch(&agent, 7).key("k").await.unwrap_err();
            assert_eq!(journal_error(&refused), kind, "{point}");
            rest().await;
        }
        drop(open);
        let ticket = system.launch(&agent, 7).key("k").await.unwrap();
        is_one_and_done(&scene, &system, &agent, ticket.id()).await;
        assert_eq!(result(&kept).await.unwrap(), 7);
        assert_eq!((scene.begun(), system.status().supervisors[0].deaths), (vec![1, 1], 0), "{point}");
    }
}

/// Which files of its stores this process holds open, where the system tells.
fn handles(journal: &Path) -> Vec<String> {
    let Ok(open) = fs::read_dir("/proc/self/fd") else { return Vec::new() };
    let open = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let files = open.filter(|path| path.starts_with(journal) && path.ends_with("db"));
    files.map(|path| path.display().to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn p20_after_a_failed_sync_nothing_is_written_before_the_next_open_has_copied() {
    let scene = Scene::of("", async |_| {}).await.unwrap();
    let (system, agent) = scene.restart().await;
    let kept = system.launch(&agent, 7).key("k").await.unwrap();
    rest().await;
    let trap = Trap::fail(&scene.journal(), "store.fdatasync", io::ErrorKind::Other);
    let error = system.launch(&agent, 8).key("other").await.unwrap_err();
    assert_eq!(journal_error(&error), JournalErrorKind::NotSynced);
    drop(trap);
    // The disk would take it again.
    let error = system.launch(&agent, 8).key("other").await.unwrap_err();
    let refused = match error.kind() {
        LaunchErrorKind::Journal(error) => {
            [JournalErrorKind::NotSynced, JournalErrorKind::Closed].contains(&error.kind())
        }
        // The system is coming to its end.
        kind => matches!(kind, LaunchErrorKind::ShuttingDown),
    };
    assert!(refused, "{error}");
    assert!(handles(&scene.journal()).is_empty());
    let error = system.wait().await.unwrap_err();
    assert!(error.to_string().contains("takes no more writes"), "{error}");
    assert!(names(&scene.journal()).contains(&"store-1".to_owned()));

    let (system, agent) = scene.restart().await;
    assert_eq!(names(&scene.journal()), ["lock", "progress", "store-2", "watermark"]);
    // What was refused may have been recorded.
    rest().await;
    is_one_and_done(&scene, &system, &agent, kept.id()).await;
    let other = system.launch(&agent, 8).key("other").await.unwrap();
    assert_eq!(other.result().await.unwrap().unwrap(), 8);
}
