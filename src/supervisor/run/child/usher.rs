//! The usher of a run whose items come from a stream: the child that polls it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, select};
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef};
use tokio::task::yield_now;

use crate::outcome::Cause;
use crate::supervisor::message::{Resume, Wake};
use crate::supervisor::run::arrivals::{Arrival, Arrivals, Items};
use crate::supervisor::run::bench::Bench;
use crate::supervisor::run::control::Stop;
use crate::supervisor::run::crew::Crew;
use crate::supervisor::run::seat::Moment;
use crate::supervisor::run::staff::Member;
use crate::supervisor::run::state::Run;
use crate::supervisor::run::work::Work;
use crate::user_code::{Contained, contain, printable};

/// Polls the stream of the items, so that nobody else has to, and puts down what arrives. It has a seat, in which it makes
/// no attempts, and is ended with its run like any child.
pub(super) struct Usher;

/// Hires the usher, if the items of the run come from a stream.
pub(in crate::supervisor::run) async fn hire(
    crew: &Arc<dyn Crew>,
    supervisor: &ActorRef<Wake>,
) -> HashMap<ActorId, Member> {
    let Some((bench, ushering)) = Arc::clone(crew).usher() else { return HashMap::new() };
    match Usher::spawn_linked(None, Usher, ushering, supervisor.get_cell()).await {
        Ok((actor, _)) => HashMap::from([(actor.get_id(), Member { actor, bench, opened: 1 })]),
        Err(error) => {
            // What it was to do is dropped by now, and has stopped the run.
            log_error!(error = %printable(&error), "the usher could not be started");
            HashMap::new()
        }
    }
}

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for Usher {
    type Msg = Resume;
    type State = Option<BoxFuture<'static, ()>>;
    type Arguments = BoxFuture<'static, ()>;

    async fn pre_start(
        &self,
        _: ActorRef<Resume>,
        ushering: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(Some(ushering))
    }

    async fn post_start(
        &self,
        myself: ActorRef<Resume>,
        ushering: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        // Taken, so that it is dropped here if the usher is killed, and not by whoever gets the state of a dead actor.
        if let Some(ushering) = ushering.take() {
            ushering.await;
        }
        myself.stop(None);
        Ok(())
    }
}

/// Lets the usher have the thread, and goes on as soon as any thread is free. To yield as tokio does is to wait for this
/// one, on which the stream may be polled now and not return.
pub(super) async fn step_aside() {
    let mut is_aside = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut is_aside, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What an usher does: poll, put down, wake the supervisor, wait for room.
///
/// However it ends, the stream is dropped, and where that is not the stream's own end, the run stops.
pub(in crate::supervisor::run) struct Ushering<W: Work> {
    run: Arc<Run<W>>,
    arrivals: Arc<Arrivals<W::Job>>,
    bench: Arc<Bench>,
    items: Contained<Items<W::Job>>,
    /// How many items may arrive before a child is called for them: more with each turn that was quick.
    patience: u32,
    /// Whether the stream has ended.
    is_done: bool,
}

/// How a turn ended, unless the stream has nothing yet.
enum Turn {
    /// There is no room.
    Full,
    /// Others shall have the thread.
    Over,
    /// The stream has ended.
    Ended,
}

/// How long a turn may take before the others see what has arrived: 100 µs.
const LONGEST_TURN: Moment = 100_000;

impl<W: Work> Ushering<W> {
    pub(in crate::supervisor::run) fn new(
        run: Arc<Run<W>>,
        arrivals: Arc<Arrivals<W::Job>>,
        bench: Arc<Bench>,
    ) -> Self {
        let items = arrivals.take_items().into();
        Self { run, arrivals, bench, items, patience: 1, is_done: false }
    }

    /// Works until the stream ends or the run stops.
    pub(in crate::supervisor::run) async fn work(mut self) {
        let cancelled = self.run.control().info.cancelled.clone();
        select(pin!(cancelled.cancelled()), pin!(self.usher())).await;
    }

    async fn usher(&mut self) {
        loop {
            match poll_fn(|cx| self.turn(cx)).await {
                Turn::Full => self.arrivals.room().await,
                Turn::Over => yield_now().await,
                Turn::Ended => return self.end(),
            }
        }
    }

    /// Puts down what the stream has now.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        let started = self.run.control().now();
        let (mut now, mut news) = (started, 0);
        let turn = loop {
            if self.arrivals.is_full() {
                break Poll::Ready(Turn::Full);
            }
            match self.poll(cx) {
                Poll::Pending => break Poll::Pending,
                Poll::Ready(None) => break Poll::Ready(Turn::Ended),
                Poll::Ready(Some(arrival)) => self.arrivals.push(arrival, now),
            }
            news += 1;
            now = self.run.control().now();
            if now.saturating_sub(started) >= LONGEST_TURN {
                self.patience = 1;
                break Poll::Ready(Turn::Over);
            }
            if news >= self.patience && self.is_alone() {
                self.patience = self.patience.saturating_mul(2);
                break Poll::Ready(Turn::Over);
            }
        };
        let control = self.run.control();
        // Where all slots are taken, whoever leaves one looks for what has arrived, unless that may be too late.
        if news > 0 && (control.driving() < control.limits.concurrency || self.arrivals.may_expire()) {
            control.wake();
        }
        turn
    }

    /// Whether no child is awake that would see what has arrived, and there may be another one: the supervisor is woken
    /// before the stream, which may take its time, is polled for long. Not for each item, or a quick stream and its
    /// children would wait for each other.
    fn is_alone(&self) -> bool {
        let control = self.run.control();
        let driving = control.driving();
        driving < control.limits.concurrency && driving <= control.suspended()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Arrival<W::Job>>> {
        let Some(items) = self.items.get_mut() else { return Poll::Ready(None) };
        self.bench.set_polling(true);
        let polled = match contain(|| items.as_mut().poll_next(cx)) {
            Ok(polled) => {
                polled.map(|item| item.map(|item| item.map_err(|error| Box::new(Cause::Failed(error)))))
            }
            Err(message) => {
                self.items.clear();
                let cause = Cause::Panicked(format!("the stream of the items: {message}"));
                Poll::Ready(Some(Err(Box::new(cause))))
            }
        };
        self.bench.set_polling(false);
        polled
    }

    fn end(&mut self) {
        self.is_done = true;
        self.drop_items();
        self.arrivals.close();
        self.run.reconsider();
        self.run.control().wake();
    }

    /// Its `Drop` is code of the user's as well, and may take its time.
    fn drop_items(&mut self) {
        self.bench.set_polling(true);
        self.items.clear();
        self.bench.set_polling(false);
    }
}

impl<W: Work> Drop for Ushering<W> {
    fn drop(&mut self) {
        self.drop_items();
        self.arrivals.usher_leaves();
        // It is cancelled with the run, or with the attempt in which the run is nested, whose order is the cause then.
        if !self.is_done && self.run.control().order_from_above().is_none() {
            self.run.control().stop(Stop::Unwanted);
        }
    }
}
