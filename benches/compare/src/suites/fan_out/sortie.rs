//! The two forms of a fan-out with sortie.

use sortie::{Outcome, foreach};

use crate::suites::contest::attempt::{CAP, LIMIT, agent};

/// As the first example of the crate has it.
pub async fn fan_out(n: usize) -> Vec<Outcome<usize>> {
    foreach(0..n, agent).concurrency(CAP).timeout(LIMIT).settled().await
}

/// With a new actor for each item.
pub async fn fan_out_fresh(n: usize) -> Vec<Outcome<usize>> {
    foreach(0..n, agent).concurrency(CAP).timeout(LIMIT).fresh_children().settled().await
}
