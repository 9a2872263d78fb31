//! The work that is launched: its input follows from its key, and its output from its input.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sortie::{AgentContext, AgentRef, Backoff, Restart, agent_fn};

use super::log::{Fact, Log};

/// What all the inputs follow from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inputs {
    pub(super) seed: u64,
    pub(super) payload: usize,
}

/// The output of a launch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Answer {
    /// The digest of the input as the agent had it.
    input: u64,
    /// So that a launch which runs again, though it was done, has another output.
    attempt: u32,
    ballast: String,
}

/// How an attempt goes.
enum Fate {
    /// The first attempt fails, in a way that lets it be tried again.
    FailsOnce,
    /// It takes a while.
    Slow(Duration),
    /// Its output is as long as its input.
    LongAnswer,
    Plain,
}

impl Inputs {
    /// The input under a key: the key, and then bytes that do not repeat.
    pub(super) fn of(self, key: u64) -> String {
        let mut random = fastrand::Rng::with_seed(digest(&(self.seed, key)));
        let mut text = format!("{key} ");
        while text.len() < self.payload {
            text.push_str(&format!("{:016x}", random.u64(..)));
        }
        text.truncate(self.payload.max(text.find(' ').unwrap_or_default() + 1));
        text
    }

    /// Another input for the same key.
    pub(super) fn other(self, key: u64) -> String {
        self.of(key) + "!"
    }

    /// Whether an answer is the one to the input under a key.
    pub(super) fn is_answer(self, answer: &Answer, key: u64) -> bool {
        let long = matches!(fate(key), Fate::LongAnswer);
        let input = self.of(key);
        answer.input == digest(&input) && answer.ballast == if long { input } else { String::new() }
    }
}

impl Answer {
    pub(super) fn digest(&self) -> u64 {
        digest(&(self.input, self.attempt, &self.ballast))
    }
}

fn digest(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new(); // the same in every process of one program
    value.hash(&mut hasher);
    hasher.finish()
}

fn fate(key: u64) -> Fate {
    match digest(&key) % 16 {
        0 => Fate::FailsOnce,
        1 => Fate::Slow(Duration::from_millis(5 + digest(&(key, "slow")) % 20)),
        2 => Fate::LongAnswer,
        _ => Fate::Plain,
    }
}

/// The agent. It writes down each body before it does anything else.
pub(super) fn agent(log: Arc<Log>) -> AgentRef<String, Answer> {
    let agent = agent_fn(move |input: String, cx: AgentContext| {
        let log = Arc::clone(&log);
        async move {
            let key = input.split(' ').next().unwrap_or_default().parse()?;
            let (id, attempt) = (cx.launch_id().ok_or("it was not launched")?, cx.attempt());
            log.say(&Fact::Begun { key, id: id.to_string(), attempt })?;
            let fate = fate(key);
            match fate {
                Fate::FailsOnce if attempt == 1 => return Err("as it was to be".into()),
                Fate::Slow(time) => tokio::time::sleep(time).await,
                _ => {}
            }
            let digest = digest(&input);
            let ballast = if matches!(fate, Fate::LongAnswer) { input } else { String::new() };
            Ok(Answer { input: digest, attempt, ballast })
        }
    });
    let restart = Restart::attempts(5).backoff(Backoff::fixed(Duration::from_millis(5)));
    AgentRef::new(agent.named("work")).restart(restart)
}
