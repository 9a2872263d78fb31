//! Where features of launches meet that know nothing of each other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use futures::future::{poll_fn, poll_immediate};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use sortie::actor;
use sortie::journal::{Appended, Claim, Delivery, Due, Intent, Journal, Scope, Terms, WallClock, Want};
use sortie::probe::{Shelf, ShelfFault};
use sortie::{
    AgentContext, JournalErrorKind, LaunchFilter, LaunchId, LaunchStatus, MemoryJournal, Restart,
    SledJournal, System, agent_fn, blocking,
};
use tokio::time::{sleep, timeout};

use crate::directory::Directory;
use crate::support::{MS, SECOND, threads};

const AGENT: &str = "agent";
const HOUR: Duration = Duration::from_secs(3600);

fn scope() -> Scope {
    Scope::new([AGENT.to_owned()])
}

fn intent(input: Vec<u8>, terms: Terms) -> Intent {
    Intent { agent: AGENT.to_owned(), key: None, digest: 0, input, due: Due::Now, terms }
}

async fn launch(journal: &impl Journal, input: Vec<u8>, terms: Terms) -> LaunchId {
    match journal.append(vec![intent(input, terms)]).await.unwrap()[..] {
        [Appended::New(id)] => id,
        ref other => panic!("{other:?}"),
    }
}

async fn claim(journal: &impl Journal, max: usize) -> Vec<Claim> {
    journal.claim(&[Want::new(AGENT, usize::MAX)], max).await.unwrap().claims
}

async fn close(journal: &impl Journal) {
    journal.close();
    timeout(HOUR, journal.closed()).await.expect("it does not close").unwrap();
}

fn once() -> Terms {
    Terms { delivery: Delivery::AtMostOnce, ..Terms::default() }
}

/// What is asked of a closed journal is refused, also if there is nothing to do.
#[tokio::test(start_paused = true)]
async fn a_closed_journal_refuses_to_do_nothing() {
    let journal = MemoryJournal::new();
    let refused = async || {
        let closed = [
            journal.append(Vec::new()).await.map(drop).unwrap_err(),
            journal.scan(&LaunchFilter::all(), None, 0).await.map(drop).unwrap_err(),
        ];
        closed.iter().all(|error| error.kind() == JournalErrorKind::Closed)
    };
    assert!(refused().await, "before the start");
    journal.start(scope()).await.unwrap();
    assert_eq!(journal.append(Vec::new()).await.unwrap(), []);
    assert_eq!(journal.scan(&LaunchFilter::all(), None, 0).await.unwrap(), []);
    close(&journal).await;
    assert!(refused().await, "after the end");
}

/// A journal that is closed while it starts has no life beyond that, and is closed once the start is over.
#[tokio::test(start_paused = true)]
async fn a_journal_that_is_closed_while_it_starts_is_closed() {
    let journal = MemoryJournal::new();
    let mut start = journal.start(scope());
    let mut closed = journal.closed();
    poll_fn(|cx| {
        assert!(start.as_mut().poll(cx).is_pending());
        journal.close();
        assert!(closed.as_mut().poll(cx).is_pending(), "the store is in use");
        Poll::Ready(())
    })
    .await;
    let error = timeout(HOUR, start).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), JournalErrorKind::Closed);
    timeout(HOUR, closed).await.expect("it does not close").unwrap();
    assert_eq!(journal.append(Vec::new()).await.unwrap_err().kind(), JournalErrorKind::Closed);
}

/// A start that nobody waits for any more does not keep the store for ever.
#[tokio::test(start_paused = true)]
async fn a_start_that_is_dropped_can_be_closed() {
    let journal = MemoryJournal::new();
    let mut start = journal.start(scope());
    assert!(poll_immediate(&mut start).await.is_none());
    drop(start);
    close(&journal).await;
    assert_eq!(journal.append(Vec::new()).await.unwrap_err().kind(), JournalErrorKind::Closed);
}

/// A long output of an attempt that is over meanwhile is not mixed into the one that somebody has settled.
#[tokio::test(start_paused = true)]
async fn an_output_that_comes_too_late_leaves_the_settled_one_alone() {
    let journal = MemoryJournal::new();
    journal.start(scope()).await.unwrap();
    let id = launch(&journal, vec![1], once()).await;
    let [claim] = &claim(&journal, 1).await[..] else { panic!() };
    let (late, settled) = (vec![b'l'; 3 << 20], vec![b's'; 2 << 20]);
    let mut late = journal.complete(claim, &late);
    let decided = async {
        // The attempt's first pieces are there.
        for _ in 0..4 {
            journal.get(id).await.unwrap();
        }
        journal.release_all(&[AGENT.to_owned()], &[id]).await.unwrap();
        assert_eq!(journal.get(id).await.unwrap().unwrap().status, LaunchStatus::Ambiguous);
        journal.settle(id, &settled).await.unwrap().unwrap();
    };
    let (concluded, ()) = tokio::join!(&mut late, decided);
    concluded.unwrap().unwrap_err();
    assert!(journal.output(id).await.unwrap().unwrap() == settled, "two outputs are mixed");
}

/// A launch whose long output was settled a moment ago is removed with that.
#[tokio::test(start_paused = true)]
async fn what_is_swept_right_after_it_was_settled_leaves_nothing_behind() {
    let shelf = Shelf::default();
    let (millis, journal) = (Arc::new(AtomicU64::new(1_000_000)), shelf.journal());
    let clock = WallClock::new({
        // Another millisecond whenever somebody looks.
        let millis = Arc::clone(&millis);
        move || SystemTime::UNIX_EPOCH + Duration::from_millis(millis.fetch_add(1, Ordering::SeqCst))
    });
    let mut scope = scope();
    scope.clock = clock;
    journal.start(scope).await.unwrap();
    for _ in 0..50 {
        let id = launch(&journal, vec![1], Terms { retention: Duration::ZERO, ..once() }).await;
        claim(&journal, 1).await;
        journal.release_all(&[AGENT.to_owned()], &[id]).await.unwrap();
        let (output, all) = ([b's'; 20_000], LaunchFilter::all());
        let (mut other, mut settle) = (journal.scan(&all, None, 1), journal.settle(id, &output));
        let mut sweep = journal.sweep(9);
        poll_fn(|cx| {
            // What is asked for while the journal is busy is carried out together.
            let _held = shelf.hold_up();
            assert!(other.as_mut().poll(cx).is_pending());
            assert!(settle.as_mut().poll(cx).is_pending());
            assert!(sweep.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        let (_, settled, _) = tokio::join!(other, settle, sweep);
        settled.unwrap().unwrap();
        while journal.get(id).await.unwrap().is_some() {
            journal.sweep(9).await.unwrap();
        }
    }
    close(&journal).await;
    assert_eq!(shelf.store().scan(b"o").unwrap().len(), 0, "pieces that nobody owns");
}

/// What cannot be read now is read later, and those that were claimed with it are made.
#[tokio::test(start_paused = true)]
async fn a_claim_whose_input_cannot_be_read_now_keeps_no_other_from_being_made() {
    for prefix in [b"i".as_slice(), b"h"] {
        let shelf = Shelf::default();
        let journal = shelf.journal();
        journal.start(scope()).await.unwrap();
        let mut ids = Vec::new();
        for n in 0..3 {
            ids.push(launch(&journal, vec![n; 5000], once()).await);
        }
        shelf.break_reads(prefix, 1);
        let mut claimed: Vec<_> = claim(&journal, 3).await.into_iter().map(|claim| claim.id).collect();
        assert_eq!(claimed.len(), 2, "{prefix:?}");
        claimed.extend(claim(&journal, 3).await.into_iter().map(|claim| claim.id));
        claimed.sort_unstable();
        assert_eq!(claimed, ids, "{prefix:?}");
        // Nothing could be read at all.
        let id = launch(&journal, vec![9; 5000], once()).await;
        shelf.break_reads(prefix, 1);
        let error = journal.claim(&[Want::new(AGENT, 9)], 9).await.unwrap_err();
        assert_eq!(error.kind(), JournalErrorKind::Io);
        assert_eq!(claim(&journal, 3).await[0].id, id, "{prefix:?}");
        close(&journal).await;
    }
}

/// The same while nothing can be written either: what was not read is given back once that works.
#[tokio::test(start_paused = true)]
async fn a_claim_that_can_neither_be_read_nor_given_back_now_is_given_back_later() {
    let shelf = Shelf::default();
    let journal = shelf.journal();
    journal.start(scope()).await.unwrap();
    let id = launch(&journal, vec![1; 5000], once()).await;
    let wants = [Want::new(AGENT, 9)];
    for fault in [ShelfFault::Lost, ShelfFault::Untold] {
        shelf.break_reads(b"i", 1);
        let mut claiming = journal.claim(&wants, 9);
        // Its commit is passed once the piece is asked for.
        let failed = poll_fn(|cx| {
            let claimed = claiming.as_mut().poll(cx);
            if shelf.unreadable() == 0 {
                shelf.break_next(fault);
                return Poll::Ready(claimed);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        if failed.await.is_pending() {
            claiming.await.unwrap_err();
        }
        let mut claimed = Vec::new();
        for _ in 0..3 {
            claimed.extend(journal.claim(&wants, 9).await.map(|claims| claims.claims).unwrap_or_default());
        }
        let [claim] = &claimed[..] else { panic!("{fault:?}: {claimed:?}") };
        assert_eq!((claim.id, &claim.input), (id, &vec![1; 5000]));
        journal.release(claim, false).await.unwrap().unwrap();
    }
    close(&journal).await;
}

/// What was acknowledged is there after an orderly end, also if a commit has failed right before.
#[tokio::test(start_paused = true)]
async fn a_buffered_journal_pays_what_it_owes_before_it_is_closed() {
    for fault in [ShelfFault::Lost, ShelfFault::Untold] {
        for early in [false, true] {
            let shelf = Shelf::default();
            let journal = shelf.journal().buffered(HOUR);
            journal.start(scope()).await.unwrap();
            let id = launch(&journal, vec![1], Terms::default()).await;
            shelf.break_next(fault);
            if early {
                // It must be synced before it is told.
                journal.get(id).await.unwrap_err();
            }
            close(&journal).await;
            assert!(!shelf.is_armed());
            let journal = shelf.journal();
            journal.start(scope()).await.unwrap();
            assert!(journal.get(id).await.unwrap().is_some(), "{fault:?}: an acknowledged launch is lost");
            close(&journal).await;
        }
    }
}

/// A label is another name than a position, whatever it says.
#[tokio::test(start_paused = true)]
async fn a_label_that_looks_like_a_position_is_none() {
    let mut builder = System::builder().journal(MemoryJournal::new());
    let child = builder.register(agent_fn(|n: u32, _| async move { Ok(n) }).named("child"));
    let parent = builder.register(
        agent_fn(move |(): (), cx: AgentContext| {
            let child = child.clone();
            async move {
                let one = cx.launch(&child, 7).await?;
                let other = cx.launch(&child, 7).label("#0").await?;
                Ok((one.id().to_string(), other.id().to_string()))
            }
        })
        .named("parent"),
    );
    let system = builder.start().await.unwrap();
    let (one, other) = system.launch(&parent, ()).await.unwrap().result().await.unwrap().unwrap();
    assert_ne!(one, other, "two launches became one");
    system.shutdown(SECOND).await.unwrap();
}

/// A system that fails ends, also while a body goes on that should have stopped long ago.
#[test]
fn a_system_that_fails_does_not_wait_for_a_body_that_does_not_stop() {
    let runtime = threads(2);
    let (leave, stay) = std::sync::mpsc::channel::<()>();
    let stay = Mutex::new(stay);
    runtime.block_on(async {
        let mut builder = System::builder().journal(MemoryJournal::new());
        let stuck = blocking(move |(): (), _: AgentContext| {
            let _ = stay.lock().unwrap().recv();
            Ok(())
        });
        let stuck = builder.register(stuck.named("stuck"));
        builder.supervisor("frail");
        let system = builder.start().await.unwrap();
        let once = Restart::attempts(1);
        let ticket = system.launch(&stuck, ()).timeout(20 * MS).restart(once).await.unwrap();
        // Its timeout is over, and its outcome waits for the body.
        sleep(300 * MS).await;
        assert_eq!(ticket.status().await.unwrap(), LaunchStatus::Running);
        for _ in 0..10 {
            system.break_supervisor("frail");
            sleep(20 * MS).await;
        }
        let ended = timeout(20 * SECOND, system.wait()).await;
        drop(leave);
        assert!(ended.expect("the system does not end").unwrap_err().is_escalated());
    });
}

/// Whoever has a journal may use it where no runtime is.
#[test]
fn a_journal_can_be_asked_outside_of_a_runtime() {
    let runtime = threads(1);
    let journal = MemoryJournal::new();
    runtime.block_on(journal.start(scope())).unwrap();
    let mut answer = journal.append(vec![intent(vec![1], Terms::default())]);
    let mut cx = Context::from_waker(Waker::noop());
    let appended = loop {
        match answer.as_mut().poll(&mut cx) {
            Poll::Ready(appended) => break appended.unwrap(),
            Poll::Pending => std::thread::yield_now(),
        }
    };
    assert!(matches!(appended[..], [Appended::New(_)]));
    runtime.block_on(close(&journal));
}

/// An actor that does not start.
struct NoDisk;

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for NoDisk {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Err("no disk".into())
    }
}

/// A system that could not be started has let go of its journal: it may be started again at once.
#[tokio::test(start_paused = true)]
async fn a_start_that_fails_leaves_the_journal_free() {
    let directory = Directory::new();
    for _ in 0..5 {
        let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
        let resident = actor::resident("disk", || (NoDisk, ()), |(): (), _: RpcReplyPort<()>| ());
        builder.supervisor("disks").resident(resident);
        builder.start().await.unwrap_err();
    }
}
