//! Measurements that need a process of their own: this program starts itself again for each.

use std::env;
use std::process::{Command, Stdio};

/// What tells the new process that it is one. It is for this program alone, so the help does not show it.
pub const OPTION: &str = "--probe";

/// Has the probe of this suite measure in a new process, and gives what it found.
///
/// Panics if it fails: it has said why.
pub fn ask(suite: &str, words: &[&str]) -> f64 {
    let program = env::current_exe().expect("the system knows which program this is");
    let answer = Command::new(program)
        .args([OPTION, suite])
        .args(words)
        .stderr(Stdio::inherit())
        .output()
        .expect("this program can be started once more");
    assert!(answer.status.success(), "the probe of {suite} failed for {words:?}");
    let answer = String::from_utf8(answer.stdout).expect("a figure is text");
    answer.trim().parse().expect("a probe prints a figure")
}
