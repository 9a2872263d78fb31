//! The forms of a fan-out with sortie.

use sortie::{Outcome, Recorder, foreach};

use crate::suites::contest::attempt::{CAP, LIMIT, agent};

/// As the first example of the crate has it.
pub async fn fan_out(n: usize) -> Vec<Outcome<usize>> {
    foreach(0..n, agent).concurrency(CAP).timeout(LIMIT).settled().await
}

/// With a recorder, which keeps when each attempt began and ended; its own end counts too.
pub async fn fan_out_recorded(n: usize) -> Vec<Outcome<usize>> {
    let recorder = Recorder::default();
    foreach(0..n, agent).concurrency(CAP).timeout(LIMIT).record(&recorder).settled().await
}

/// With a new actor for each item.
pub async fn fan_out_fresh(n: usize) -> Vec<Outcome<usize>> {
    foreach(0..n, agent).concurrency(CAP).timeout(LIMIT).fresh_children().settled().await
}
