//! Errors whose `Display`, `Debug`, `source` and `Drop` are hostile.

use std::error::Error;
use std::fmt::{self, Write};
use std::time::Duration;

use sortie::{
    AgentError, AgentRef, Backoff, Cause, Failure, JournalError, LaunchStatus, Recorder, Restart,
    SledJournal, System, agent_fn, ask, foreach,
};
use tokio::time::sleep;

use super::{innocent, innocents_run, is_well};
use crate::directory::Directory;
use crate::support::{Gauge, SECOND, leaves_no_task};

/// What an error does when it is formatted, walked or dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Hostility {
    DisplayFails,
    DisplayPanics,
    DisplayNeverEnds,
    DisplayIgnoresErrors,
    DisplayWritesNothingForEver,
    DisplayIsHuge,
    DebugPanics,
    DebugNeverEnds,
    SourcePanics,
    SourceIsCyclic,
    DropPanics,
}

pub const HOSTILITIES: [Hostility; 11] = [
    Hostility::DisplayFails,
    Hostility::DisplayPanics,
    Hostility::DisplayNeverEnds,
    Hostility::DisplayIgnoresErrors,
    Hostility::DisplayWritesNothingForEver,
    Hostility::DisplayIsHuge,
    Hostility::DebugPanics,
    Hostility::DebugNeverEnds,
    Hostility::SourcePanics,
    Hostility::SourceIsCyclic,
    Hostility::DropPanics,
];

/// An error that is hostile in one way.
pub struct Hostile(pub Hostility);

impl fmt::Display for Hostile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Hostility::DisplayFails => Err(fmt::Error),
            Hostility::DisplayPanics => panic!("in Display"),
            Hostility::DisplayNeverEnds => loop {
                f.write_str("and so on, ")?;
            },
            Hostility::DisplayIgnoresErrors => loop {
                let _ = f.write_char('!');
            },
            Hostility::DisplayWritesNothingForEver => loop {
                f.write_str("")?;
            },
            Hostility::DisplayIsHuge => f.write_str(&"x".repeat(100 << 20)),
            _ => f.write_str("hostile"),
        }
    }
}

impl fmt::Debug for Hostile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Hostility::DebugPanics => panic!("in Debug"),
            Hostility::DebugNeverEnds => loop {
                f.write_str("and so on, ")?;
            },
            _ => f.write_str("Hostile"),
        }
    }
}

impl Error for Hostile {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self.0 {
            Hostility::SourcePanics => panic!("in source"),
            Hostility::SourceIsCyclic => Some(self),
            _ => None,
        }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        assert!(self.0 != Hostility::DropPanics, "in Drop");
    }
}

/// An agent that fails with such an error.
fn failing(gauge: &Gauge, name: &str, hostility: Hostility) -> AgentRef<(), ()> {
    let gauge = gauge.clone();
    let agent = agent_fn(move |(): (), _| {
        let _body = gauge.enter();
        async move { Err(AgentError::retry(Hostile(hostility)).with_code("hostile")) }
    });
    AgentRef::new(agent.named(name))
}

#[tokio::test(start_paused = true)]
async fn an_error_costs_its_own_launch_and_neither_the_system_nor_the_next_process() {
    for hostility in HOSTILITIES {
        let directory = Directory::new();
        let (often, once) = (Gauge::default(), Gauge::default());
        let start = async || {
            let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
            let restart = Restart::attempts(2).backoff(Backoff::none());
            let failing_often = builder.register(failing(&often, "often", hostility).restart(restart));
            let failing_once = builder.register(failing(&once, "once", hostility).at_most_once());
            let innocent = builder.register(innocent());
            (builder.start().await.unwrap(), failing_often, failing_once, innocent)
        };
        let (system, failing_often, failing_once, innocent) = start().await;
        let tickets = [
            system.launch(&failing_often, ()).await.unwrap(),
            system.launch(&failing_once, ()).await.unwrap(),
        ];
        innocents_run(&system, &innocent).await;
        for (ticket, attempts) in tickets.iter().zip([2, 1]) {
            let failure = ticket.result_within(60 * SECOND).await.unwrap().unwrap_err();
            assert_eq!((failure.attempts(), failure.code()), (attempts, "hostile"));
            assert!(matches!(failure.cause(), Cause::Failed(_)), "{failure:#}");
            let record = ticket.record().await.unwrap();
            assert_eq!((record.status, record.failures), (LaunchStatus::Dead, attempts));
            let message = &record.history[0].message;
            assert!(!message.is_empty() && message.len() <= 1000, "{message}");
        }
        innocents_run(&system, &innocent).await;
        is_well(&system);
        system.shutdown(SECOND).await.unwrap();

        // The next process on this journal.
        let (system, .., innocent) = start().await;
        innocents_run(&system, &innocent).await;
        for ticket in tickets {
            let ticket = system.ticket::<()>(ticket.id()).unwrap();
            assert_eq!(ticket.status().await.unwrap(), LaunchStatus::Dead);
        }
        assert_eq!((often.begun(), once.begun()), (2, 1));
        system.shutdown(Duration::ZERO).await.unwrap();
    }
}

/// What `format!` gives, which would panic if the formatting failed; in less than a second and 32 KiB.
fn formats(what: &str, text: String) {
    assert!(!text.is_empty() && text.len() < 32 << 10, "{what} is {} bytes long", text.len());
}

#[tokio::test(start_paused = true)]
async fn every_public_error_formats_whatever_the_error_inside_does() {
    for hostility in HOSTILITIES {
        let recorder = Recorder::default();
        let agent = agent_fn(move |n: u32, _| async move {
            if n == 1 { Err(AgentError::fatal(Hostile(hostility))) } else { Ok(n) }
        });
        let agent = AgentRef::new(agent);
        let fan_out = || foreach(0..3, &agent).record(&recorder);
        let outcomes = leaves_no_task(fan_out().settled()).await;
        assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
        let failure = outcomes[1].as_ref().unwrap_err();
        let Cause::Failed(error) = failure.cause() else { panic!("{failure}") };
        assert!(error.downcast_ref::<Hostile>().is_some());
        for (what, text) in [
            ("AgentError", format!("{error} {error:#} {error:>9}")),
            ("AgentError's Debug", format!("{error:?}")),
            ("AgentError's long Debug", format!("{error:#?}")),
            ("Cause", format!("{} {:#}", failure.cause(), failure.cause())),
            ("Cause's Debug", format!("{:?}", failure.cause())),
            ("Failure", format!("{failure} {failure:#}")),
            ("Failure's Debug", format!("{failure:?}")),
            ("Failure's long Debug", format!("{failure:#?}")),
            ("Report", recorder.report().to_string()),
            ("Report's Debug", format!("{:?}", recorder.report())),
        ] {
            formats(what, text);
        }
        // The walk from outside: a `source` that panics ends it, one that is cyclic is the user's own.
        let mut next = std::error::Error::source(failure);
        for _ in 0..100 {
            let Some(error) = next else { break };
            next = if error.is::<Hostile>() { None } else { error.source() };
        }
        let all = fan_out().all().await.unwrap_err();
        formats("AllError", format!("{all} {all:#} {all:?}"));
        let any = foreach([1], &agent).any().await.unwrap_err();
        formats("AnyError", format!("{any} {any:#} {any:?}"));
        let quorum = fan_out().quorum(3).await.unwrap_err();
        formats("QuorumError", format!("{quorum} {quorum:#} {quorum:?}"));
        let io = std::io::Error::other(Hostile(hostility));
        let journal = JournalError::from(io);
        formats("JournalError", format!("{journal} {journal:#} {journal:?} {journal:#?}"));
        // Each is dropped here, where a panic would fail the test.
        drop((all, any, quorum, journal));
        drop((outcomes, recorder));
    }
}

#[tokio::test(start_paused = true)]
async fn texts_say_what_the_error_did() {
    let text = |hostility| format!("{}", AgentError::retry(Hostile(hostility)));
    assert_eq!(text(Hostility::DisplayFails), "a value whose `Display` failed");
    assert_eq!(text(Hostility::DisplayPanics), "a value whose `Display` panicked: in Display");
    let endless = text(Hostility::DisplayNeverEnds);
    assert!(endless.starts_with("and so on, and so on, ") && endless.ends_with('…'));
    assert!((8000..=8192).contains(&endless.len()), "{}", endless.len());
    struct Half;
    impl fmt::Display for Half {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the first half")?;
            panic!("no second half");
        }
    }
    impl fmt::Debug for Half {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    impl Error for Half {}
    let half = AgentError::retry(Half);
    assert_eq!(half.to_string(), "the first half (its `Display` panicked: no second half)");
    assert!(format!("{half:?}").contains("a value whose `Debug` failed"));
    // One that is deep, and not cyclic.
    #[derive(Debug)]
    struct Deep(u32, Option<Box<Deep>>);
    impl fmt::Display for Deep {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "level {}", self.0)
        }
    }
    impl Error for Deep {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|next| next as _)
        }
    }
    let deep = || (0..1000).fold(Deep(1000, None), |next, level| Deep(999 - level, Some(Box::new(next))));
    let agent = agent_fn(move |(): (), _| async move { Err::<(), _>(AgentError::retry(deep())) });
    let failure = ask(&AgentRef::new(agent), ()).await.unwrap_err();
    let text = format!("{failure:#}");
    assert!(
        text.contains("level 0: level 1: ") && text.contains("level 62") && !text.contains("level 70"),
        "{text}"
    );
}

#[test]
fn failures_within_failures_are_dropped_and_shown_however_deep_they_are() {
    // On a small stack, of 1 MiB.
    let nest = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let nested = |inner: Option<Failure>| {
            let inner = std::sync::Mutex::new(inner);
            let agent = agent_fn(move |(): (), _| {
                let inner = inner.lock().unwrap().take();
                async move {
                    Err::<(), _>(match inner {
                        Some(inner) => AgentError::from(inner),
                        None => AgentError::retry("the innermost"),
                    })
                }
            });
            runtime.block_on(ask(&AgentRef::new(agent), ()).into_future()).unwrap_err()
        };
        let deepest = (0..4_000).fold(nested(None), |inner, _| nested(Some(inner)));
        formats("a deep Failure", format!("{deepest:#}"));
        formats("a deep Failure's Debug", format!("{deepest:?}"));
        drop(deepest);
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(nest).unwrap().join().unwrap();
}

#[test]
fn an_error_whose_display_never_returns_costs_its_own_attempt() {
    // On threads of its own: the display blocks one of them until the test lets it go on.
    let runtime = crate::support::threads(4);
    crate::support::stay_awake(&runtime);
    #[derive(Debug)]
    struct Stuck(std::sync::Mutex<std::sync::mpsc::Receiver<()>>);
    impl fmt::Display for Stuck {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let _ = self.0.lock().unwrap().recv_timeout(60 * SECOND);
            f.write_str("at last")
        }
    }
    impl Error for Stuck {}
    let (release, released) = std::sync::mpsc::channel();
    let stuck = std::sync::Mutex::new(Some(Stuck(std::sync::Mutex::new(released))));
    runtime.block_on(async move {
        let mut builder = System::builder().journal(sortie::MemoryJournal::new());
        let agent = agent_fn(move |(): (), _| {
            let error = stuck.lock().unwrap().take();
            async move { Err::<(), _>(error.map_or(AgentError::fatal("again"), AgentError::fatal)) }
        });
        let once = Restart::attempts(1);
        let agent = builder.register(AgentRef::new(agent.named("stuck")).timeout(SECOND / 10).restart(once));
        let innocent = builder.register(innocent());
        let system = builder.start().await.unwrap();
        let ticket = system.launch(&agent, ()).await.unwrap();
        // A body that does not yield is found out within a second.
        sleep(3 * SECOND).await;
        release.send(()).unwrap();
        let failure = ticket.result_within(60 * SECOND).await.unwrap().unwrap_err();
        assert!(matches!(failure.cause(), Cause::TimedOut { .. }), "{failure:#}");
        innocents_run(&system, &innocent).await;
        is_well(&system);
    });
}
