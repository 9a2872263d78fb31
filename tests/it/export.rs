//! A journal as lines of JSON: everything that is recorded, out of a directory and into a new one.

mod damage;
mod refused;
mod unchanged;

use std::path::Path;
use std::time::{Duration, SystemTime};

use sortie::journal::{
    Appended, Claim, Due, EndedBy, Exported, FailedAttempt, ImportError, Intent, Journal, Scope, Terms,
};
use sortie::{LaunchFilter, LaunchId, LaunchRecord, SledJournal, WallClock};

use crate::support::{SECOND, wants};

/// The lines of a journal, and what else was found.
fn export(path: &Path) -> (Vec<String>, Exported) {
    let mut lines = Vec::new();
    let exported = SledJournal::export(path, &mut lines).unwrap();
    let lines: Vec<_> = String::from_utf8(lines).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines[0], r#"{"sortie":"launches","version":1}"#);
    assert_eq!(lines.len() as u64, exported.launches + 1);
    (lines, exported)
}

fn import(path: &Path, lines: &[String]) -> Result<u64, ImportError> {
    SledJournal::import(path, lines.join("\n").as_bytes())
}

/// A journal in a directory, for one agent, at a fixed time.
async fn open(path: &Path) -> SledJournal {
    let journal = SledJournal::open(path).unwrap();
    let mut scope = Scope::new(["a".to_owned()]);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    scope.clock = WallClock::new(move || now);
    journal.start(scope).await.unwrap();
    journal
}

async fn close(journal: SledJournal) {
    journal.close();
    journal.closed().await.unwrap();
}

fn intent(agent: &str, key: Option<&str>, input: &[u8]) -> Intent {
    Intent {
        agent: agent.to_owned(),
        key: key.map(str::to_owned),
        input: input.to_vec(),
        digest: u128::MAX / 3 + input.len() as u128,
        due: Due::Now,
        terms: Terms::default(),
    }
}

async fn append(journal: &SledJournal, intent: Intent) -> LaunchId {
    match journal.append(vec![intent]).await.unwrap()[..] {
        [Appended::New(id)] => id,
        ref other => panic!("{other:?}"),
    }
}

/// Records a launch and claims it. Nothing else may be ready.
async fn begin(journal: &SledJournal, intent: Intent) -> Claim {
    let id = append(journal, intent).await;
    let claimed = journal.claim(&wants(&["a".to_owned()]), 1).await.unwrap().claims.remove(0);
    assert_eq!(claimed.id, id);
    claimed
}

fn failed(by: EndedBy) -> FailedAttempt {
    let message = "out of \"paper\"\n\u{1f4a9}".to_owned();
    FailedAttempt { by, message, code: Some("p1".to_owned()), floor: SECOND, roll: 0.3 }
}

/// Everything about every launch.
async fn everything(journal: &SledJournal) -> Vec<(LaunchRecord, Option<Vec<u8>>, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    for record in journal.scan(&LaunchFilter::all(), None, 10_000).await.unwrap() {
        let (input, output) = (journal.input(record.id).await, journal.output(record.id).await);
        found.push((record, input.unwrap(), output.unwrap()));
    }
    found
}
