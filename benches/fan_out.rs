//! Our own paths, for regressions: what a run, a call and an attempt cost. Peers are in `benches/compare`.
#![expect(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sortie::{
    AgentContext, AgentRef, Backoff, Recorder, Restart, agent_fn, ask, branches, foreach, foreach_stream,
};
use tokio::runtime::{Builder, Runtime};

const LIMIT: Duration = Duration::from_secs(30);

fn runtime(threads: usize) -> Option<Runtime> {
    Builder::new_multi_thread().worker_threads(threads).enable_all().build().ok()
}

async fn echo(n: usize) -> Result<usize, std::convert::Infallible> {
    Ok(n)
}

/// The cost of an item, at several widths and on one and two threads.
fn items(c: &mut Criterion) {
    for threads in [1, 2] {
        let Some(runtime) = runtime(threads) else { continue };
        let mut group = c.benchmark_group(format!("foreach/{threads}-threads"));
        for n in [1, 100, 10_000] {
            group.throughput(Throughput::Elements(n as u64));
            group.bench_with_input(BenchmarkId::from_parameter(n), &n, |bencher, &n| {
                bencher.to_async(&runtime).iter(|| foreach(0..n, echo).timeout(LIMIT).settled());
            });
        }
        group.finish();
    }
}

/// The same items under every option that may cost something.
fn options(c: &mut Criterion) {
    const N: usize = 1000;
    let Some(runtime) = runtime(1) else { return };
    let mut group = c.benchmark_group("options/1000-items");
    group.throughput(Throughput::Elements(N as u64));
    let plain = || foreach(0..N, echo);
    group.bench_function("none", |b| b.to_async(&runtime).iter(|| plain().settled()));
    group.bench_function("all", |b| b.to_async(&runtime).iter(|| plain().all()));
    group.bench_function("restart", |b| {
        b.to_async(&runtime).iter(|| plain().restart(Restart::attempts(3)).settled());
    });
    group.bench_function("deadline", |b| b.to_async(&runtime).iter(|| plain().deadline(LIMIT).settled()));
    group.bench_function("queue-timeout", |b| {
        b.to_async(&runtime).iter(|| plain().queue_timeout(LIMIT).settled());
    });
    group.bench_function("recorded", |b| {
        b.to_async(&runtime).iter(|| plain().record(&Recorder::default()).settled());
    });
    group.bench_function("keyed", |b| {
        b.to_async(&runtime).iter_batched(
            || plain().keyed(|n| *n),
            |keyed| async { black_box(keyed.map(sortie::FanOut::settled)).map(drop).is_ok() },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("from-a-stream", |b| {
        b.to_async(&runtime).iter(|| foreach_stream(futures::stream::iter(0..N), echo).settled());
    });
    group.bench_function("fresh-children", |b| {
        b.to_async(&runtime).iter(|| plain().fresh_children().settled())
    });
    group.finish();
}

/// Attempts that wait, fail and panic.
fn attempts(c: &mut Criterion) {
    const N: usize = 1000;
    let Some(runtime) = runtime(2) else { return };
    let mut group = c.benchmark_group("attempts/1000-items");
    group.throughput(Throughput::Elements(N as u64));
    let yielding = AgentRef::new(agent_fn(|n: usize, _| async move {
        tokio::task::yield_now().await;
        Ok(n)
    }));
    group.bench_function("yielding", |b| {
        b.to_async(&runtime).iter(|| foreach(0..N, &yielding).timeout(LIMIT).settled());
    });
    let healing = AgentRef::new(agent_fn(|n: usize, cx: AgentContext| async move {
        if n % 10 == 0 && cx.attempt() == 1 { Err("once".into()) } else { Ok(n) }
    }));
    let restart = Restart::attempts(2).backoff(Backoff::none());
    group.bench_function("a-tenth-fails-once", |b| {
        b.to_async(&runtime).iter(|| foreach(0..N, &healing).restart(restart.clone()).settled());
    });
    group.finish();
}

/// Small sets: what a call costs from start to end, actors included.
fn calls(c: &mut Criterion) {
    let Some(runtime) = runtime(2) else { return };
    let agent = AgentRef::new(agent_fn(|n: usize, _| async move { Ok(n) }));
    let mut group = c.benchmark_group("calls");
    group.bench_function("ask", |b| b.to_async(&runtime).iter(|| async { ask(&agent, 1).await.is_ok() }));
    group.bench_function("tuple-of-3", |b| {
        b.to_async(&runtime).iter(|| branches((agent.branch(1), agent.branch(2), agent.branch(3))).all());
    });
    group.finish();
}

criterion_group!(benches, items, options, attempts, calls);
criterion_main!(benches);
