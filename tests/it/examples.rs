//! The built examples, run as a user runs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// An example that `cargo test` has built.
pub fn program(example: &str) -> PathBuf {
    let target = std::env::current_exe().unwrap();
    let target = target.parent().and_then(Path::parent).unwrap();
    let program = target.join("examples").join(example);
    assert!(program.exists(), "build the examples first: `cargo test` does");
    program
}

/// Runs an example to its end.
fn run(example: &str, arguments: &[&str]) -> Output {
    let start = Instant::now();
    let output = Command::new(program(example)).args(arguments).env("RUST_BACKTRACE", "0").output().unwrap();
    // A few seconds, and more where the disk is busy: some wait for it.
    assert!(start.elapsed() < Duration::from_secs(60), "an example does not come to its end");
    output
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn last_line(output: &Output) -> String {
    text(output).lines().last().unwrap_or_default().to_owned()
}

/// The number behind `name=` in the last line.
fn number(output: &Output, name: &str) -> usize {
    let line = last_line(output);
    let (_, rest) = line.split_once(&format!("{name}=")).unwrap();
    rest.split(' ').next().unwrap().parse().unwrap()
}

/// A folder of documents that are hard to read, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn with_odd_documents() -> Self {
        let folder = std::env::temp_dir().join(format!("sortie-newsroom-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("good.txt"), "A wonderful day. Everything works, and all are happy.").unwrap();
        fs::write(folder.join("bad.txt"), "A terrible failure. It was awful and sad.").unwrap();
        fs::write(folder.join("empty.txt"), "").unwrap();
        fs::write(folder.join("binary.bin"), [0xff, 0xfe, 0x00, 0x80, b'a', b' ', 0xc3]).unwrap();
        fs::write(folder.join("huge.txt"), "One more sentence of a long story. ".repeat(100_000)).unwrap();
        fs::create_dir_all(folder.join("folder")).unwrap();
        Self(folder)
    }

    fn documents(&self) -> Vec<String> {
        ["good.txt", "bad.txt", "empty.txt", "binary.bin", "huge.txt", "folder", "missing.txt", "good.txt"]
            .map(|name| self.0.join(name).to_str().unwrap().to_owned())
            .to_vec()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn quickstart_draws_what_its_branches_do() {
    let output = run("quickstart", &[]);
    assert!(output.status.success());
    assert_eq!(last_line(&output), "quickstart: branches=8 ok=6 failed=2");
    let text = text(&output);
    let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap();
    let marks = |name| line(name).chars().filter(|mark| "+x!|".contains(*mark)).collect::<String>();
    assert_eq!(["weather", "news", "calendar", "mail"].map(marks), ["+", "x+", "!+", "x+"]);
    assert!(line("traffic").ends_with("branch `traffic` failed after 3 attempts: connection reset"));
    assert!(line("radio").ends_with("branch `radio` failed: timed out after 400ms"));
}

#[test]
fn the_readme_shows_what_quickstart_prints() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let printed = text(&run("quickstart", &[]));
    for line in printed.lines().filter(|line| !line.contains('=') || line.starts_with("quickstart")) {
        assert!(readme.contains(line), "{line}");
    }
}

#[test]
fn restart_policies_prints_a_line_for_each_policy() {
    let output = run("restart_policies", &[]);
    assert!(output.status.success());
    assert_eq!(last_line(&output), "restart_policies: cases=10 ok=6 failed=4");
    let text = text(&output);
    let outcomes = [
        ("no policy", "connection reset"),
        ("3 attempts, 50 ms apart", "ok in attempt 3"),
        ("3 attempts are not enough", "connection reset"),
        ("exponential", "ok in attempt 5"),
        ("the same with jitter", "ok in attempt 5"),
        ("a panic is restarted", "ok in attempt 2"),
        ("… unless only errors are", "panicked: a bug in the agent"),
        ("a timeout", "ok in attempt 2"),
        ("a fatal error", "no such account"),
        ("\"come back", "ok in attempt 2"),
    ];
    for (start, end) in outcomes {
        let line = text.lines().find(|line| line.starts_with(start)).unwrap();
        assert!(line.ends_with(end), "{line}");
    }
    assert!(text.contains("as the branch says: 4, as its fan-out says: 3, as its agent says: 2"));
}

#[test]
fn any_first_success_takes_the_first_success_and_stops_the_rest() {
    let output = run("any_first_success", &[]);
    assert!(output.status.success());
    assert_eq!(last_line(&output), "any_first_success: right=true under_way=0");
    let text = text(&output);
    assert!(text.contains("quorum(2):  oslo and turin after"), "{text}");
    assert!(
        text.contains("bremen refused the connection") && text.contains("lima refused the connection"),
        "{text}"
    );
}

#[test]
fn nested_uses_the_caps_of_all_its_levels_and_stops_them_all() {
    let output = run("nested", &[]);
    assert!(output.status.success());
    assert_eq!(last_line(&output), "nested: total=1080 peak=30 running=0");
}

#[test]
fn actor_agent_starts_each_actor_once_and_once_more_after_its_death() {
    let output = run("actor_agent", &[]);
    assert!(output.status.success());
    assert_eq!(last_line(&output), "actor_agent: sessions=4 caches=2");
    let text = text(&output);
    for part in [
        "60 of 60 pages with 61 requests",
        "two readers, 10 requests",
        "two readers, 21 requests",
        "deaths=1",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(text.contains("branch 0 (`cache`) failed: actor `cache` ended before it answered"), "{text}");
}

#[test]
fn supervisor_tree_fails_level_by_level_and_saves_what_it_has() {
    let output = run("supervisor_tree", &[]);
    assert!(output.status.success());
    let last = "supervisor_tree: escalated=true gateway_starts=6 journal_starts=1 saved=9";
    assert_eq!(last_line(&output), last);
    let text = text(&output);
    let steps = [
        "letter 3 is delivered",
        "restarts=0 deaths=2",
        "the root has restarted `outbound`",
        "restarts=1 deaths=5",
        "the system has ended",
        "the relay is out of order",
        "Ended: runs=0",
        "3 are delivered",
    ];
    let mut rest = text.as_str();
    for step in steps {
        (_, rest) =
            rest.split_once(step).unwrap_or_else(|| panic!("`{step}` is missing in its place: {text}"));
    }
}

#[test]
fn tour_comes_to_its_end() {
    let output = run("tour", &[]);
    assert!(output.status.success());
    assert_eq!(last_line(&output), "tour: pages=2 streamed=2 outbox=hi left=0");
}

#[test]
fn newsroom_reads_the_projects_own_documents() {
    let output = run("newsroom", &[]);
    assert!(output.status.success());
    let text = text(&output);
    for document in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        assert_eq!(text.lines().filter(|line| line.starts_with(document)).count(), 1, "{text}");
    }
    assert!(number(&output, "documents") >= 3);
    assert_eq!(number(&output, "ok"), number(&output, "documents"));
    // Those of this version, if no earlier run has sent them.
    let notified = text.lines().find(|line| line.starts_with("notifications: recorded=")).expect(&text);
    assert!(notified.ends_with(" left=0"), "{notified}");
}

#[test]
fn newsroom_gives_every_document_a_line_whatever_it_is() {
    let folder = Folder::with_odd_documents();
    let documents = folder.documents();
    let state = folder.0.join("state");
    let mut arguments: Vec<&str> = documents.iter().map(String::as_str).collect();
    arguments.extend(["--state", state.to_str().unwrap()]);
    let output = run("newsroom", &arguments);
    assert!(output.status.success());
    assert_eq!(number(&output, "documents"), 8);
    assert_eq!(number(&output, "failed"), 2, "the folder and the missing one: {}", text(&output));
    for document in &documents {
        let lines = text(&output).lines().filter(|line| line.contains(document.as_str())).count();
        assert!(lines >= 1, "{document}");
    }

    // Under fire, every document still has its line, and the same seed gives the same fates; but for the one that is so
    // long that a busy machine decides whether it is done in time.
    arguments.retain(|document| !document.ends_with("huge.txt"));
    let faults = [
        "--fail-rate",
        "0.3",
        "--panic-rate",
        "0.3",
        "--hang-rate",
        "0.2",
        "--timeout",
        "500ms",
        "--seed",
        "7",
    ];
    arguments.extend(faults);
    let (first, second) = (run("newsroom", &arguments), run("newsroom", &arguments));
    assert!(first.status.success());
    assert_eq!(number(&first, "documents"), 7);
    assert_eq!(last_line(&first), last_line(&second));
    assert!(number(&first, "ok") < 6, "some faults are not healed: {}", text(&first));
    assert!(number(&first, "ok") + number(&first, "partial") > 0, "and some are: {}", text(&first));
}

#[test]
fn newsroom_refuses_bad_arguments_by_name() {
    for (arguments, named) in [
        (&["--fail-rate", "2"][..], "--fail-rate"),
        (&["--seed"], "--seed"),
        (&["--concurrency", "0"], "--concurrency"),
        (&["--timeout", "0s"], "--timeout"),
        (&["--pace", "2h"], "--pace"),
        (&["--nonsense"], "--nonsense"),
    ] {
        let output = run("newsroom", arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains(named), "{message}");
    }
}

#[test]
fn dead_letters_are_listed_and_decided_about() {
    let output = run("dead_letters", &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(last_line(&output), "dead_letters: dead=6 requeued=5 done=5 discarded=1");
    let text = text(&output);
    let lines = |part: &str| text.lines().filter(|line| line.contains(part)).count();
    let expected = [("is dead:", 6), ("attempt 2: Error: the relay is out of order", 5), ("delivered to", 5)];
    for (part, count) in expected {
        assert_eq!(lines(part), count, "{text}");
    }
    assert_eq!((lines("attempt 1: Fatal: there is no such address"), lines("nobody: discarded")), (1, 1));
}

#[test]
#[cfg(unix)]
fn s11_crash_resume_loses_nothing() {
    let output = run("crash_resume", &[]);
    assert!(output.status.success(), "{}", text(&output));
    let counts = ["launched", "done", "lost", "recorded_twice"].map(|name| number(&output, name));
    assert_eq!(counts, [20, 20, 0, 0]);
    // What ran when the process was killed, and nothing else.
    assert!(number(&output, "rerun") <= 4, "{}", text(&output));
    assert!(text(&output).lines().any(|line| line.starts_with("killed: launched=20 done=5")));
}

#[test]
#[cfg(unix)]
fn s13_torture_finds_nothing_wrong() {
    for payload in ["200", "65536"] {
        let output = run("torture", &["--cycles", "6", "--seed", "7", "--payload", payload]);
        assert!(output.status.success(), "{}", text(&output));
        let last = last_line(&output);
        assert!(last.starts_with("torture: cycles=6 acked="), "{last}");
        assert!(last.ends_with(" lost=0 recorded_twice=0 unopenable=0"), "{last}");
        assert!(number(&output, "acked") > 0, "{last}");
    }
    assert_eq!(run("torture", &["--cycles", "0"]).status.code(), Some(2));
}

#[test]
#[cfg(unix)]
fn s13_power_cut_finds_nothing_wrong_where_it_can_be_shown() {
    let output = run("power_cut", &["--cuts", "1"]);
    if output.status.code() == Some(3) {
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("power_cut: cannot be shown here: "), "{said}");
        return;
    }
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(last_line(&output), "power_cut: cuts=1 lost=0 unopenable=0");
    assert!(text(&output).contains("\nacknowledged="), "{}", text(&output));
    assert!(!text(&output).contains("\nacknowledged=0"), "nothing was promised, so nothing is shown");
    let output = run("power_cut", &["--cuts", "1", "--buffered", "20ms"]);
    let last = last_line(&output);
    assert!(last.starts_with("power_cut: cuts=1 buffered=20ms ") && last.ends_with(" findings=0"), "{last}");
}

#[test]
fn s10_fire_and_forget_answers_at_once_and_reads_what_became_of_it_by_name() {
    let output = run("fire_and_forget", &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(last_line(&output), "fire_and_forget: launched=3 handed_back=3 done=2 failed=1");
    let text = text(&output);
    for part in ["told admin@example.com: System maintenance scheduled", "no such mailbox (no_mailbox)"] {
        assert_eq!(text.lines().filter(|line| line.contains(part)).count(), 1, "{text}");
    }
}

#[test]
fn s32_a_supervisor_that_dies_takes_its_launches_from_the_journal_again() {
    let output = run("supervisor_restart", &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(last_line(&output), "supervisor_restart: launched=5 done=5 run_again=5 restarted=mail");
    let lines = |part: &str| text(&output).lines().filter(|line| line.starts_with(part)).count();
    assert_eq!((lines("send "), lines("archive ")), (10, 5));
}
