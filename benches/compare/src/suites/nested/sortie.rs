//! Nesting with sortie: the body of an agent fans out in its context.

use sortie::{AgentContext, AgentError, Failure, agent_fn, foreach};

use super::case::{Case, Shape, fold};
use crate::suites::contest::attempt::{LIMIT, agent};

pub async fn nested(case: Case) -> Result<usize, Failure> {
    let cap = case.cap;
    let results = match case.shape {
        Shape::Two([outer, leaves]) => {
            let body = move |item, cx| async move {
                Ok::<_, AgentError>(fold([item, inner(cx, leaves, cap).await?]))
            };
            foreach(0..outer, agent_fn(body)).concurrency(cap).timeout(LIMIT).all().await
        }
        Shape::Three([outer, between, leaves]) => {
            let body =
                move |item, cx| async move { Ok(fold([item, middle(cx, between, leaves, cap).await?])) };
            foreach(0..outer, agent_fn(body)).concurrency(cap).timeout(LIMIT).all().await
        }
    };
    results.map(fold).map_err(|error| error.failure().clone())
}

async fn middle(cx: AgentContext, items: usize, leaves: usize, cap: usize) -> Result<usize, AgentError> {
    let body = move |item, cx| async move { Ok(fold([item, inner(cx, leaves, cap).await?])) };
    Ok(fold(cx.foreach(0..items, agent_fn(body)).concurrency(cap).timeout(LIMIT).all().await?))
}

async fn inner(cx: AgentContext, leaves: usize, cap: usize) -> Result<usize, AgentError> {
    Ok(fold(cx.foreach(0..leaves, agent).concurrency(cap).timeout(LIMIT).all().await?))
}
