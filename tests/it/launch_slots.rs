//! The slots of launches: however an attempt waits for others, its slot is lent once and had back before its code goes
//! on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::{BoxFuture, Either, join_all, select};
use futures::stream::{FuturesUnordered, StreamExt};
use sortie::{
    AgentContext, AgentError, AgentRef, Builder, MemoryJournal, System, Ticket, agent_fn, blocking,
};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{Gauge, MS, SECOND, eventually, threads};

type Results = BoxFuture<'static, Result<u32, AgentError>>;
/// A way in which a blocking parent waits for its child.
type BlockingWait = fn(&Ticket<u32>) -> BoxFuture<'_, Result<u32, AgentError>>;
/// A way in which a parent waits for its children.
type Way = fn(AgentContext, Vec<Ticket<u32>>) -> Results;

async fn value(ticket: &Ticket<u32>) -> Result<u32, AgentError> {
    Ok(ticket.result().await??)
}

/// Every way of waiting to the end that the API allows.
const WAYS: [(&str, Way); 12] = [
    ("one after the other", |_, tickets| {
        Box::pin(async move {
            let mut sum = 0;
            for ticket in &tickets {
                sum += value(ticket).await?;
            }
            Ok(sum)
        })
    }),
    ("join_all", |_, tickets| {
        Box::pin(async move { join_all(tickets.iter().map(value)).await.into_iter().sum() })
    }),
    ("try_join", |_, tickets| {
        Box::pin(async move {
            let (one, rest) = tickets.split_first().ok_or("no child")?;
            let rest = async { join_all(rest.iter().map(value)).await.into_iter().sum::<Result<u32, _>>() };
            let (one, rest) = tokio::try_join!(value(one), rest)?;
            Ok(one + rest)
        })
    }),
    ("select, and then the others", |_, tickets| {
        Box::pin(async move {
            let mut open: FuturesUnordered<_> = tickets.iter().map(value).collect();
            let mut sum = 0;
            while let Some(value) = open.next().await {
                sum += value?;
                tokio::task::yield_now().await;
            }
            Ok(sum)
        })
    }),
    ("select, where the loser is dropped and asked again", |_, tickets| {
        Box::pin(async move {
            let mut sum = 0;
            for two in tickets.chunks(2) {
                let [one, other] = two else {
                    sum += value(&two[0]).await?;
                    continue;
                };
                let first = select(Box::pin(value(one)), Box::pin(value(other))).await;
                let (first, left) = match first {
                    Either::Left((first, _)) => (first?, other),
                    Either::Right((first, _)) => (first?, one),
                };
                sum += first + value(left).await?;
            }
            Ok(sum)
        })
    }),
    ("a nested fan-out", |cx, tickets| {
        Box::pin(async move {
            let wait = agent_fn(|ticket: Ticket<u32>, _| async move { value(&ticket).await });
            Ok(cx.foreach(tickets, wait).all().await?.into_iter().sum())
        })
    }),
    ("a fan-out that is nested by itself", |_, tickets| {
        Box::pin(async move {
            let wait = agent_fn(|ticket: Ticket<u32>, _| async move { value(&ticket).await });
            Ok(sortie::foreach(tickets, wait).concurrency(3).all().await?.into_iter().sum())
        })
    }),
    ("an ask within an ask", |cx, tickets| {
        Box::pin(async move {
            let wait = AgentRef::new(agent_fn(|tickets: Vec<Ticket<u32>>, cx: AgentContext| async move {
                let wait = AgentRef::new(agent_fn(|tickets: Vec<Ticket<u32>>, _| async move {
                    join_all(tickets.iter().map(value)).await.into_iter().sum()
                }));
                Ok(cx.ask(&wait, tickets).await?)
            }));
            Ok(cx.ask(&wait, tickets).await?)
        })
    }),
    ("spawned tasks", |_, tickets| {
        Box::pin(async move {
            let tasks = tickets.into_iter().map(|ticket| tokio::spawn(async move { value(&ticket).await }));
            let mut sum = 0;
            for task in tasks.collect::<Vec<_>>() {
                sum += task.await.map_err(|_| "a task has failed")??;
            }
            Ok(sum)
        })
    }),
    ("a short limit, again and again", |_, tickets| {
        Box::pin(async move {
            let mut sum = 0;
            for ticket in &tickets {
                sum += loop {
                    match ticket.result_within(3 * MS).await {
                        Ok(value) => break value?,
                        Err(sortie::TicketError::TimedOut { .. }) => {}
                        Err(error) => return Err(error.into()),
                    }
                };
            }
            Ok(sum)
        })
    }),
    ("a limit from outside, again and again", |_, tickets| {
        Box::pin(async move {
            let mut sum = 0;
            for ticket in &tickets {
                sum += loop {
                    if let Ok(value) = timeout(3 * MS, value(ticket)).await {
                        break value?;
                    }
                };
            }
            Ok(sum)
        })
    }),
    ("a stream of completed branches", |cx, tickets| {
        Box::pin(async move {
            let wait = agent_fn(|ticket: Ticket<u32>, _| async move { value(&ticket).await });
            let mut completed = cx.foreach(tickets, wait).stream();
            let mut sum = 0;
            while let Some(branch) = completed.next().await {
                sum += branch.outcome?;
            }
            Ok(sum)
        })
    }),
];

fn builder(concurrency: usize) -> Builder {
    let mut builder = System::builder().journal(MemoryJournal::new());
    builder.launch_concurrency(concurrency);
    builder
}

/// Takes 10 ms, of which it computes at the beginning and at the end.
fn child(builder: &mut Builder) -> AgentRef<u32, u32> {
    let agent = agent_fn(move |n: u32, _| async move {
        sleep(10 * MS).await;
        Ok(n)
    });
    builder.register(agent.named("child"))
}

/// Launches two children and waits for them.
fn parent(builder: &mut Builder, child: &AgentRef<u32, u32>, way: Way) -> AgentRef<u32, u32> {
    let child = child.clone();
    let agent = agent_fn(move |n: u32, cx: AgentContext| {
        let child = child.clone();
        async move {
            let mut tickets = Vec::new();
            for one in 0..2 {
                tickets.push(cx.launch(&child, 10 * n + one).await?);
            }
            way(cx, tickets).await
        }
    });
    builder.register(agent.named("parent"))
}

#[tokio::test(start_paused = true)]
async fn at_one_slot_a_parent_may_wait_for_two_children_in_every_way() {
    for (name, way) in WAYS {
        let mut builder = builder(1);
        let child = child(&mut builder);
        let parent = parent(&mut builder, &child, way);
        let system = builder.start().await.unwrap();
        let ticket = system.launch(&parent, 7).await.unwrap();
        let ended = timeout(60 * SECOND, ticket.result()).await;
        assert_eq!(
            ended.unwrap_or_else(|_| panic!("{name}: {}", system.status())).unwrap().unwrap(),
            141,
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn at_the_limit_of_its_agent_a_parent_may_wait_for_two_children_in_every_way() {
    for (name, way) in WAYS {
        let mut builder = builder(64);
        let child = child(&mut builder);
        let parent = parent(&mut builder, &child, way);
        builder.launch_concurrency_of(&parent, 3);
        let system = builder.start().await.unwrap();
        let tickets = system.launch_many((0..20).map(|n| system.launch(&parent, n))).await;
        for (n, ticket) in tickets.into_iter().enumerate() {
            let ended = timeout(60 * SECOND, ticket.unwrap().result()).await;
            let ended = ended.unwrap_or_else(|_| panic!("{name}: {}", system.status()));
            assert_eq!(ended.unwrap().unwrap(), 20 * n as u32 + 1, "{name}");
        }
        // The slot of the last one is free a moment after its outcome is told.
        let idle = |slots: &sortie::SlotStatus| (slots.held, slots.waiting, slots.returning) == (0, 0, 0);
        let is_idle = || {
            let status = system.status();
            let launches = status.supervisor("main").unwrap().launches.as_ref().unwrap();
            idle(&launches.slots) && launches.agents.iter().all(|(_, slots)| idle(slots))
        };
        eventually("every slot is free", is_idle).await;
    }
}

#[test]
fn a_blocking_parent_lends_its_slot_while_it_blocks_on_a_child() {
    let runtime = threads(2);
    let waits: [BlockingWait; 3] = [
        |ticket| Box::pin(value(ticket)),
        |ticket| {
            Box::pin(async move {
                loop {
                    if let Ok(value) = timeout(MS, value(ticket)).await {
                        return value;
                    }
                }
            })
        },
        |ticket| {
            Box::pin(async move {
                let wait = agent_fn(|ticket: Ticket<u32>, _| async move { value(&ticket).await });
                Ok(sortie::foreach([ticket.clone()], wait).all().await?[0])
            })
        },
    ];
    for wait in waits {
        runtime.block_on(async {
            let mut builder = builder(1);
            let gauge = Gauge::default();
            let child = {
                let gauge = gauge.clone();
                let agent = agent_fn(move |n: u32, _| {
                    let body = gauge.enter();
                    async move {
                        sleep(5 * MS).await;
                        drop(body);
                        Ok(n)
                    }
                });
                builder.register(agent.named("child"))
            };
            let parent = {
                let (child, gauge) = (child.clone(), gauge.clone());
                let agent = blocking(move |n: u32, cx: AgentContext| {
                    let runtime = tokio::runtime::Handle::current();
                    let body = gauge.enter();
                    let ticket = runtime.block_on(cx.launch(&child, n).into_future())?;
                    drop(body);
                    let value = runtime.block_on(wait(&ticket))?;
                    let _body = gauge.enter();
                    std::thread::sleep(MS);
                    Ok(value)
                });
                builder.register(agent.named("parent"))
            };
            let system = builder.start().await.unwrap();
            let tickets = system.launch_many((0..5).map(|n| system.launch(&parent, n))).await;
            for ticket in tickets {
                let ended = timeout(30 * SECOND, ticket.unwrap().result()).await;
                ended.unwrap_or_else(|_| panic!("{}", system.status())).unwrap().unwrap();
            }
            assert_eq!(gauge.peak(), 1);
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_given_up_does_not_exceed_the_limit_of_its_agent() {
    for (slots, limit) in [(64, 1), (64, 3), (3, 2)] {
        let mut builder = builder(slots);
        let child = child(&mut builder);
        let gauge = Gauge::default();
        let parent = {
            let (child, gauge) = (child.clone(), gauge.clone());
            let agent = agent_fn(move |n: u32, cx: AgentContext| {
                let (child, gauge) = (child.clone(), gauge.clone());
                async move {
                    let ticket = cx.launch(&child, n).await?;
                    for wait in 0..5 {
                        // Some of them end in order, some are given up.
                        let late = timeout((wait + 1) * 3 * MS, ticket.result()).await.is_err();
                        let body = gauge.enter();
                        sleep(if late { 2 * MS } else { MS }).await;
                        drop(body);
                    }
                    Ok(n)
                }
            });
            builder.register(agent.named("parent"))
        };
        builder.launch_concurrency_of(&parent, limit);
        let system = builder.start().await.unwrap();
        let tickets = system.launch_many((0..30).map(|n| system.launch(&parent, n))).await;
        for ticket in tickets {
            ticket.unwrap().result_within(600 * SECOND).await.unwrap().unwrap();
        }
        assert!(gauge.peak() <= limit, "{} of {limit}", gauge.peak());
    }
}

#[tokio::test(start_paused = true)]
async fn a_spawned_task_whose_wait_is_the_only_one_goes_on_with_the_slot() {
    for limit in [MS, 600 * SECOND] {
        let mut builder = builder(2);
        let child = child(&mut builder);
        let gauge = Gauge::default();
        let parent = {
            let (child, gauge) = (child.clone(), gauge.clone());
            let agent = agent_fn(move |n: u32, cx: AgentContext| {
                let (child, gauge) = (child.clone(), gauge.clone());
                async move {
                    let ticket = cx.launch(&child, n).await?;
                    let task = tokio::spawn(async move {
                        let ended = ticket.result_within(limit).await;
                        let _body = gauge.enter();
                        sleep(3 * MS).await;
                        ended.is_ok()
                    });
                    Ok(u32::from(task.await.map_err(|_| "a task has failed")?))
                }
            });
            builder.register(agent.named("parent"))
        };
        let system = builder.start().await.unwrap();
        let tickets = system.launch_many((0..20).map(|n| system.launch(&parent, n))).await;
        for ticket in tickets {
            let in_time = ticket.unwrap().result_within(600 * SECOND).await.unwrap().unwrap();
            assert_eq!(in_time == 1, limit > SECOND);
        }
        assert!(gauge.peak() <= 2, "{}", gauge.peak());
    }
}

#[tokio::test(start_paused = true)]
async fn any_number_of_parents_may_wait_beside_work_that_has_nothing_to_do_with_them() {
    for parents in [1_100, 3_000] {
        let mut builder = builder(4);
        let child = child(&mut builder);
        let other = builder.register(agent_fn(|n: u32, _| async move { Ok(n) }).named("other"));
        let parent = {
            let child = child.clone();
            let agent = agent_fn(move |n: u32, cx: AgentContext| {
                let child = child.clone();
                async move {
                    let ticket = cx.launch(&child, n).delay(600 * SECOND).await?;
                    value(&ticket).await
                }
            });
            builder.register(agent.named("parent"))
        };
        let system = builder.start().await.unwrap();
        let waiting = system.launch_many((0..parents).map(|n| system.launch(&parent, n))).await;
        let count = || system.status().supervisor("main").unwrap().launches.as_ref().unwrap().slots.waiting;
        eventually("all parents wait", || count() == parents as usize).await;
        let unrelated = system.launch_many((0..100).map(|n| system.launch(&other, n))).await;
        for ticket in unrelated {
            ticket.unwrap().result_within(SECOND).await.unwrap().unwrap();
        }
        for (n, ticket) in waiting.into_iter().enumerate() {
            assert_eq!(ticket.unwrap().result_within(3600 * SECOND).await.unwrap().unwrap(), n as u32);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_costs_nothing_that_is_not_used() {
    let mut at_64 = Duration::MAX;
    for limit in [64, 10_000_000, u32::MAX as usize, usize::MAX / 2, usize::MAX - 1, usize::MAX] {
        let mut builder = builder(limit);
        let gauge = Gauge::default();
        let agent = {
            let gauge = gauge.clone();
            let agent = agent_fn(move |n: u32, _| {
                let gauge = gauge.clone();
                async move {
                    let _body = gauge.enter();
                    sleep(MS).await;
                    Ok(n)
                }
            });
            builder.register(agent.named("agent"))
        };
        let other = builder.register(agent_fn(|n: u32, _| async move { Ok(n) }).named("other"));
        builder.launch_concurrency_of(&agent, limit);
        builder.supervisor("more").launches_of(&other).launch_concurrency(limit);
        let began = std::time::Instant::now();
        let system = builder.start().await.unwrap();
        for n in 0..20 {
            system.launch(&agent, n).await.unwrap().result_within(SECOND).await.unwrap().unwrap();
            system.launch(&other, n).await.unwrap().result_within(SECOND).await.unwrap().unwrap();
        }
        // Ten million permits that are collected take a third of a second for each of these launches.
        at_64 = at_64.min(began.elapsed());
        assert!(began.elapsed() < 10 * at_64 + 3 * SECOND, "{limit}: {:?}, {at_64:?}", began.elapsed());
        let tickets = system.launch_many((0..600).map(|n| system.launch(&agent, 100 + n))).await;
        for ticket in tickets {
            ticket.unwrap().result_within(60 * SECOND).await.unwrap().unwrap();
        }
        assert!(
            if limit == 64 { gauge.peak() <= 64 } else { gauge.peak() > 64 },
            "{limit}: {}",
            gauge.peak()
        );
        let status = system.status();
        let slots = status.supervisor("more").unwrap().launches.as_ref().unwrap().slots;
        assert_eq!(slots.limit, Some(limit).filter(|limit| *limit < usize::MAX));
    }
}

#[tokio::test(start_paused = true)]
async fn the_status_shows_held_lent_and_stalled_slots() {
    let mut builder = builder(2);
    let child = child(&mut builder);
    let hang = builder
        .register(agent_fn(|_: u32, _| std::future::pending::<Result<u32, AgentError>>()).named("hang"));
    let parent = {
        let child = child.clone();
        let agent = agent_fn(move |n: u32, cx: AgentContext| {
            let child = child.clone();
            async move { value(&cx.launch(&child, n).delay(3600 * SECOND).await?).await }
        });
        builder.register(agent.named("parent"))
    };
    builder.launch_concurrency_of(&parent, 1);
    let system = builder.start().await.unwrap();
    let launches = || system.status().supervisor("main").unwrap().launches.clone().unwrap();
    assert_eq!((launches().slots.limit, launches().slots.held, launches().stalled), (Some(2), 0, None));
    let parents = system.launch_many((0..3).map(|n| system.launch(&parent, n))).await;
    eventually("three wait", || launches().slots.waiting == 3).await;
    assert_eq!((launches().slots.held, launches().agents[0].1.waiting), (0, 3));
    let _hanging = system.launch_many((0..3).map(|n| system.launch(&hang, n))).await;
    eventually("two hang", || launches().slots.held == 2).await;
    let began = Instant::now();
    sleep(90 * SECOND).await;
    let stalled = launches().stalled.unwrap();
    assert!(stalled >= began.elapsed() && stalled < began.elapsed() + SECOND, "{stalled:?}");
    let text = system.status().to_string();
    assert!(text.contains("launches: 2 of 2 slots held waiting=3 returning=0 stalled=1m 30s"), "{text}");
    assert!(text.contains("agent \"parent\": 0 of 1 slots held waiting=3 returning=0"), "{text}");
    // The children are due, and find no slot.
    sleep(3600 * SECOND).await;
    assert!(parents[0].as_ref().unwrap().try_result().await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_cannot_end_is_counted_while_it_lasts() {
    let mut builder = builder(8);
    let others = Arc::new(Mutex::new(HashMap::<u32, Ticket<u32>>::new()));
    let waits = {
        let others = Arc::clone(&others);
        // Waits for the launch that its input names.
        let agent = agent_fn(move |other: u32, _| {
            let others = Arc::clone(&others);
            async move {
                let ticket = loop {
                    if let Some(ticket) = others.lock().unwrap().get(&other).cloned() {
                        break ticket;
                    }
                    sleep(MS).await;
                };
                Ok(ticket.result_within(3600 * SECOND).await.map_err(AgentError::fatal)?.unwrap_or(99))
            }
        });
        builder.register(agent.named("waits"))
    };
    let system = builder.start().await.unwrap();
    let unending = || system.status().supervisor("main").unwrap().launches.as_ref().unwrap().unending_waits;
    // 0 waits for itself, 1, 2 and 3 for each other, 4 for 5, which waits for 0.
    for (name, other) in [(0, 0), (1, 2), (2, 3), (3, 1), (4, 5), (5, 0)] {
        let ticket = system.launch(&waits, other).key(name).await.unwrap();
        others.lock().unwrap().insert(name, ticket);
    }
    eventually("both are found", || unending() == 2).await;
    assert!(system.status().to_string().contains("unending_waits=2"));
    sleep(3601 * SECOND).await;
    assert_eq!(unending(), 0);
    assert_eq!(system.status().supervisor("main").unwrap().launches.as_ref().unwrap().slots.held, 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_launch_behind_its_own_in_the_lane_is_counted() {
    let mut builder = builder(8);
    let child = child(&mut builder);
    let parent = {
        let child = child.clone();
        let agent = agent_fn(move |n: u32, cx: AgentContext| {
            let child = child.clone();
            async move {
                let ticket = cx.launch(&child, n).lane("lane").await?;
                let late = ticket.result_within(Duration::from_secs(100)).await.is_err();
                Ok(u32::from(late))
            }
        });
        builder.register(agent.named("parent"))
    };
    let system = builder.start().await.unwrap();
    let unending = || system.status().supervisor("main").unwrap().launches.as_ref().unwrap().unending_waits;
    let ticket = system.launch(&parent, 1).lane("lane").await.unwrap();
    eventually("it is found", || unending() == 1).await;
    assert_eq!(ticket.result().await.unwrap().unwrap(), 1);
    assert_eq!(unending(), 0);
    // In another lane it ends.
    let ticket = system.launch(&parent, 2).lane("other").await.unwrap();
    assert_eq!((ticket.result().await.unwrap().unwrap(), unending()), (0, 0));
}
