//! Launches as a list: which are meant, page by page.

use sortie::{AgentRef, LaunchFilter, LaunchId, LaunchStatus, MemoryJournal, Restart, System, agent_fn};
use tokio::time::sleep;

use crate::support::SECOND;

/// An agent that does what it is told.
fn told(name: &str) -> AgentRef<String, ()> {
    let agent = agent_fn(|what: String, _| async move {
        match what.as_str() {
            "fail" => Err("told to".into()),
            "hang" => std::future::pending().await,
            _ => Ok(()),
        }
    });
    AgentRef::new(agent.named(name)).restart(Restart::attempts(1))
}

#[tokio::test(start_paused = true)]
async fn launches_are_listed_by_agent_and_status_in_the_order_of_their_records() {
    let mut builder = System::builder().journal(MemoryJournal::new());
    let agents = ["a", "b"].map(|name| builder.register(told(name)));
    let system = builder.start().await.unwrap();
    let mut ids: Vec<LaunchId> = Vec::new();
    for round in 0..10 {
        for agent in &agents {
            let what = ["work", "fail", "hang"][round % 3].to_owned();
            ids.push(system.launch(agent, what).await.unwrap().id());
        }
    }
    sleep(SECOND).await;
    let found = async |filter: LaunchFilter| {
        let page = system.launches(filter.clone()).page(None, 1000).await.unwrap();
        assert_eq!(system.launches(filter).count().await.unwrap(), page.len());
        page
    };
    let all = found(LaunchFilter::all()).await;
    assert!(all.iter().map(|record| record.id).eq(ids.iter().copied()));
    for (status, count) in [
        (LaunchStatus::Done, 4),
        (LaunchStatus::Dead, 3),
        (LaunchStatus::Running, 3),
        (LaunchStatus::Parked, 0),
    ] {
        let both = found(LaunchFilter::all().status(status)).await;
        assert!(both.len() == 2 * count && both.iter().all(|record| record.status == status));
        let one = found(LaunchFilter::all().agent("a").status(status)).await;
        assert!(one.len() == count && one.iter().all(|record| record.agent == "a"));
    }
    assert!(found(LaunchFilter::all().agent("c")).await.is_empty());

    // Page by page it is the same, and a page that is not full is the last.
    for max in [1, 3, 7, 19, 20, 21] {
        let (launches, mut paged, mut pages) = (system.launches(LaunchFilter::all()), Vec::new(), 0);
        loop {
            let page = launches.page(paged.last().copied(), max).await.unwrap();
            assert!(page.len() <= max);
            pages += 1;
            paged.extend(page.iter().map(|record| record.id));
            if page.len() < max {
                break;
            }
        }
        assert_eq!((&paged, pages), (&ids, 20 / max + 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_system_without_a_journal_has_no_launches() {
    let system = System::builder().start().await.unwrap();
    let launches = system.launches(LaunchFilter::all());
    assert!(launches.page(None, 10).await.unwrap().is_empty());
    assert_eq!(launches.count().await.unwrap(), 0);
    assert_eq!((launches.requeue().await.unwrap(), launches.discard().await.unwrap()), (0, 0));
}

#[tokio::test(start_paused = true)]
#[should_panic = "a page of no launches"]
async fn a_page_of_none_is_refused() {
    let system = System::builder().start().await.unwrap();
    let _ = system.launches(LaunchFilter::all()).page(None, 0).await;
}
