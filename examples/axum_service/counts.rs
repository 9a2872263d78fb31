//! How many requests there were, and what became of them.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::answer::{Answer, Verdict};

/// Counts the requests that ask agents. Those that are neither ok, refused nor cut short have failed, or their clients
/// went away.
#[derive(Default)]
pub struct Counts {
    requests: AtomicUsize,
    ok: AtomicUsize,
    refused: AtomicUsize,
    cut_short: AtomicUsize,
}

impl Counts {
    pub fn begin(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    pub fn end(&self, answer: Answer) -> Answer {
        match answer.verdict {
            Verdict::Ok => self.ok.fetch_add(1, Relaxed),
            Verdict::Refused => self.refused.fetch_add(1, Relaxed),
            Verdict::CutShort => self.cut_short.fetch_add(1, Relaxed),
            Verdict::Failed => 0,
        };
        answer
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, ok, refused, cut_short } = self;
        let [requests, ok, refused, cut_short] =
            [requests, ok, refused, cut_short].map(|count| count.load(Relaxed));
        write!(f, "requests={requests} ok={ok} refused={refused} cut_short={cut_short}")
    }
}
