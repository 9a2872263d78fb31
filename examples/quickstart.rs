//! Eight branches under one supervisor: some fail once and recover, one panics and is restarted, one never succeeds,
//! one is stopped by its timeout. Prints what happened as a timeline.
//!
//! ```sh
//! cargo run --release --example quickstart
//! ```

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sortie::{Agent, AgentContext, AgentError, AgentRef, Backoff, Outcome, Restart, Trigger, branches};

const MS: Duration = Duration::from_millis(1);

/// What an attempt of a source does, after how many milliseconds.
#[derive(Clone, Copy)]
enum Act {
    Deliver(u32),
    Fail(u32),
    Panic(u32),
    Hang,
}
use Act::{Deliver, Fail, Hang, Panic};

/// A branch's input: its name, and what its attempts do, one after the other; the last act repeats itself.
type Script = (&'static str, &'static [Act]);

const SOURCES: [Script; 8] = [
    ("weather", &[Deliver(120)]),
    ("news", &[Fail(60), Deliver(120)]),
    ("stocks", &[Deliver(240)]),
    ("calendar", &[Panic(80), Deliver(100)]),
    ("mail", &[Fail(40), Deliver(160)]),
    ("traffic", &[Fail(50)]),
    ("radio", &[Hang]),
    ("sports", &[Deliver(180)]),
];

/// Fetches from a source, and draws what it does.
struct Fetch {
    drawing: Drawing,
}

impl Agent for Fetch {
    type Input = Script;
    type Output = &'static str;

    fn name(&self) -> &str {
        "fetch"
    }

    async fn run(&self, (name, acts): Script, cx: AgentContext) -> Result<&'static str, AgentError> {
        let mut stroke = self.drawing.begin(cx.index());
        match acts[(cx.attempt() as usize - 1).min(acts.len() - 1)] {
            Deliver(after) => tokio::time::sleep(after * MS).await,
            Fail(after) => {
                tokio::time::sleep(after * MS).await;
                stroke.end = 'x';
                return Err("connection reset".into());
            }
            Panic(after) => {
                tokio::time::sleep(after * MS).await;
                stroke.end = '!';
                panic!("{name}: index out of bounds");
            }
            Hang => std::future::pending().await,
        }
        stroke.end = '+';
        Ok(name)
    }
}

#[tokio::main]
async fn main() {
    let drawing = Drawing { start: Instant::now(), strokes: Arc::default() };
    let fetch = AgentRef::new(Fetch { drawing: drawing.clone() });

    let outcomes = branches(SOURCES.map(|script| fetch.branch(script).label(script.0)))
        .timeout(400 * MS)
        .restart(
            Restart::attempts(3)
                .backoff(Backoff::exponential(80 * MS))
                .only([Trigger::Error, Trigger::Panic]),
        )
        .settled()
        .await;

    println!("each column is 20 ms   + delivered   x failed   ! panicked   | stopped\n");
    for ((name, _), (line, outcome)) in SOURCES.iter().zip(drawing.lines().iter().zip(&outcomes)) {
        println!("{name:<9} {line:<24} {}", verdict(outcome));
    }
    let ok = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    println!("\nquickstart: branches={} ok={ok} failed={}", outcomes.len(), outcomes.len() - ok);
}

fn verdict(outcome: &Outcome<&str>) -> String {
    match outcome {
        Ok(_) => "ok".to_owned(),
        Err(failure) => format!("{failure:#}"),
    }
}

/// A branch's index, when its attempt began and ended, and how.
type Line = (usize, Duration, Duration, char);

/// When attempts began and ended, and how, for each branch.
#[derive(Clone)]
struct Drawing {
    start: Instant,
    strokes: Arc<Mutex<Vec<Line>>>,
}

/// One attempt. It ends when it is dropped, whether it has come to its end or was stopped.
struct Stroke {
    drawing: Drawing,
    index: usize,
    began: Duration,
    end: char,
}

impl Drawing {
    fn begin(&self, index: usize) -> Stroke {
        Stroke { drawing: self.clone(), index, began: self.start.elapsed(), end: '|' }
    }

    fn lines(&self) -> [String; SOURCES.len()] {
        let mut lines = [const { String::new() }; SOURCES.len()];
        let mut strokes = self.strokes.lock().map(|strokes| strokes.clone()).unwrap_or_default();
        strokes.sort_by_key(|(_, began, ..)| *began);
        for (index, began, ended, end) in strokes {
            let column = |moment: Duration| moment.as_millis() as usize / 20;
            let line = &mut lines[index];
            line.extend(std::iter::repeat_n(' ', column(began).saturating_sub(line.chars().count())));
            line.extend(std::iter::repeat_n('=', (column(ended) - column(began)).saturating_sub(1)));
            line.push(end);
        }
        lines
    }
}

impl Drop for Stroke {
    fn drop(&mut self) {
        if let Ok(mut strokes) = self.drawing.strokes.lock() {
            strokes.push((self.index, self.began, self.drawing.start.elapsed(), self.end));
        }
    }
}
