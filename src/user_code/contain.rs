//! Panics of user code, kept where they happen.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use super::{cut, printable};

/// Runs user code. A panic becomes its message, of which at most 8 KiB are kept.
#[inline]
pub(crate) fn contain<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    // What the code can have left half done is its own, and is dropped or reported as failed after a panic.
    catch_unwind(AssertUnwindSafe(code)).map_err(message)
}

/// Runs async code of the user's, from the call that makes its future to the drop of that. A panic becomes its message.
pub(crate) async fn contain_async<F: Future>(make: impl FnOnce() -> F) -> Result<F::Output, String> {
    let mut future = Contained::new(Box::pin(contain(make)?));
    let done = poll_fn(|cx| match future.get_mut().map(|future| contain(|| future.as_mut().poll(cx))) {
        Some(Ok(polled)) => polled.map(Ok),
        Some(Err(panic)) => Poll::Ready(Err(panic)),
        // It is taken nowhere.
        None => Poll::Pending,
    });
    let done = done.await;
    future.clear();
    done
}

/// Awaits something that many wait for, with a waker that contains the caller's: of wakers that are called together, one that
/// panics would keep the others from being called.
pub(crate) async fn contain_waker<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let waker = Waker::from(Arc::new(ContainedWaker(Contained::new(cx.waker().clone()))));
        future.as_mut().poll(&mut Context::from_waker(&waker))
    })
    .await
}

struct ContainedWaker(Contained<Waker>);

impl Wake for ContainedWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let _ = self.0.get().map(|waker| contain(|| waker.wake_by_ref()));
    }
}

/// Drops a value of the user's. A panic in its `Drop` is logged: there is nobody to return it to, and what the value
/// stood for is over.
pub(crate) fn discard<T>(value: T) {
    if let Err(panic) = contain(|| drop(value)) {
        log_warn!(panic = %printable(&panic), "a value panicked while it was dropped");
    }
}

/// A value of the user's that is dropped wherever its owner is: in an actor, in a caller, during an unwinding. Its
/// `Drop` may panic in all of these places without doing harm.
pub(crate) struct Contained<T>(Option<T>);

impl<T> Contained<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    pub(crate) fn empty() -> Self {
        Self(None)
    }

    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }

    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.0.as_mut()
    }

    pub(crate) fn take(&mut self) -> Option<T> {
        self.0.take()
    }

    /// Drops the value now.
    pub(crate) fn clear(&mut self) {
        if let Some(value) = self.0.take() {
            discard(value);
        }
    }
}

impl<T> From<Option<T>> for Contained<T> {
    fn from(value: Option<T>) -> Self {
        Self(value)
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Values of the user's, each of which is dropped as if it were alone.
#[derive(Default)]
pub(crate) struct EachContained<C: IntoIterator + Default>(pub(crate) C);

impl<C: IntoIterator + Default> Drop for EachContained<C> {
    fn drop(&mut self) {
        std::mem::take(&mut self.0).into_iter().for_each(discard);
    }
}

/// The message of a panic.
fn message(payload: Box<dyn Any + Send>) -> String {
    let message = if let Some(text) = payload.downcast_ref::<&'static str>() {
        cut(text)
    } else if let Some(text) = payload.downcast_ref::<String>() {
        cut(text)
    } else {
        "a panic without a message".to_owned()
    };
    // A payload is a value of the user's too; one that panics twice is leaked, because there is nothing else to do.
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
    message
}
