//! Errors whose `Display`, `Debug`, `source` and `Drop` are hostile.

use std::error::Error;
use std::fmt::{self, Write};
use std::time::Duration;

use sortie::{
    AgentContext, AgentError, AgentRef, Backoff, Cause, LaunchStatus, Phase, Restart, SledJournal, System,
    agent_fn,
};

use crate::directory::Directory;
use crate::support::{Gauge, SECOND};

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

fn innocent() -> AgentRef<u32, u32> {
    AgentRef::new(agent_fn(|n: u32, _: AgentContext| async move { Ok(n + 1) }).named("innocent"))
}

async fn innocents_run(system: &System, innocent: &AgentRef<u32, u32>) {
    for n in 0..5 {
        let ticket = system.launch(innocent, n).await.unwrap();
        assert_eq!(ticket.result_within(60 * SECOND).await.unwrap().unwrap(), n + 1);
    }
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
        let status = system.status();
        assert_eq!(status.phase, Phase::Running);
        assert!(status.supervisors.iter().all(|supervisor| supervisor.deaths == 0), "{status}");
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
