//! What errors say.

use std::error::Error;
use std::io;

use sortie::{AgentContext, AgentError, AgentRef, Backoff, Cause, Restart, agent_fn, branches, foreach};

use crate::support::{MS, SECOND};

#[tokio::test(start_paused = true)]
async fn the_alternate_form_tells_the_whole_story() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot load the page")]
    struct Load(#[source] io::Error);

    let agent = AgentRef::new(
        agent_fn(|(): (), _| async { Err::<(), _>(Load(io::Error::other("connection refused")).into()) })
            .named("fetch"),
    );
    let restart = Restart::attempts(2).backoff(Backoff::fixed(SECOND));
    let failure = sortie::ask(&agent, ()).restart(restart).await.unwrap_err();
    assert_eq!(failure.to_string(), "branch 0 (`fetch`) failed after 2 attempts");
    assert_eq!(
        format!("{failure:#}"),
        "branch 0 (`fetch`) failed after 2 attempts: cannot load the page: connection refused"
    );
    assert_eq!(format!("{:#}", anyhow::Error::from(failure.clone())), format!("{failure:#}"));
    assert_eq!((failure.agent(), failure.index(), failure.attempts()), ("fetch", 0, 2));
    assert_eq!(failure.elapsed(), SECOND);
    let Cause::Failed(error) = failure.cause() else { panic!("{failure:?}") };
    assert!(error.downcast_ref::<Load>().is_some());
    assert!(failure.source().is_some_and(|cause| cause.is::<Cause>()));
    assert!(format!("{failure:?}").contains("connection refused"));
}

#[tokio::test(start_paused = true)]
async fn every_cause_has_its_text() {
    let agent = AgentRef::new(agent_fn(|how: &'static str, _| async move {
        match how {
            "panic" => panic!("on purpose"),
            "error" => Err::<(), _>(AgentError::fatal("wrong")),
            _ => std::future::pending().await,
        }
    }));
    let text = |failure: &sortie::Failure| failure.cause().to_string();
    let outcomes = foreach(["panic", "error", "hang"], &agent).timeout(1500 * MS).settled().await;
    let texts: Vec<_> = outcomes.iter().map(|o| text(o.as_ref().unwrap_err())).collect();
    assert_eq!(texts, ["panicked: on purpose", "wrong", "timed out after 1s 500ms"]);
    let outcomes = foreach(["hang"], &agent).deadline(SECOND).settled().await;
    assert_eq!(text(outcomes[0].as_ref().unwrap_err()), "exceeded the deadline of 1s");
    let all = foreach(["hang", "error"], &agent).all().await.unwrap_err();
    assert_eq!(format!("{all}"), "not all branches succeeded");
    assert_eq!(format!("{all:#}").split(": ").last(), Some("wrong"));
    assert!(all.source().is_some_and(|failure| failure.is::<sortie::Failure>()));
    assert!(format!("{all:?}").contains("wrong"));
    assert_eq!(text(all.into_outcomes()[0].as_ref().unwrap_err()), "cancelled");
}

#[test]
fn an_agents_error_says_what_to_do_about_it() {
    let plain: AgentError = "text".into();
    assert!(!plain.is_fatal() && plain.delay().is_none() && plain.code().is_none());
    let from_io = AgentError::from(io::Error::other("disk"));
    assert!(from_io.downcast_ref::<io::Error>().is_some());
    assert_eq!((from_io.to_string(), from_io.source().to_string()), ("disk".into(), "disk".into()));
    let later = AgentError::retry_after(SECOND, "busy").with_code("rate_limited");
    assert_eq!((later.delay(), later.code(), later.is_fatal()), (Some(SECOND), Some("rate_limited"), false));
    let fatal = AgentError::fatal(anyhow::anyhow!("wrong")).with_code(format!("E{}", 7));
    assert_eq!((fatal.delay(), fatal.code(), fatal.is_fatal()), (None, Some("E7"), true));
    assert!(!AgentError::retry("again").is_fatal());
}

#[tokio::test(start_paused = true)]
async fn anyhow_and_std_errors_pass_through_the_question_mark() {
    async fn count(text: String, _: AgentContext) -> Result<usize, AgentError> {
        use anyhow::Context as _;
        let bonus: usize = "7".parse().context("bonus")?;
        Ok(std::str::from_utf8(text.as_bytes())?.len() + bonus)
    }
    async fn plain(text: String) -> anyhow::Result<usize> {
        anyhow::ensure!(!text.is_empty(), "empty");
        Ok(text.len())
    }
    let texts = || ["a", ""].map(String::from);
    assert_eq!(foreach(texts(), agent_fn(count)).all().await.unwrap(), [8, 7]);
    let outcomes = foreach(texts(), plain).settled().await;
    assert!(format!("{:#}", outcomes[1].as_ref().unwrap_err()).ends_with("failed: empty"));
    assert!(outcomes[1].as_ref().unwrap_err().agent().ends_with("plain"), "a plain function is its own name");
}

#[tokio::test(start_paused = true)]
async fn outcomes_of_a_failed_all_keep_the_shape_of_the_set() {
    let agent =
        AgentRef::new(agent_fn(|n: u32, _| async move { if n == 1 { Err("one".into()) } else { Ok(n) } }));
    let [first, second] =
        branches([agent.branch(0), agent.branch(1)]).all().await.unwrap_err().into_outcomes();
    assert!(first.is_ok() && second.is_err());
    let keyed = foreach([0, 1], &agent).keyed(|n| *n).unwrap().all().await.unwrap_err().into_outcomes();
    assert_eq!(keyed.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["0", "1"]);
}

#[tokio::test(start_paused = true)]
async fn every_failure_has_a_code() {
    let agent = agent_fn(|word: &'static str, _| async move {
        match word {
            "coded" => Err(AgentError::fatal("too many").with_code("rate_limited")),
            "panic" => panic!("on purpose"),
            "hang" => std::future::pending().await,
            _ => Err("no".into()),
        }
    });
    let agent: sortie::AgentRef<&'static str, ()> = sortie::AgentRef::new(agent);
    let outcomes =
        sortie::foreach(["coded", "panic", "hang", "plain"], &agent).timeout(SECOND).settled().await;
    let codes = |outcomes: &[sortie::Outcome<()>]| -> Vec<String> {
        outcomes.iter().map(|outcome| outcome.as_ref().unwrap_err().code().to_owned()).collect()
    };
    assert_eq!(codes(&outcomes), ["rate_limited", "panicked", "timed_out", "failed"]);
    let late = sortie::foreach(["hang"; 2], &agent).concurrency(1).deadline(SECOND).settled().await;
    assert_eq!(codes(&late), ["deadline_exceeded"; 2]);
    let queued =
        sortie::foreach(["hang"; 2], &agent).concurrency(1).queue_timeout(SECOND).deadline(2 * SECOND);
    assert_eq!(codes(&queued.settled().await), ["deadline_exceeded", "queue_timed_out"]);
}
