//! Serde implementations that panic, never end, or are in a circle: each costs its own launch, and bounded memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sortie::{LaunchErrorKind, LaunchStatus, MemoryJournal, System, agent_fn};

use super::scene;
use crate::support::SECOND;

/// A type with a `Deserialize` that reads anything, and this `Serialize`.
macro_rules! written_as {
    ($name:ident, |$this:ident, $serializer:ident| $body:expr) => {
        struct $name;
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, $serializer: S) -> Result<S::Ok, S::Error> {
                let $this = self;
                $body
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
            }
        }
    };
}

written_as!(Panics, |_this, _serializer| panic!("no form"));
written_as!(Endless, |_this, serializer| serializer.collect_seq(std::iter::repeat("again")));
written_as!(Deaf, |_this, serializer| {
    let mut seq = serializer.serialize_seq(None)?;
    for _ in 0..4_000_000 {
        // It does not look at what it is told.
        let _ = seq.serialize_element("again");
    }
    seq.end()
});
written_as!(Circle, |this, serializer| serializer.collect_seq([this]));
written_as!(SomeCircle, |this, serializer| serializer.serialize_some(this));
written_as!(NewtypeCircle, |this, serializer| serializer.serialize_newtype_struct("NewtypeCircle", this));
written_as!(KeyCircle, |_this, serializer| serializer.collect_map([(SomeCircle, 1)]));
written_as!(Lies, |_this, serializer| {
    let mut seq = serializer.serialize_seq(Some(3))?;
    let _ = seq.serialize_element(&Panics2);
    seq.end()
});

struct Panics2;
impl Serialize for Panics2 {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("x".repeat(1 << 20)))
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_or_a_circle_while_an_input_is_written_is_the_error_of_its_launch() {
    assert!(
        scene().await.refused(vec![Panics]).await.contains("`[0]`: its `Serialize` has panicked: no form")
    );
    assert!(scene().await.refused(Circle).await.contains("nested deeper"));
    assert!(scene().await.refused(SomeCircle).await.contains("nested deeper"));
    assert!(scene().await.refused(NewtypeCircle).await.contains("nested deeper"));
    assert!(scene().await.refused(KeyCircle).await.contains("nested deeper"));
    scene().await.arrives(vec![Lies]).await;
}

#[tokio::test(start_paused = true)]
async fn what_never_ends_is_given_up_when_it_is_too_long() {
    for end in [true, false] {
        let error = match end {
            true => scene::<Endless>().await.refuses(Endless).await,
            false => scene::<Deaf>().await.refuses(Deaf).await,
        };
        let LaunchErrorKind::TooLarge { bytes, limit } = error else { panic!("{error:?}") };
        assert!(bytes > 4 * limit && bytes < 5 * limit && limit == 1 << 20, "{bytes}");
    }
    // Up to there the length is told.
    let error = scene().await.refuses("x".repeat(2 << 20)).await;
    assert!(matches!(error, LaunchErrorKind::TooLarge { bytes, .. } if bytes == (2 << 20) + 2), "{error:?}");
}

impl<T: Serialize + serde::de::DeserializeOwned + Send + 'static> super::Scene<T> {
    async fn refuses(&self, input: T) -> LaunchErrorKind {
        self.system.launch(&self.agent, input).await.unwrap_err().kind().clone()
    }
}

static DROPS: AtomicUsize = AtomicUsize::new(0);

#[derive(Serialize, Deserialize)]
struct DropPanics(u32);

impl Drop for DropPanics {
    fn drop(&mut self) {
        DROPS.fetch_add(1, Ordering::Relaxed);
        panic!("no end");
    }
}

#[tokio::test(start_paused = true)]
async fn values_that_panic_when_they_are_dropped_are_recorded_all_the_same() {
    let mut builder = System::builder().journal(MemoryJournal::new());
    let echo = agent_fn(|input: DropPanics, _| std::future::ready(Ok(input)));
    let echo = builder.register(echo.named("echo"));
    let system = builder.start().await.unwrap();
    let ticket = system.launch(&echo, DropPanics(3)).await.unwrap();
    let output = ticket.result().await.unwrap().unwrap();
    assert_eq!(output.0, 3);
    std::mem::forget(output);
    assert!(DROPS.load(Ordering::Relaxed) >= 4);
    assert_eq!(ticket.record().await.unwrap().attempts, 1);
}

/// Reads itself once, and panics from then on if it is told to.
#[derive(Serialize)]
struct ReadOnce(bool);

static READS: AtomicUsize = AtomicUsize::new(0);

impl<'de> Deserialize<'de> for ReadOnce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let panics = bool::deserialize(deserializer)?;
        assert!(!panics || READS.fetch_add(1, Ordering::Relaxed) == 0, "not again");
        Ok(Self(panics))
    }
}

#[tokio::test(start_paused = true)]
async fn an_input_whose_reading_panics_in_this_process_is_parked_and_others_run() {
    let scene = scene::<ReadOnce>().await;
    let parked = scene.launch(ReadOnce(true)).await;
    let other = scene.launch(ReadOnce(false)).await;
    assert_eq!(other.result().await.unwrap().unwrap(), 7);
    tokio::time::sleep(SECOND).await;
    assert_eq!(parked.status().await.unwrap(), LaunchStatus::Parked);
    assert!(scene.refused(ReadOnce(true)).await.contains("its `Deserialize` has panicked: not again"));
}
