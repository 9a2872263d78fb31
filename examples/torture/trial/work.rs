//! The work that is launched: its input and how long it is kept follow from its key, and its output from its input.

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
    /// Its output is its input, so many times.
    LongAnswer(usize),
    Plain,
}

/// How often an input stands in the longest outputs. Where inputs are long, removing one of these takes several commits.
const REPEATED: usize = 5;
/// What a trial does not go beyond by repeating, in bytes.
const LONGEST: usize = 1 << 20;

/// How long the launch under a key is kept, if it is not kept for longer than any trial takes.
pub(super) fn retention(key: u64) -> Option<Duration> {
    match digest(&(key, "kept")) % 4 {
        0 => None,
        1 => Some(Duration::from_millis(200)),
        _ => Some(Duration::ZERO),
    }
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
        let input = self.of(key);
        answer.input == digest(&input) && answer.ballast == fate(key).ballast(&input)
    }
}

impl Fate {
    fn ballast(&self, input: &str) -> String {
        match self {
            Self::LongAnswer(times) if input.len() * times <= LONGEST => input.repeat(*times),
            Self::LongAnswer(_) => input.to_owned(),
            _ => String::new(),
        }
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
        2 => Fate::LongAnswer(1),
        3 => Fate::LongAnswer(REPEATED),
        _ => Fate::Plain,
    }
}

/// The agent. It writes down each body before it does anything else, and each value before it is given.
pub(super) fn agent(log: Arc<Log>) -> AgentRef<String, Answer> {
    let agent = agent_fn(move |input: String, cx: AgentContext| {
        let log = Arc::clone(&log);
        async move {
            let key = input.split(' ').next().unwrap_or_default().parse()?;
            let (id, attempt) = (cx.launch_id().ok_or("it was not launched")?, cx.attempt());
            let id = id.to_string();
            log.say(&Fact::Begun { key, id: id.clone(), attempt })?;
            let fate = fate(key);
            match fate {
                Fate::FailsOnce if attempt == 1 => return Err("as it was to be".into()),
                Fate::Slow(time) => tokio::time::sleep(time).await,
                _ => {}
            }
            let answer = Answer { input: digest(&input), attempt, ballast: fate.ballast(&input) };
            log.say(&Fact::Finished { key, id, attempt })?;
            Ok(answer)
        }
    });
    let restart = Restart::attempts(5).backoff(Backoff::fixed(Duration::from_millis(5)));
    AgentRef::new(agent.named("work")).restart(restart)
}
