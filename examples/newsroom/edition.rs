//! One edition: every document is reviewed, and a notification of each is sent.

use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use sortie::{AgentRef, Completed, LaunchError, System};

use crate::args::Args;
use crate::desk::{Desk, Review};
use crate::document::Source;
use crate::messenger::{Messenger, Sent};
use crate::notification::Notification;
use crate::post::{Count, Post};
use crate::signals::Signals;
use crate::state::State;

/// How long what runs may go on when the program is told to stop.
const GRACE: Duration = Duration::from_millis(500);

/// What a run came to.
pub(crate) struct Edition {
    /// The documents' reviews, in the order of the documents.
    pub(crate) reviews: Vec<Completed<Review>>,
    pub(crate) notifications: Count,
    /// The first notification that the journal has not taken.
    pub(crate) refused: Option<LaunchError>,
    /// Somebody has stopped it.
    pub(crate) interrupted: bool,
}

/// Makes an edition, or as much of it as is done when somebody interrupts.
///
/// An interrupt ends it in order: nothing new starts, what runs has a moment left, and what is not done then is handed back to
/// the journal. A kill ends it at once, and what ran then is found in the journal as well. The next system with this
/// journal resumes in both cases, when it starts.
///
/// # Errors
/// If the system does not start, or the journal cannot be read.
pub(crate) async fn publish(
    sources: &[Source],
    args: &Args,
    state: State,
) -> Result<Edition, Box<dyn Error>> {
    let mut signals = Signals::listen()?;
    let (mut builder, sent) = (System::builder().journal(state.journal), Sent::default());
    builder.launch_concurrency(args.concurrency);
    let notify = Messenger::agent(state.outbox, args.faults, args.pace, args.timeout, sent.clone());
    let notify = builder.register(notify);
    let system = builder.start().await?;

    let post = Post::open(&system, notify, sent, args.requeue).await?;
    let mut work = pin!(work(&system, post, sources, args));
    tokio::select! {
        edition = &mut work => {
            system.shutdown(GRACE).await?;
            edition
        }
        () = signals.next() => {
            // The work goes on beside it, and ends because the system does.
            let (edition, shutdown) = tokio::join!(work, system.shutdown(GRACE));
            shutdown?;
            Ok(Edition { interrupted: true, ..edition? })
        }
    }
}

/// Reviews every document, `concurrency` of them at once, and has its notification launched as soon as it is reviewed. Ends
/// when all that was launched has ended, now or by an earlier process.
async fn work(
    system: &System,
    mut post: Post,
    sources: &[Source],
    args: &Args,
) -> Result<Edition, Box<dyn Error>> {
    let desk = AgentRef::new(Desk::new(args.timeout, args.faults));
    let key = |source: &Source| format!("{} {}", source.position, source.name);
    let fan_out = system.foreach(sources.to_vec(), &desk).keyed(key)?;
    let mut desks = fan_out.concurrency(args.concurrency).stream();

    let (mut reviews, mut refused) = (Vec::with_capacity(sources.len()), None);
    loop {
        tokio::select! {
            Some(review) = desks.next() => {
                let notification = Notification::of(&sources[review.index], &review.outcome);
                if let Err(error) = post.launch(notification).await {
                    refused.get_or_insert(error);
                }
                reviews.push(review);
            }
            Some(settled) = post.settle_next() => settled?,
            else => break,
        }
    }
    reviews.sort_unstable_by_key(|review| review.index);
    Ok(Edition { reviews, notifications: post.close(), refused, interrupted: false })
}
