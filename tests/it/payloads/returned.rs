//! What returns is recorded, byte for byte as it was written.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Debug;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use sortie::{MemoryJournal, System, agent_fn};

use super::scene;

/// Checks that the input arrives as it was given.
async fn returns<T: Serialize + DeserializeOwned + Clone + Debug + PartialEq + Send + 'static>(input: T) {
    assert_eq!(scene().await.arrives(input.clone()).await, input);
}

#[tokio::test(start_paused = true)]
async fn ordinary_values_arrive_as_they_were_given() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum Shape {
        Point,
        Circle(f32),
        Line { from: (i8, i8), to: (i8, i8) },
    }
    returns(()).await;
    returns((1_u8, 'x', "a \"b\" \\ \u{1}\u{7f}é\u{1f600}\n".to_owned(), None::<u32>, Some(3), true)).await;
    returns((u128::MAX, i128::MIN, u64::MAX, i64::MIN)).await;
    returns(vec![Shape::Point, Shape::Circle(0.1), Shape::Line { from: (1, -1), to: (2, 3) }]).await;
    returns(BTreeMap::from([(-3, vec![Duration::from_nanos(7)]), (4, Vec::new())])).await;
    returns((0..500).map(|n| (format!("key {n}"), n)).collect::<HashMap<_, _>>()).await;
    returns((0..500).map(|n| (n, HashSet::from([n.to_string()]))).collect::<HashMap<_, _>>()).await;
    returns((0..500).map(|n| format!("{n}")).collect::<HashSet<_>>()).await;
    returns(HashSet::from([vec![Some(1)], vec![None], vec![Some(1), None]])).await;
    returns(serde_json::json!({"b": [1, -1, 1.5, null, {"a": "x"}], "a": u64::MAX})).await;
    returns((f64::MAX, f64::MIN_POSITIVE, 5e-324, -0.0, 1e21, f32::MAX, f32::MIN_POSITIVE)).await;
}

#[tokio::test(start_paused = true)]
async fn each_float_arrives_as_it_was_given() {
    returns(vec![1.577_777_777_777_000_1, 0.1 + 0.2]).await;
    let mut random = fastrand::Rng::with_seed(7);
    let floats = std::iter::repeat_with(|| f64::from_bits(random.u64(..))).filter(|float| float.is_finite());
    let floats: Vec<_> = floats.take(20_000).collect();
    returns(floats).await;
    let singles = std::iter::repeat_with(|| f32::from_bits(random.u32(..))).filter(|float| float.is_finite());
    let singles: Vec<_> = singles.take(20_000).collect();
    returns(singles).await;
}

/// A module for `serde(with)`: a number that is none is written as `null`, and `null` is read as one.
mod nan_as_null {
    use super::*;

    pub fn serialize<S: Serializer>(float: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(*float)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
    }
}

/// The same for an option of an option: what is missing is `None`, and `null` is `Some(None)`.
mod double_option {
    use super::*;

    pub fn serialize<S: Serializer>(value: &Option<Option<u32>>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_some(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u32>>, D::Error> {
        Option::deserialize(deserializer).map(Some)
    }
}

#[tokio::test(start_paused = true)]
async fn types_that_bring_back_what_json_has_not_are_taken() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Patch {
        #[serde(default, skip_serializing_if = "Option::is_none", with = "double_option")]
        note: Option<Option<u32>>,
    }
    #[derive(Debug, Clone, Serialize, Deserialize)]
    struct Rate {
        #[serde(with = "nan_as_null")]
        rate: f64,
    }
    for note in [None, Some(None), Some(Some(1))] {
        returns(Patch { note }).await;
    }
    let scene = scene().await;
    assert!(scene.arrives(Rate { rate: f64::NAN }).await.rate.is_nan());
    // Infinity would return as NaN.
    assert!(scene.refused(Rate { rate: f64::INFINITY }).await.contains("`.rate`"));
}

#[tokio::test(start_paused = true)]
async fn raw_json_is_stored_and_given_back_to_the_byte() {
    let mut builder = System::builder().journal(MemoryJournal::new());
    let echo = agent_fn(|raw: Box<RawValue>, _| async move { Ok(raw) }).named("echo");
    let echo = builder.register(echo);
    let system = builder.start().await.unwrap();
    let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
    for text in [
        r#"{"account":1234567890123456789012345}"#,
        r#"{"z":1,"a":2,"z":3}"#,
        r#"[1e3,1E+03,-0,0.10,100000000000000000000000.5]"#,
        "{ \"b\" : [ 1 ,\n\t2 ] , \"a\" : \"\\u0041\\/\\ud800\" }",
        &deep,
    ] {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        let ticket = system.launch(&echo, raw).key(text.len()).await.unwrap();
        assert_eq!(ticket.result().await.unwrap().unwrap().get(), text);
        let again = RawValue::from_string(text.to_owned()).unwrap();
        assert!(system.launch(&echo, again).key(text.len()).await.unwrap().is_known());
    }
}

#[tokio::test(start_paused = true)]
async fn fields_are_stored_in_the_order_in_which_they_are_given() {
    #[derive(Serialize, Deserialize)]
    struct Order {
        zone: u32,
        amount: f64,
        item: String,
    }
    let mut builder = System::builder().journal(MemoryJournal::new());
    // The stored JSON, as an agent sees it that takes any.
    let agent = agent_fn(|raw: Box<RawValue>, _| async move { Ok(raw.get().to_owned()) }).named("order");
    builder.register(agent);
    let system = builder.start().await.unwrap();
    let order =
        sortie::AgentRef::new(agent_fn(|_: Order, _| async move { Ok(String::new()) }).named("order"));
    let ticket = system.launch(&order, Order { zone: 1, amount: 1e3, item: "x".to_owned() }).await.unwrap();
    assert_eq!(ticket.result().await.unwrap().unwrap(), r#"{"zone":1,"amount":1000.0,"item":"x"}"#);
}
