//! One unreliable agent under several restart policies: how many attempts, when, and what comes out.
//!
//! ```sh
//! cargo run --release --example restart_policies
//! ```

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sortie::{
    AgentContext, AgentError, AgentRef, Backoff, Outcome, Restart, Trigger, agent_fn, ask, branches, foreach,
};

const MS: Duration = Duration::from_millis(1);

/// What goes wrong before the attempt that succeeds, if any does.
#[derive(Clone, Copy)]
enum Trouble {
    /// Errors that may pass, in the first attempts.
    Errors(u32),
    /// A panic in the first attempt.
    Panic,
    /// A first attempt that takes too long.
    Hang,
    /// An error that will not pass.
    Fatal,
    /// An error that says when to come back.
    Busy(Duration),
}

/// When each attempt of the last call began.
type Starts = Arc<Mutex<Vec<Instant>>>;

async fn attempt(trouble: Trouble, attempt: u32) -> Result<u32, AgentError> {
    match trouble {
        Trouble::Errors(first) if attempt <= first => Err("connection reset".into()),
        Trouble::Panic if attempt == 1 => panic!("a bug in the agent"),
        Trouble::Hang if attempt == 1 => std::future::pending().await,
        Trouble::Fatal => Err(AgentError::fatal("no such account")),
        Trouble::Busy(wait) if attempt == 1 => Err(AgentError::retry_after(wait, "too many requests")),
        _ => Ok(attempt),
    }
}

#[tokio::main]
async fn main() {
    let starts = Starts::default();
    let noted = Arc::clone(&starts);
    let agent = AgentRef::new(agent_fn(move |trouble: Trouble, cx: AgentContext| {
        if let Ok(mut starts) = noted.lock() {
            starts.push(Instant::now());
        }
        attempt(trouble, cx.attempt())
    }));

    let fixed = Restart::attempts(3).backoff(Backoff::fixed(50 * MS));
    let exponential = Restart::attempts(5).backoff(Backoff::exponential(40 * MS).max(100 * MS).jitter(false));
    let jittered = Restart::attempts(5).backoff(Backoff::exponential(40 * MS).max(100 * MS)).seed(7);
    let quick = Restart::attempts(3).backoff(Backoff::none());
    let cases = [
        ("no policy: one attempt", Trouble::Errors(2), None),
        ("3 attempts, 50 ms apart", Trouble::Errors(2), Some(fixed.clone())),
        ("3 attempts are not enough", Trouble::Errors(9), Some(fixed.clone())),
        ("exponential from 40 ms, at most 100 ms", Trouble::Errors(4), Some(exponential)),
        ("the same with jitter, seed 7", Trouble::Errors(4), Some(jittered)),
        ("a panic is restarted …", Trouble::Panic, Some(quick.clone())),
        ("… unless only errors are", Trouble::Panic, Some(quick.clone().only([Trigger::Error]))),
        ("a timeout of 100 ms is restarted", Trouble::Hang, Some(quick.clone())),
        ("a fatal error is not", Trouble::Fatal, Some(quick.clone())),
        ("\"come back in 200 ms\" is a floor", Trouble::Busy(200 * MS), Some(quick.clone())),
    ];
    println!("{:<40} {:<9} attempts began at (ms)    outcome", "policy", "attempts");
    let mut ok = 0;
    for (name, trouble, policy) in &cases {
        if let Ok(mut starts) = starts.lock() {
            starts.clear();
        }
        let call = ask(&agent, *trouble).timeout(100 * MS);
        let outcome = match policy {
            Some(policy) => call.restart(policy.clone()).await,
            None => call.await,
        };
        ok += usize::from(outcome.is_ok());
        let starts = starts.lock().map(|starts| starts.clone()).unwrap_or_default();
        let at: Vec<_> = starts.iter().map(|start| (*start - starts[0]).as_millis().to_string()).collect();
        println!("{name:<40} {:<9} {:<25} {}", at.len(), at.join(", "), text(&outcome));
    }

    // The branch is asked first, then its fan-out, then its agent.
    let agent = agent.restart(Restart::attempts(2).backoff(Backoff::none()));
    let own = agent.branch(Trouble::Errors(9)).restart(Restart::attempts(4).backoff(Backoff::none()));
    let (own, inherited) = branches((own, agent.branch(Trouble::Errors(9)))).restart(quick).settled().await;
    let agents = foreach([Trouble::Errors(9)], &agent).settled().await;
    let attempts = |outcome: &Outcome<u32>| outcome.as_ref().map_or_else(sortie::Failure::attempts, |n| *n);
    println!(
        "\nattempts as the branch says: {}, as its fan-out says: {}, as its agent says: {}",
        attempts(&own),
        attempts(&inherited),
        attempts(&agents[0]),
    );
    println!("restart_policies: cases={} ok={ok} failed={}", cases.len(), cases.len() - ok);
}

fn text(outcome: &Outcome<u32>) -> String {
    match outcome {
        Ok(attempt) => format!("ok in attempt {attempt}"),
        Err(failure) => failure.cause().to_string(),
    }
}
