//! Agents that fan out themselves: a survey of regions, their towns, and the sensors of each town. Every level has a cap of
//! its own; stopping the outermost level stops the sensors.
//!
//! ```sh
//! cargo run --release --example nested
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sortie::{Agent, AgentContext, AgentError, AgentRef, Backoff, Restart, ask};

const MS: Duration = Duration::from_millis(1);

/// Counts what runs, and the most that ran at once.
#[derive(Clone, Default)]
struct Gauge(Arc<(AtomicUsize, AtomicUsize)>);

struct Reading(Gauge);

impl Gauge {
    fn enter(&self) -> Reading {
        let running = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(running, Ordering::SeqCst);
        Reading(self.clone())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Reads one sensor. Every seventh fails at the first attempt.
struct Sensor {
    gauge: Gauge,
    takes: Duration,
}

impl Agent for Sensor {
    type Input = u64;
    type Output = u64;

    fn name(&self) -> &str {
        "sensor"
    }

    async fn run(&self, sensor: u64, cx: AgentContext) -> Result<u64, AgentError> {
        let _reading = self.gauge.enter();
        tokio::time::sleep(self.takes).await;
        if sensor % 7 == 0 && cx.attempt() == 1 { Err("no signal".into()) } else { Ok(sensor % 10) }
    }
}

/// Asks up to ten agents of the level below, and adds up what they say.
struct Level {
    name: &'static str,
    width: u64,
    cap: usize,
    below: AgentRef<u64, u64>,
}

impl Agent for Level {
    type Input = u64;
    type Output = u64;

    fn name(&self) -> &str {
        self.name
    }

    async fn run(&self, place: u64, cx: AgentContext) -> Result<u64, AgentError> {
        let places = (0..self.width).map(move |n| place * 10 + n);
        Ok(cx.foreach(places, &self.below).concurrency(self.cap).all().await?.into_iter().sum())
    }
}

fn survey(gauge: &Gauge, takes: Duration) -> AgentRef<u64, u64> {
    let restart = Restart::attempts(2).backoff(Backoff::fixed(5 * MS));
    let sensor = AgentRef::new(Sensor { gauge: gauge.clone(), takes }).restart(restart);
    let town = AgentRef::new(Level { name: "town", width: 10, cap: 5, below: sensor });
    let region = AgentRef::new(Level { name: "region", width: 6, cap: 3, below: town });
    AgentRef::new(Level { name: "country", width: 4, cap: 2, below: region })
}

#[tokio::main]
async fn main() {
    let gauge = Gauge::default();
    let total = ask(&survey(&gauge, 10 * MS), 1).await;
    let peak = gauge.0.1.load(Ordering::SeqCst);
    match &total {
        Ok(total) => {
            println!("240 sensors of 24 towns of 4 regions say {total}, read {peak} at once (2 × 3 × 5)")
        }
        Err(failure) => println!("{failure:#}"),
    }

    // The same, but the sensors take a minute, and nobody has so much time.
    let failure = ask(&survey(&gauge, 60_000 * MS), 1).deadline(200 * MS).await;
    let running = gauge.0.0.load(Ordering::SeqCst);
    match &failure {
        Ok(total) => println!("a minute went by: {total}"),
        Err(failure) => println!("{failure:#}; sensors still being read: {running}"),
    }
    println!("nested: total={} peak={peak} running={running}", total.unwrap_or_default());
}
