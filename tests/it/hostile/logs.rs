//! The log: what subscribers do, and what stands in it.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex};

use sortie::journal::{Claim, Due, Intent, Terms};
use sortie::{
    AgentError, AgentRef, Intensity, LaunchRecord, LaunchStatus, MemoryJournal, System, Verdict, actor,
    agent_fn,
};
use tokio::time::sleep;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::{innocent, innocents_run, is_well};
use crate::actors::{Adder, words};
use crate::support::SECOND;

/// Collects what is logged, or panics instead.
#[derive(Clone, Default)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    panics: bool,
}

impl Log {
    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("sortie")
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        assert!(!self.panics, "in the subscriber");
        let mut line = Line(String::new());
        event.record(&mut line);
        self.lines.lock().unwrap().push(line.0);
    }
}

/// A text that a terminal obeys.
const RUDE: &str = "\x1b[2J\x1b]0;owned\x07 first\nsecond\r\u{202e}dluow\u{9b}31m\u{2028}";

/// Launches and residents for which something is logged, with such texts wherever a caller can give one.
async fn talk() {
    let mut builder = System::builder().journal(MemoryJournal::new());
    let charge = agent_fn(|secret: String, _| async move { panic!("{secret}") });
    let charge = builder.register(AgentRef::<_, u32>::new(charge.named("charge")).at_most_once());
    let hook = agent_fn(|_: LaunchRecord, _| async {
        Err::<Verdict<u32>, _>(AgentError::fatal(format!("{RUDE}{}", "x".repeat(100_000))))
    });
    builder.when_ambiguous(&charge, hook.named(format!("hook {RUDE}")));
    let innocent = builder.register(innocent());
    let adder = Adder::default();
    let resident = actor::resident(format!("adder {RUDE}"), move || (adder.clone(), 100), words);
    let rude = format!("supervisor {RUDE}");
    let words = builder.supervisor(&rude).intensity(Intensity::new(5, SECOND)).resident(resident);
    let system = builder.start().await.unwrap();
    let ticket = system.launch(&charge, "a secret".to_owned()).key(RUDE).await.unwrap();
    sleep(60 * SECOND).await;
    assert_eq!(ticket.status().await.unwrap(), LaunchStatus::Ambiguous);
    system.ask(&words, "panic").await.unwrap_err();
    assert_eq!(system.ask(&words, "1").await.unwrap(), 101);
    innocents_run(&system, &innocent).await;
    let status = system.status();
    assert!(status.supervisor(&rude).unwrap().deaths == 1);
    assert!(status.supervisor("main").unwrap().deaths == 0);
    system.shutdown(SECOND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_panics_costs_its_events() {
    let log = Log { panics: true, ..Log::default() };
    let _default = tracing::subscriber::set_default(log);
    talk().await;
}

#[tokio::test(start_paused = true)]
async fn texts_of_others_are_escaped_and_cut_in_the_log() {
    let log = Log::default();
    let _default = tracing::subscriber::set_default(log.clone());
    talk().await;
    let lines = log.lines();
    assert!(lines.iter().any(|line| line.contains("a hook has failed")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("a resident has died")), "{lines:#?}");
    for line in &lines {
        assert!(line.len() < 8000, "{} bytes", line.len());
        let obeyed = |c: char| c.is_control() || matches!(c, '\u{202e}' | '\u{2028}');
        assert!(!line.contains(obeyed), "{line:?}");
    }
    assert!(
        lines.iter().any(|line| line.contains(r"\u{1b}[2J") && line.contains(r"first\nsecond\r")),
        "{lines:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn payloads_stand_neither_in_debug_nor_in_the_log() {
    let log = Log::default();
    let _default = tracing::subscriber::set_default(log.clone());
    // A payload that the agent of today does not take: the error of serde would quote from it.
    let mut builder = System::builder().journal(MemoryJournal::new());
    let wrong: AgentRef<u32, ()> = AgentRef::new(agent_fn(|_: u32, _| async { Ok(()) }).named("numbers"));
    builder.register(wrong);
    let text: AgentRef<String, ()> =
        AgentRef::new(agent_fn(|_: String, _| async { Ok(()) }).named("numbers"));
    let system = builder.start().await.unwrap();
    let ticket = system.launch(&text, "a secret".to_owned()).await.unwrap();
    sleep(SECOND).await;
    assert_eq!(ticket.status().await.unwrap(), LaunchStatus::Parked);
    is_well(&system);
    let lines = log.lines();
    assert!(lines.iter().any(|line| line.contains("parked")), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("secret")), "{lines:#?}");

    let secret = b"a secret".to_vec();
    let numbers = format!("{secret:?}");
    let numbers = numbers.trim_matches(['[', ']']);
    let intent = Intent {
        agent: "agent".into(),
        key: Some("key".into()),
        input: secret.clone(),
        digest: 7,
        due: Due::Now,
        terms: Terms::default(),
    };
    let claim = Claim {
        id: ticket.id(),
        attempt: 1,
        epoch: 1,
        agent: "agent".into(),
        key: None,
        input: secret.clone(),
        terms: Terms::default(),
        suspect: false,
    };
    let record = ticket.record().await.unwrap();
    for text in [
        format!("{intent:?}"),
        format!("{intent:#?}"),
        format!("{claim:?}"),
        format!("{record:?} {ticket:?}"),
        format!("{:?}", Verdict::Settle(secret)),
        format!("{:?}", Verdict::Settle("a secret")),
        format!("{:?}", system.launch(&text, "a secret".to_owned())),
    ] {
        assert!(!text.contains("secret") && !text.contains(numbers), "{text}");
    }
    assert!(format!("{intent:?}").contains("input: 8 bytes, digest "));
    assert!(format!("{claim:?}").contains("input: 8 bytes, digest "));
}
