//! Outputs, settled values, verdicts of hooks, and what agents by name give: none is recorded that cannot be read.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use sortie::{
    AgentError, AgentRef, Builder, LaunchRecord, LaunchStatus, MemoryJournal, Payload, System, TicketError,
    Verdict, agent_fn,
};

use crate::support::{MS, SECOND};

fn builder() -> Builder {
    System::builder().journal(MemoryJournal::new().longest_payload(1 << 16))
}

/// How a launch ends whose agent gives this output.
async fn ends<O: Payload + Clone + Sync>(output: O) -> (String, String, u32) {
    let mut builder = builder();
    let agent = agent_fn(move |(): (), _| std::future::ready(Ok(output.clone())));
    let agent = builder.register(agent.named("give"));
    let system = builder.start().await.unwrap();
    let ticket = system.launch(&agent, ()).await.unwrap();
    let failure = ticket.result().await.unwrap().err().unwrap();
    assert_eq!(ticket.status().await.unwrap(), LaunchStatus::Dead);
    (failure.code().to_owned(), format!("{failure:#}"), failure.attempts())
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Sum { cents: u128 },
}

#[tokio::test(start_paused = true)]
async fn an_output_that_does_not_return_is_a_failure_that_names_the_path() {
    for (code, text, attempts) in [
        ends(vec![1.0, f64::NAN]).await,
        ends(BTreeMap::from(
            [("a", vec![(), ()])]
                .map(|(key, units)| (key.to_owned(), units.into_iter().map(Some).collect::<Vec<_>>())),
        ))
        .await,
        ends(vec![Tagged::Sum { cents: 1 }, Tagged::Sum { cents: u128::MAX }]).await,
    ] {
        assert_eq!((&*code, attempts), ("bad_output", 1), "{text}");
        assert!(
            text.contains("output of agent `give`")
                && ["[1]", ".a[0]", "[0].cents"].iter().any(|path| text.contains(path)),
            "{text}"
        );
    }
    let (code, text, _) = ends("x".repeat(100_000)).await;
    assert!(code == "bad_output" && text.contains("100002 bytes long, where 65536"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_settled_value_that_does_not_return_is_unfit() {
    let mut builder = builder();
    let agent = agent_fn(|(): (), _| async { Err::<Vec<Option<f64>>, _>(AgentError::fatal("no")) });
    let agent = builder.register(agent.named("fail"));
    let system = builder.start().await.unwrap();
    let ticket = system.launch(&agent, ()).await.unwrap();
    ticket.result().await.unwrap().unwrap_err();
    for (output, path) in [(vec![Some(f64::NAN)], "[0]"), (vec![None, Some(f64::INFINITY)], "[1]")] {
        let error = ticket.settle(&output).await.unwrap_err();
        assert!(matches!(&error, TicketError::Unfit { reason, .. } if reason.contains(path)), "{error}");
    }
    assert_eq!(ticket.status().await.unwrap(), LaunchStatus::Dead);
    assert!(ticket.settle(&vec![Some(1.5)]).await.unwrap());
    assert_eq!(ticket.result().await.unwrap().unwrap(), [Some(1.5)]);
}

#[tokio::test(start_paused = true)]
async fn a_verdict_that_does_not_return_leaves_the_launch_ambiguous() {
    let mut builder = builder();
    let agent = agent_fn(|(): (), _| async { std::future::pending::<Result<f64, AgentError>>().await });
    let agent = builder.register(AgentRef::new(agent.named("charge")).at_most_once());
    let hook = agent_fn(|_: LaunchRecord, _| async { Ok(Verdict::Settle(f64::NAN)) });
    builder.when_ambiguous(&agent, &AgentRef::new(hook));
    let system = builder.start().await.unwrap();
    let ticket = system.launch(&agent, ()).timeout(SECOND).await.unwrap();
    ticket.result().await.unwrap().unwrap_err();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(ticket.status().await.unwrap(), LaunchStatus::Ambiguous);
}

#[tokio::test(start_paused = true)]
async fn an_agent_by_name_gives_no_value_that_says_something_else() {
    let mut builder = System::builder();
    builder.register(
        agent_fn(|n: u32, _| async move { Ok([1.5, f64::NAN, f64::INFINITY][n as usize]) }).named("float"),
    );
    builder.register(agent_fn(|some: bool, _| async move { Ok(some.then_some(())) }).named("unit"));
    builder.register(agent_fn(|n: u32, _| async move { Ok([7, u128::MAX][n as usize]) }).named("long"));
    let raw = |text: String, _| async move { Ok(RawValue::from_string(text)?) };
    builder.register(agent_fn(raw).named("raw"));
    let system = builder.start().await.unwrap();
    for (name, good, output, bad) in [
        ("float", json!(0), json!(1.5), vec![json!(1), json!(2)]),
        ("unit", json!(false), json!(null), vec![json!(true)]),
        ("long", json!(0), json!(7), vec![json!(1)]),
        (
            "raw",
            json!("{\"a\":1e3}"),
            json!({"a": 1000.0}),
            vec![json!("[1234567890123456789012345]"), json!("{\"a\":1,\"a\":2}")],
        ),
    ] {
        let agent = system.agent(name).unwrap();
        assert_eq!(system.ask(&agent, good).await.unwrap(), output);
        for bad in bad {
            let failure = system.ask(&agent, bad.clone()).await.unwrap_err();
            assert_eq!(failure.code(), "bad_output", "{name} {bad}: {failure:#}");
        }
    }
    let deep = (0..200).fold(json!([]), |below, _| json!([below]));
    let failure = system.ask(&system.agent("raw").unwrap(), deep).await.unwrap_err();
    assert_eq!(failure.code(), "bad_input");
    tokio::time::sleep(MS).await;
}
