//! Filling a journal before something is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::callers::Recorder;
use super::job::job;

/// How many callers fill a journal.
const MANY: usize = 256;

/// Has `n` jobs recorded, by as many callers as a journal needs to be quick.
pub async fn fill<R: Recorder>(recorder: &Arc<R>, n: usize) {
    let left = Arc::new(AtomicUsize::new(n));
    let callers = (0..MANY).map(|_| {
        let (recorder, left) = (Arc::clone(recorder), Arc::clone(&left));
        tokio::spawn(async move {
            let one_less = |left: usize| left.checked_sub(1);
            while left.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).is_ok() {
                recorder.record(job()).await;
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    for caller in callers {
        caller.await.expect("what a caller asks for is recorded");
    }
}
