//! Measurements that need a process of their own: this program starts itself again for each.

use std::env;
use std::process::{Command, Stdio};

/// What tells the new process that it is one. It is for this program alone, so the help does not show it.
pub const OPTION: &str = "--probe";

/// Has the probe of this suite measure in a new process, and gives the one figure that it found.
///
/// Panics if it fails: it has said why.
pub fn ask(suite: &str, words: &[&str]) -> f64 {
    let figures = figures(command(suite, words));
    let [figure] = figures[..] else { panic!("the probe of {suite} gave {figures:?} for {words:?}") };
    figure
}

/// The probe of this suite as a process that is still to be started.
pub fn command(suite: &str, words: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().expect("the system knows which program this is"));
    command.args([OPTION, suite]).args(words);
    command
}

/// What a process finds that measures; it prints its figures in a line.
///
/// Panics if it fails: it has said why.
pub fn figures(mut command: Command) -> Vec<f64> {
    let answer = command.stderr(Stdio::inherit()).output().expect("one more process can be started");
    assert!(answer.status.success(), "{command:?} failed");
    let answer = String::from_utf8(answer.stdout).expect("a figure is text");
    answer.split_whitespace().map(|figure| figure.parse().expect("a probe prints figures")).collect()
}
