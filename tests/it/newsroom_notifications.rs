//! The example `newsroom`, stopped and killed at moments of all kinds: every document is notified of once.
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use sortie::journal::{Due, Intent, Journal, Scope, Terms};
use sortie::{LaunchFilter, LaunchStatus, SledJournal, System};

use crate::directory::{Directory, names};
use crate::examples::program;

/// More than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

const DOCUMENTS: usize = 8;

/// A newsroom: documents, and what its runs leave.
struct Newsroom(Directory);

/// What a run says of its notifications.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    recorded: usize,
    sent: usize,
    before: usize,
    dead: usize,
    left: usize,
}

impl Newsroom {
    fn new() -> Self {
        let newsroom = Self(Directory::new());
        for number in 0..DOCUMENTS {
            newsroom.write(number, "A wonderful day. Everything works, and all are happy.");
        }
        newsroom
    }

    fn write(&self, number: usize, text: &str) {
        fs::write(self.0.path().join(format!("{number}.txt")), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("newsroom"));
        let documents = (0..DOCUMENTS).map(|number| format!("{number}.txt"));
        command.args(["--state", "state"]).args(arguments).args(documents);
        command.current_dir(self.0.path()).env("RUST_BACKTRACE", "0");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A run that is not stopped.
    fn run(&self, arguments: &[&str]) -> Count {
        let output = self.start(arguments).end();
        assert!(output.status.success(), "{output:?}");
        count(&output)
    }

    fn start(&self, arguments: &[&str]) -> Run {
        Run(Some(self.command(arguments).spawn().unwrap()))
    }

    fn journal(&self) -> PathBuf {
        self.0.path().join("state/journal")
    }

    fn outbox(&self) -> PathBuf {
        self.0.path().join("state/outbox")
    }

    /// How many notifications are out, whatever they are.
    fn posted(&self) -> usize {
        let entries = fs::read_dir(self.outbox()).into_iter().flatten();
        entries
            .filter(|entry| !entry.as_ref().unwrap().file_name().as_encoded_bytes().starts_with(b"."))
            .count()
    }

    /// What stands in the outbox, and since when: the same for as long as nobody is notified. Two notifications under one
    /// key fail the test.
    fn sent(&self) -> BTreeMap<String, SystemTime> {
        let mut keys = BTreeSet::new();
        let sent = names(&self.outbox()).into_iter().filter(|name| !name.starts_with('.')).map(|name| {
            let path = self.outbox().join(&name);
            let (key, launch) = name.rsplit_once('.').unwrap();
            assert!(keys.insert(key.to_owned()), "notified twice: {name}");
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.starts_with(&format!("key: {key}\nlaunch: {launch}\ndocument: ")), "{text}");
            let modified = path.metadata().unwrap().modified().unwrap();
            (name, modified)
        });
        sent.collect()
    }

    /// After whatever has happened, one more run completes it, and yet another one has nothing to do.
    fn completes(&self) -> Count {
        let second = self.run(&[]);
        let sent = self.sent();
        assert_eq!((sent.len(), second.dead, second.left), (DOCUMENTS, 0, 0), "{second:?}");
        assert_eq!(second.sent + second.before, DOCUMENTS, "{second:?}");
        assert_eq!(self.run(&[]), Count { before: DOCUMENTS, ..Count::default() });
        assert_eq!(self.sent(), sent, "the third run has notified somebody");
        second
    }
}

fn count(output: &Output) -> Count {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("notifications: ")).expect(&text);
    let number = |name| {
        let word = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        word.unwrap().parse().unwrap()
    };
    let [recorded, sent, before, dead, left] = ["recorded", "sent", "before", "dead", "left"].map(number);
    Count { recorded, sent, before, dead, left }
}

/// A process. Dropping it kills it.
struct Run(Option<Child>);

impl Run {
    /// Waits until something can be seen of it.
    fn until(self, what: &str, is_so: impl Fn() -> bool) -> Self {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < LIMIT, "never: {what}");
            thread::sleep(Duration::from_millis(1));
        }
        self
    }

    /// Kills it. It may have come to its end before.
    fn kill(mut self) {
        let mut process = self.0.take().unwrap();
        process.kill().unwrap();
        let status = process.wait().unwrap();
        assert!(status.signal() == Some(9) || status.success(), "{status}");
    }

    /// Presses Ctrl-C.
    fn interrupt(self) -> Self {
        let id = self.0.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-s", "INT", &id]).status().unwrap().success());
        self
    }

    fn end(mut self) -> Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(process) = &mut self.0 {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

#[test]
fn each_version_of_a_document_is_notified_of_once() {
    let newsroom = Newsroom::new();
    let all = Count { recorded: DOCUMENTS, sent: DOCUMENTS, ..Count::default() };
    // The first document stands on the command line twice.
    assert_eq!(newsroom.run(&["0.txt"]), all);
    let sent = newsroom.sent();
    assert_eq!(newsroom.completes().sent, 0);
    assert_eq!(newsroom.sent(), sent);

    newsroom.write(3, "A terrible failure. It was awful and sad.");
    fs::remove_file(newsroom.0.path().join("4.txt")).unwrap();
    let news = Count { recorded: 2, sent: 2, before: DOCUMENTS - 2, ..Count::default() };
    assert_eq!(newsroom.run(&[]), news, "one was edited, one cannot be read any more");
    let again = newsroom.sent();
    assert!(again.len() == DOCUMENTS + 2 && sent.iter().all(|old| again.get(old.0) == Some(old.1)));
}

#[test]
fn a_kill_at_any_moment_loses_no_notification_and_sends_none_twice() {
    // Before anything is recorded, after so many notifications, and when all are out but perhaps not recorded as sent.
    for posted in [None, Some(1), Some(3), Some(DOCUMENTS)] {
        let newsroom = Newsroom::new();
        let run = newsroom.start(&["--concurrency", "2", "--pace", "20ms"]);
        match posted {
            None => run.until("a journal", || newsroom.journal().join("lock").exists()),
            Some(posted) => run.until("notifications", || newsroom.posted() >= posted),
        }
        .kill();
        assert!(newsroom.posted() >= posted.unwrap_or(0));
        let second = newsroom.completes();
        assert!(second.sent <= DOCUMENTS - posted.unwrap_or(0), "{posted:?}: {second:?}");
    }
}

#[test]
fn kills_after_every_notification_send_each_once() {
    let newsroom = Newsroom::new();
    while newsroom.posted() < DOCUMENTS {
        let posted = newsroom.posted();
        // One at a time, so that each run gets beyond what the one before was killed in.
        let run = newsroom.start(&["--concurrency", "1", "--pace", "5ms"]);
        run.until("one more notification", || newsroom.posted() > posted).kill();
        newsroom.sent();
    }
    assert_eq!(newsroom.completes().sent, 0);
}

#[test]
fn ctrl_c_hands_back_what_is_not_sent_and_the_next_run_sends_it() {
    let newsroom = Newsroom::new();
    // Longer than what is under way is given to end.
    let run = newsroom.start(&["--concurrency", "2", "--pace", "700ms"]);
    let output = run.until("a notification", || newsroom.posted() > 0).interrupt().end();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(text.lines().last().unwrap().starts_with(&format!("newsroom: documents={DOCUMENTS} ")), "{text}");
    let (first, posted) = (count(&output), newsroom.sent().len());
    assert_eq!(first.sent + first.left, DOCUMENTS, "{first:?}");
    assert!(first.left > 0, "{first:?}");
    // Those that were cut short when they were out already are the next run's to find.
    assert!((first.sent..=first.sent + 2).contains(&posted), "{posted}: {first:?}");
    let second = newsroom.completes();
    assert_eq!((second.sent, second.before), (DOCUMENTS - posted, posted));
}

/// Whether a process has a handler for SIGINT.
#[cfg(target_os = "linux")]
fn heeds_ctrl_c(id: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    caught.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() & 0b10 != 0)
}

#[test]
#[cfg(target_os = "linux")]
fn ctrl_c_while_documents_are_reviewed_leaves_them_to_the_next_run() {
    let newsroom = Newsroom::new();
    let run = newsroom.start(&["--hang-rate", "1", "--timeout", "1h"]);
    let id = run.0.as_ref().unwrap().id();
    let output = run.until("a handler", || heeds_ctrl_c(id)).interrupt().end();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(count(&output), Count { left: DOCUMENTS, ..Count::default() });
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains(".txt  failed ")).count(), DOCUMENTS, "{text}");
    assert_eq!(newsroom.completes().sent, DOCUMENTS);
}

#[tokio::test(start_paused = true)]
async fn a_notification_that_cannot_be_read_is_left_and_holds_nobody_up() {
    let newsroom = Newsroom::new();
    fs::create_dir(newsroom.0.path().join("state")).unwrap();
    let journal = SledJournal::open(newsroom.journal()).unwrap();
    journal.start(Scope::new([])).await.unwrap();
    let (agent, input, terms) = ("notify".to_owned(), b"7".to_vec(), Terms::default());
    let intent = Intent { agent, key: None, input, digest: 7, due: Due::Now, terms };
    journal.append(vec![intent]).await.unwrap();
    journal.close();
    journal.closed().await.unwrap();
    drop(journal);

    let output = newsroom.start(&[]).end();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(count(&output), Count { recorded: DOCUMENTS, sent: DOCUMENTS, left: 1, ..Count::default() });
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_without_a_record_is_not_sent_again() {
    let newsroom = Newsroom::new();
    let run = newsroom.start(&["--concurrency", "1", "--pace", "300ms"]);
    run.until("a notification", || newsroom.posted() > 0).kill();
    // The agent is unknown here, so all that has not ended waits.
    let system =
        System::builder().journal(SledJournal::open(newsroom.journal()).unwrap()).start().await.unwrap();
    let open =
        system.launches(LaunchFilter::all().status(LaunchStatus::Parked)).page(None, 100).await.unwrap();
    system.shutdown(Duration::ZERO).await.unwrap();
    // As if a process had been killed between the effect of the last one and its record.
    let last = open.last().expect("the first takes so long that others are recorded");
    assert!(last.terms.retention > Duration::from_secs(1 << 32), "its key is kept for ever");
    let key = last.key.as_ref().unwrap();
    let sent = newsroom.outbox().join(format!("{key}.{}", last.id));
    let text = format!("key: {key}\nlaunch: {}\ndocument: sent by a process that has died\n", last.id);
    fs::write(&sent, &text).unwrap();

    let posted = newsroom.posted();
    let second = newsroom.completes();
    assert_eq!(second.sent, DOCUMENTS - posted);
    assert_eq!(fs::read_to_string(sent).unwrap(), text);
}

#[test]
fn notifications_out_of_attempts_are_dead_until_somebody_decides() {
    let newsroom = Newsroom::new();
    let all = Count { dead: DOCUMENTS, ..Count::default() };
    let arguments = ["--fail-rate", "0.5", "--panic-rate", "0.5"];
    assert_eq!(newsroom.run(&arguments), Count { recorded: DOCUMENTS, ..all });
    // The documents are fine now, and their notifications are what they were.
    let output = newsroom.start(&[]).end();
    assert_eq!(count(&output), all);
    let text = String::from_utf8(output.stdout).unwrap();
    let dead = text.lines().filter(|line| line.starts_with("dead ") && line.contains("after 8 attempts: "));
    assert_eq!(dead.count(), DOCUMENTS, "{text}");
    assert_eq!((newsroom.posted(), newsroom.run(&["--requeue"]).sent), (0, DOCUMENTS));
    assert_eq!(newsroom.completes().sent, 0);
}

#[test]
fn some_faults_are_healed_by_further_attempts() {
    let newsroom = Newsroom::new();
    let faults = [
        "--fail-rate",
        "0.2",
        "--panic-rate",
        "0.1",
        "--hang-rate",
        "0.1",
        "--timeout",
        "200ms",
        "--seed",
        "1",
    ];
    assert_eq!(newsroom.run(&faults), Count { recorded: DOCUMENTS, sent: DOCUMENTS, ..Count::default() });
    assert_eq!(newsroom.completes().sent, 0);
}

#[test]
fn a_second_run_waits_for_the_first_one() {
    let newsroom = Newsroom::new();
    let first = newsroom.start(&["--pace", "900ms"]);
    // The file of the lock is there before it is locked; a store is made by who has it.
    let store = newsroom.journal().join("watermark");
    let first = first.until("a store", || store.exists());
    let second = newsroom.start(&[]).end();
    let (first, said) = (first.end(), String::from_utf8(second.stderr.clone()).unwrap());
    assert!(first.status.success() && second.status.success(), "{first:?} {second:?}");
    assert!(said.contains("waiting for another one"), "{said}");
    assert_eq!((count(&first).sent, count(&second).before), (DOCUMENTS, DOCUMENTS));
    newsroom.completes();
}
