//! Why a system did not start.

use std::fmt;

use thiserror::Error;

use crate::journal::JournalError;

/// Why a system did not start: everything that is wrong with how it was built, or the supervisor that did not start.
/// Nothing is running.
#[derive(Debug, Clone, Error)]
pub struct StartError(Vec<Problem>);

#[derive(Debug, Clone, Error)]
pub(super) enum Problem {
    #[error("agent `{0}` is registered twice: give one of them another name")]
    DuplicateAgent(String),
    #[error("an agent without a name is registered: names are how agents are found")]
    NamelessAgent,
    #[error("a supervisor has no name: status and errors name it")]
    NamelessSupervisor,
    #[error("the name of agent `{0}` is longer than 256 bytes: it stands in every record of a launch")]
    LongName(String),
    #[error("the name of agent {0:?} contains a control character: it is printed in logs and errors")]
    ControlCharacter(String),
    #[error(
        "agent `{0}` is to run at most once, and its restart policy allows {1} attempts: \
         register it without the policy, or without `at_most_once`"
    )]
    RestartsAtMostOnce(String, u32),
    #[error("launches of agent `{0}` are to run under supervisors `{1}` and `{2}`: give it to one of them")]
    TwoSupervisors(String, String, String),
    #[error(
        "something is said of launches of agent `{0}`, which is not registered: register it with the builder"
    )]
    UnknownAgent(String),
    #[error("agent `{0}` is given two hooks for its ambiguous launches: one of them decides")]
    TwoHooks(String),
    #[error("agent `{agent}` has the alias `{alias}`, {wrong}")]
    BadAlias { alias: String, agent: String, wrong: &'static str },
    #[error(
        "the runtime has no timer, which launches and resident actors need: enable it with `enable_time` or \
         `enable_all` where the runtime is built"
    )]
    NoTimer,
    #[error("{0:#}")]
    Journal(JournalError),
    #[error("{0}")]
    Supervisor(String),
}

impl StartError {
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        Self(problems)
    }

    /// What is wrong with the journal, if that is why.
    pub fn journal(&self) -> Option<&JournalError> {
        self.0.iter().find_map(|problem| match problem {
            Problem::Journal(error) => Some(error),
            _ => None,
        })
    }

    /// Each problem, in words.
    pub fn problems(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(Problem::to_string)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the system did not start")?;
        for (position, problem) in self.0.iter().enumerate() {
            write!(f, "{} {problem}", if position == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}
