//! The alarm clock of one child.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Context;

use tokio::time::{Sleep, sleep_until};

use crate::supervisor::run::control::Control;
use crate::supervisor::run::seat::{Moment, NEVER, Seat};

/// When the attempts of a child that wait want to be woken: the earliest of these moments.
///
/// One timer serves all lanes, and the next attempts of each as well: it is not taken back when an attempt ends before
/// its time is up, but rings once in vain. So most attempts that wait touch no timer at all.
#[derive(Debug)]
pub(super) struct Alarm(AtomicU64);

impl Alarm {
    pub(super) fn unset() -> Self {
        Self(AtomicU64::new(NEVER))
    }

    /// Rings at `due` or before. Only the child whose alarm it is calls this.
    pub(super) fn set(&self, due: Moment) {
        if due < self.0.load(Ordering::Relaxed) {
            self.0.store(due, Ordering::Relaxed);
        }
    }
}

/// The timer behind an alarm, in the hands of the child's task.
pub(super) struct Clockwork<'a> {
    control: &'a Control,
    alarm: &'a Alarm,
    seats: &'a [Seat],
    /// What the timer is set to. [`NEVER`] if it is not.
    set: Moment,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<'a> Clockwork<'a> {
    pub(super) fn new(control: &'a Control, alarm: &'a Alarm, seats: &'a [Seat]) -> Self {
        Self { control, alarm, seats, set: NEVER, timer: None }
    }

    /// Wakes those whose time is up, if the timer has rung.
    pub(super) fn look(&mut self) {
        if self.set == NEVER || !self.timer.as_ref().is_some_and(|timer| timer.is_elapsed()) {
            return;
        }
        self.set = NEVER;
        let now = self.control.now();
        let next = self.seats.iter().filter_map(|seat| seat.ring_if_due(now)).min();
        self.alarm.0.store(next.unwrap_or(NEVER), Ordering::Relaxed);
    }

    /// Sets the timer, if somebody wants to be woken before it rings.
    pub(super) fn wind(&mut self, cx: &mut Context<'_>) {
        let wanted = self.alarm.0.load(Ordering::Relaxed);
        if wanted >= self.set {
            return;
        }
        // A limit beyond what the clock can tell is none.
        let Some(at) = self.control.instant(wanted) else { return };
        self.set = wanted;
        let timer = match &mut self.timer {
            Some(timer) => {
                timer.as_mut().reset(at);
                timer
            }
            none => none.insert(Box::pin(sleep_until(at))),
        };
        if timer.as_mut().poll(cx).is_ready() {
            // It has rung already: the next turn looks.
            cx.waker().wake_by_ref();
        }
    }
}
