//! The labels that an attempt has given to its launches.

use std::collections::HashMap;
use std::sync::Mutex;

use super::AgentContext;
use crate::outcome::digest;
use crate::sync::lock;

/// Which input each label of an attempt names. Labels of different agents have nothing to do with each other.
#[derive(Debug, Default)]
pub(super) struct Labels(Mutex<HashMap<u128, u128>>);

impl Labels {
    /// Has the label name this input; `false` if it names another one.
    fn name(&self, agent: &str, label: &str, input: u128) -> bool {
        // A name of an agent may hold anything, so its length stands before it.
        let length = agent.len().to_be_bytes();
        let name = digest::of(&[length.as_slice(), agent.as_bytes(), label.as_bytes()].concat());
        *lock(&self.0).entry(name).or_insert(input) == input
    }
}

impl AgentContext {
    /// Has a label name the launch of this agent with this input, by its digest, as long as the attempt goes on. `false` if the
    /// attempt has given it to a launch with another input before.
    pub(crate) fn name_launch(&self, agent: &str, label: &str, input: u128) -> bool {
        self.labels().name(agent, label, input)
    }
}
