//! The options of a fan-out, and the endings that run it.

use std::future::Future;
use std::time::Duration;

use super::branches::{Branches, Output, Prepared, Repeatable};
use crate::agent::{AgentContext, ambient};
use crate::outcome::AllError;
use crate::policy::{Limits, Restart, positive};
use crate::supervisor::tree::TreeHandle;
use crate::supervisor::{Collected, Goal, Order, Recorder, execute};

/// Branches to run together, with the limits and policies for all of them. Name an ending to run it.
///
/// Nothing starts before an ending is awaited. The ending runs the branches under a supervisor of their own, at most
/// [`concurrency`](FanOut::concurrency) at once, and returns when each has an outcome, or the deadline has passed, or
/// an outcome has decided it; nothing of the run is running then, or the failure in its place says that it
/// [could not be stopped](crate::Failure::stopped).
///
/// Dropping the ending's future stops the run: nothing more starts, running attempts are cancelled and, after the
/// [`stop_grace`](FanOut::stop_grace), dropped at their next `.await`.
///
/// # Comparison to `JoinSet`
///
/// A `JoinSet` gives results as they come, in the order of completion, and leaves concurrency, timeouts, retries, the
/// text of a panic and the order of results to its user. A fan-out does these, and is faster than a `JoinSet` for
/// many small items, because its children pull items instead of being spawned for each. Where a `JoinSet` takes tasks one
/// by one, over any length of time, a [`foreach_stream`](crate::foreach_stream) takes items.
#[derive(Debug)]
#[must_use = "a fan-out does nothing until an ending such as `.settled()` is awaited"]
pub struct FanOut<B> {
    branches: B,
    timeout: Option<Duration>,
    limits: Limits,
    /// The attempt in which the fan-out is nested, if it is not the one whose code runs it.
    parent: Option<AgentContext>,
    /// The system that answers for the run.
    system: Option<TreeHandle>,
    recorder: Option<Recorder>,
}

// The endings say `+ Send` themselves: with `async fn`, the compiler cannot show it inside an agent for inputs that
// hold a `&'static` reference.
impl<B: Branches> FanOut<B> {
    pub(crate) fn new(branches: B) -> Self {
        let (limits, parent, system, recorder) = (Limits::default(), None, None, None);
        Self { branches, timeout: None, limits, parent, system, recorder }
    }

    /// The same fan-out, in a system.
    pub(crate) fn in_system(mut self, system: TreeHandle) -> Self {
        self.system = Some(system);
        self
    }

    /// The same fan-out, nested in an attempt.
    pub(super) fn within(mut self, parent: AgentContext) -> Self {
        self.parent = Some(parent);
        self
    }

    /// At most `limit` attempts at once; 64 unless set, and `usize::MAX` for no limit. A limit costs nothing that is not used.
    /// A branch holds its slot until its attempt has ended, and none while it waits for its next attempt.
    ///
    /// # Panics
    /// If `limit` is zero.
    #[track_caller]
    pub fn concurrency(mut self, limit: usize) -> Self {
        assert!(limit > 0, "a fan-out needs a concurrency of at least 1: nothing would ever start");
        self.limits.concurrency = limit;
        self
    }

    /// Limits each attempt of the branches that have no timeout of their own. No limit unless set, here or on the
    /// agent. The clock of an attempt starts when the attempt does, not when its branch is queued.
    ///
    /// An attempt whose time is up is stopped: it is [cancelled](crate::AgentContext::cancelled), and after the
    /// [`stop_grace`](FanOut::stop_grace) its future is dropped. One that does not reach an `.await` within another
    /// 50 ms is given up: its failure says that it is not stopped, it is not retried, and its slot stays taken until
    /// it ends. If such bodies hold all slots for a second, the branches that have none end as
    /// [`Cause::Stuck`](crate::Cause::Stuck).
    ///
    /// # Panics
    /// If `limit` is zero.
    #[track_caller]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(positive(limit, "a timeout", "leave it out for no limit"));
        self
    }

    /// Limits the whole fan-out, from the moment its ending is first polled. No limit unless set.
    ///
    /// What is done at the deadline is kept; every other branch ends as
    /// [`Cause::DeadlineExceeded`](crate::Cause::DeadlineExceeded). The ending returns at the deadline, or after the
    /// [`stop_grace`](FanOut::stop_grace) if there is one; if a body does not reach an `.await`, 50 ms later.
    ///
    /// # Panics
    /// If `limit` is zero.
    #[track_caller]
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.limits.deadline = Some(positive(limit, "a deadline", "leave it out for no limit"));
        self
    }

    /// How long a branch may wait for the start of its first attempt: from the moment the ending is first polled, or, where
    /// items come from a stream, from the moment its item arrives. No limit unless set.
    ///
    /// A branch that has not started by then ends as [`Cause::QueueTimedOut`](crate::Cause::QueueTimedOut), at that very
    /// moment, also while every slot is taken; branches that have started are not affected, nor are those that wait for
    /// another attempt. So it tells work that came too late from work that was too slow, which is what
    /// [`timeout`](FanOut::timeout) is for, and keeps what is under way, which a [`deadline`](FanOut::deadline) does not.
    ///
    /// Every item of a `foreach` gets its outcome, for which its iterator is taken to its end; one whose `size_hint` says
    /// that it is endless ends there instead. Items that a slow consumer of a [`stream`](FanOut::stream) keeps from
    /// starting are too late as well.
    ///
    /// # Panics
    /// If `limit` is zero.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sortie::{Cause, foreach};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// async fn hour(n: u32) -> Result<u32, std::convert::Infallible> {
    ///     tokio::time::sleep(Duration::from_secs(3600)).await;
    ///     Ok(n)
    /// }
    /// let outcomes = foreach(0..3, hour).concurrency(2).queue_timeout(Duration::from_secs(5)).settled().await;
    /// assert!(outcomes[0].is_ok() && outcomes[1].is_ok());
    /// let failure = outcomes[2].as_ref().unwrap_err();
    /// assert!(matches!(failure.cause(), Cause::QueueTimedOut { .. }));
    /// # }
    /// ```
    #[track_caller]
    pub fn queue_timeout(mut self, limit: Duration) -> Self {
        self.limits.queue_timeout = Some(positive(limit, "a queue timeout", "leave it out for no limit"));
        self
    }

    /// Allows further attempts, each with a clone of the input, to the branches that have no policy of their own. One
    /// attempt unless set, here or on the agent.
    pub fn restart(mut self, policy: Restart) -> Self
    where
        B: Repeatable,
    {
        self.branches = self.branches.repeat(&policy);
        self
    }

    /// How long an attempt that shall end may clean up: from its [cancellation](crate::AgentContext::cancelled) until
    /// its future is dropped. Zero unless set.
    ///
    /// What an attempt returns after its own timeout no longer counts. A value that it returns after the deadline, or after
    /// the rest was cancelled, but within the grace, is its outcome. An error is not: whatever has stopped the attempt is
    /// the cause of its failure, whatever the attempt, or the work nested in it, says about being stopped. So is a panic
    /// after nested work was stopped with the attempt; any other panic stays one.
    pub fn stop_grace(mut self, grace: Duration) -> Self {
        self.limits.stop_grace = grace;
        self
    }

    /// Makes a new child actor for each attempt, where children otherwise make one attempt after the other.
    ///
    /// No attempt then runs on an actor on which another one has run. Outcomes are the same; it costs several
    /// microseconds for each attempt.
    pub fn fresh_children(mut self) -> Self {
        self.limits.fresh_children = true;
        self
    }

    /// Has the run recorded, attempt by attempt, however it ends. The last recorder counts; unless set, none does.
    ///
    /// A run that is nested in one of its attempts has a recorder of its own, which may be the same.
    pub fn record(mut self, recorder: &Recorder) -> Self {
        self.recorder = Some(recorder.clone());
        self
    }

    /// Lets up to `lanes` attempts share a child actor, in lanes of its own. Unless set, each attempt has a child to
    /// itself until there are 500 of them, and children beyond that have 64 lanes: an actor takes 7 KB, a lane
    /// less than a tenth of it. `lanes(1)` gives each attempt a child to itself however many there are.
    ///
    /// Outcomes are the same. Attempts that share a child share one task, which has two consequences. They run in turn
    /// and not in parallel, so those that compute delay each other; what computes for long belongs on a
    /// [`blocking`](crate::blocking) thread, or in a fan-out with one lane. And a child with lanes is never killed for one
    /// of them. An attempt that does not reach an `.await` when its time is up is reported as not stopped, as always,
    /// and keeps its slot; but until it does reach one, the attempts in the lanes beside it stand still, and if their
    /// time is up meanwhile, they are reported as not stopped too. If an attempt panics, only its lane begins anew,
    /// where a child with one lane is replaced.
    ///
    /// A child has no more lanes than 64, or than all children before it together, and `usize::MAX` sets no limit beyond that.
    /// There are never fewer children than worker threads for want of lanes, and a fan-out with
    /// [`fresh_children`](FanOut::fresh_children) has one lane each.
    ///
    /// # Panics
    /// If `lanes` is zero.
    #[track_caller]
    pub fn lanes(mut self, lanes: usize) -> Self {
        assert!(lanes > 0, "a child needs at least 1 lane: it could make no attempt");
        self.limits.lanes = Some(lanes);
        self
    }

    /// Runs the branches and waits for every outcome, whatever it is. Outcomes are in the order of the branches.
    ///
    /// # Cancel safety
    /// Dropping the future stops the run; its outcomes are dropped with it.
    ///
    /// Outside a tokio runtime nothing runs: each branch fails with the code `no_runtime`.
    ///
    /// # Panics
    /// If a timeout, a deadline or a queue timeout is set and the runtime has no timer: the message names `enable_time`.
    /// Everything else works without one.
    #[expect(clippy::manual_async_fn, reason = "an `async fn` does not say `Send`, see above")]
    pub fn settled(self) -> impl Future<Output = B::Outcomes> + Send {
        async move {
            let (shape, collected) = self.run(Goal::Settled).await;
            B::outcomes(shape, collected.outcomes)
        }
    }

    /// Runs the branches and waits for every output; the first final failure cancels the rest. Outputs are in the
    /// order of the branches.
    ///
    /// # Errors
    /// [`AllError`], which carries the failure and every outcome there is. Also if the run is stopped before the stream of
    /// its items has ended: the failure then stands for what had not arrived, and its cause says why.
    ///
    /// # Cancel safety
    /// Dropping the future stops the run; its outcomes are dropped with it.
    ///
    /// # Panics
    /// As [`settled`](FanOut::settled).
    #[expect(clippy::manual_async_fn, reason = "an `async fn` does not say `Send`, see above")]
    pub fn all(self) -> impl Future<Output = Result<B::Values, AllError<B::Outcomes>>> + Send {
        async move {
            let (shape, Collected { outcomes, first_failure, cut, .. }) = self.run(Goal::All).await;
            let failure = first_failure
                .or_else(|| outcomes.iter().find_map(|outcome| outcome.as_ref().err()).cloned())
                // Not all of a stream is not all.
                .or(cut);
            match failure {
                Some(failure) => Err(AllError::new(failure, B::outcomes(shape, outcomes))),
                None => Ok(B::values(shape, outcomes.into_iter().filter_map(Result::ok).collect())),
            }
        }
    }

    pub(super) async fn run(self, goal: Goal) -> (B::Shape, Collected<Output<B>>) {
        let (shape, order) = self.order(goal);
        (shape, execute(order).await)
    }

    pub(super) fn order(self, goal: Goal) -> (B::Shape, Order<B::Work>) {
        let Prepared { work, source, roster, shape } = self.branches.prepare(self.timeout);
        let parent = self.parent.or_else(ambient::current);
        let Self { limits, system, recorder, .. } = self;
        (shape, Order { work, source, roster, limits, goal, parent, system, serves: None, recorder })
    }
}

impl<B> FanOut<B> {
    /// The same fan-out over other branches.
    pub(crate) fn map<C>(self, change: impl FnOnce(B) -> C) -> FanOut<C> {
        let Self { branches, timeout, limits, parent, system, recorder } = self;
        FanOut { branches: change(branches), timeout, limits, parent, system, recorder }
    }

    /// The same, if there are any.
    pub(crate) fn try_map<C, E>(self, change: impl FnOnce(B) -> Result<C, E>) -> Result<FanOut<C>, E> {
        let Self { branches, timeout, limits, parent, system, recorder } = self;
        Ok(FanOut { branches: change(branches)?, timeout, limits, parent, system, recorder })
    }
}
