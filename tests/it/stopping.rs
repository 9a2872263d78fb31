//! Whatever stops an attempt decides its cause: what nested work says about the same order is never a failure of its own.

mod fan_outs;
mod launches;

use std::future::pending;

use sortie::{AgentContext, AgentError, AgentRef, BoxError, agent_fn};

use crate::support::Gauge;

/// How an agent waits for nested work, and what it makes of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Ask,
    ForEach,
    Branches,
    Any,
    Formatted,
    Wrapped,
    Coded,
    Anyhow,
    Unwrapped,
}

impl Form {
    /// How many bodies wait at the lowest level for each that waits at the highest.
    pub fn leaves(self, depth: u32) -> usize {
        match self {
            Self::ForEach | Self::Branches | Self::Any => 1 << depth,
            _ => 1,
        }
    }
}

pub const FORMS: [Form; 9] = [
    Form::Ask,
    Form::ForEach,
    Form::Branches,
    Form::Any,
    Form::Formatted,
    Form::Wrapped,
    Form::Coded,
    Form::Anyhow,
    Form::Unwrapped,
];

#[derive(Debug, thiserror::Error)]
#[error("the work below has failed")]
struct Wrapper(#[source] sortie::Failure);

/// Waits for work that is nested `depth` levels deep and never ends. The bodies of the lowest level are counted.
pub fn waits(form: Form, depth: u32, leaves: &Gauge) -> AgentRef<u32, u32> {
    if depth == 0 {
        let leaves = leaves.clone();
        return AgentRef::new(agent_fn(move |_: u32, _| {
            let body = leaves.enter();
            async move {
                let _body = body;
                pending::<Result<u32, AgentError>>().await
            }
        }));
    }
    let below = waits(form, depth - 1, leaves);
    let agent = agent_fn(move |n: u32, cx: AgentContext| {
        let below = below.clone();
        async move {
            match form {
                Form::Ask => Ok(cx.ask(&below, n).await?),
                Form::ForEach => Ok(cx.foreach([n, n], &below).all().await?.into_iter().sum()),
                Form::Branches => {
                    let (one, two) = cx.branches((below.branch(n), below.branch(n))).all().await?;
                    Ok(one + two)
                }
                Form::Any => Ok(cx.foreach([n, n], &below).any().await?),
                Form::Formatted => {
                    cx.ask(&below, n).await.map_err(|failure| format!("below: {failure:#}").into())
                }
                Form::Wrapped => Ok(cx.ask(&below, n).await.map_err(Wrapper)?),
                Form::Coded => {
                    let outcome = cx.ask(&below, n).await;
                    outcome.map_err(|failure| AgentError::fatal(failure.to_string()).with_code("below"))
                }
                Form::Anyhow => {
                    let error = |failure| anyhow::Error::new(failure).context("below");
                    cx.ask(&below, n)
                        .await
                        .map_err(|failure| AgentError::retry(BoxError::from(error(failure))))
                }
                Form::Unwrapped => Ok(cx.ask(&below, n).await.unwrap()),
            }
        }
    });
    AgentRef::new(agent.named("waits"))
}

/// Two numbers for each round, so that a race is tried at many moments.
pub fn rounds(seed: u64, count: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..count).map(move |_| (random.u64(0..1000), random.u64(0..1000)))
}
