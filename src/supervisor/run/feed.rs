//! A run whose outcomes are taken one by one, while it is under way.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;

use futures::future::{Either, select};
use futures::stream::{self, BoxStream, StreamExt};
use tokio::task::JoinHandle;

use super::collect::Rest;
use super::execute::{Order, StopOnDrop, spawn};
use super::state::Run;
use super::work::Work;
use crate::agent::AgentContext;
use crate::outcome::Outcome;
use crate::supervisor::tree::TreeHandle;
use crate::user_code::EachContained;

/// Runs all branches of `order`, and gives the outcomes in the order of completion. Nothing starts before the first poll;
/// dropping the stream stops the run.
pub(crate) fn feed<W: Work>(order: Order<W>) -> BoxStream<'static, Fed<W::Output>> {
    let start = stream::once(async move { Feed::start(order).await });
    start
        .flat_map(|feed| {
            stream::unfold(feed, |mut feed| async {
                {
                    let next = feed.next().await;
                    if let Some(leased) = &feed.run.control().info.lease {
                        leased.regained().await;
                    }
                    let (index, outcome) = next?;
                    Some((Fed { index, name: feed.run.take_name(index), outcome }, feed))
                }
            })
        })
        .boxed()
}

/// One outcome, with the position of its branch and the name it has besides.
pub(crate) struct Fed<O> {
    pub(crate) index: usize,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) outcome: Outcome<O>,
}

struct Feed<W: Work> {
    run: Arc<Run<W>>,
    _stop_on_drop: StopOnDrop<W>,
    /// Kept running as long as somebody may ask for more.
    _system: Option<TreeHandle>,
    parent: Option<AgentContext>,
    /// The supervisor's end. Gone once it is known.
    ended: Option<JoinHandle<()>>,
    taken: EachContained<VecDeque<(usize, Outcome<W::Output>)>>,
    /// What the run has never come to, once it is over.
    rest: Option<Rest<W>>,
}

impl<W: Work> Feed<W> {
    async fn start(mut order: Order<W>) -> Self {
        let (lodging, parent, system) = (order.lodging(), order.parent.take(), order.system.take());
        let run = Arc::new(Run::new(order, parent.as_ref(), lodging.as_ref()));
        let _stop_on_drop = StopOnDrop(Arc::clone(&run));
        let ended = spawn(&run, lodging).await;
        let (taken, rest) = (EachContained::default(), None);
        Self { run, _stop_on_drop, _system: system, parent, ended, taken, rest }
    }

    async fn next(&mut self) -> Option<(usize, Outcome<W::Output>)> {
        loop {
            if self.taken.0.is_empty() {
                self.taken.0.extend(self.run.delivered());
            }
            if let Some(next) = self.taken.0.pop_front() {
                self.run.take_delivered();
                return Some(next);
            }
            if let Some(rest) = &mut self.rest {
                return rest.next(&self.run);
            }
            match self.ended.take() {
                Some(ended) => self.ended = wait(&self.run, self.parent.as_ref(), ended).await,
                None => {
                    let taken = &mut self.taken.0;
                    self.rest = Some(self.run.leave(|index, outcome| taken.push_back((index, outcome))));
                }
            }
        }
    }
}

/// Waits until there is something to take, or the run has ended; gives the end back if that is still to come.
async fn wait<W: Work>(
    run: &Run<W>,
    parent: Option<&AgentContext>,
    ended: JoinHandle<()>,
) -> Option<JoinHandle<()>> {
    let cancelled = async {
        match parent {
            Some(parent) if run.control().is_open() => parent.cancelled().await,
            _ => std::future::pending().await,
        }
    };
    match select(ended, select(pin!(run.arrived()), pin!(cancelled))).await {
        Either::Left(_) => None,
        Either::Right((Either::Left(_), ended)) => Some(ended),
        Either::Right((Either::Right(_), ended)) => {
            run.control().stop_with_parent();
            Some(ended)
        }
    }
}
