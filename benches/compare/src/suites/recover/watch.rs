//! What a process that goes on shows of itself.
//!
//! Every subject's process notes it with this source file, effectum's included.

use std::time::Instant;

/// When it came how far, and how much memory it had.
pub struct Watch {
    start: Instant,
    opened: Instant,
    ready: Instant,
    memory: [f64; 2],
}

impl Watch {
    /// The process begins its work.
    pub fn start() -> Self {
        let start = Instant::now();
        Self { start, opened: start, ready: start, memory: [f64::NAN; 2] }
    }

    /// The journal or queue is open.
    pub fn opened(&mut self) {
        self.opened = Instant::now();
    }

    /// Everything has been started. `memory` then gives the MiB that are resident, and the peak.
    pub fn ready(&mut self, memory: fn() -> [f64; 2]) {
        self.ready = Instant::now();
        self.memory = memory();
    }

    /// Milliseconds until it was open, until it was ready, to the first and to the last body, and the MiB.
    ///
    /// `bodies` is when bodies began. If there are fewer of them than `n`, the last one is not known: it is not a number.
    pub fn figures(self, bodies: &[Instant], n: usize) -> Vec<f64> {
        let since = |moment: Instant| (moment - self.start).as_secs_f64() * 1e3;
        let first = bodies.iter().min().map_or(f64::NAN, |first| since(*first));
        let last = bodies.iter().max().filter(|_| bodies.len() >= n).map_or(f64::NAN, |last| since(*last));
        let [resident, peak] = self.memory;
        vec![since(self.opened), since(self.ready), first, last, resident, peak]
    }
}
