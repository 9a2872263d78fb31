//! What JSON does not hold is refused before it is acknowledged, with the path to it.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::scene;

/// Checks that the input is refused, and that the text says where and why.
async fn refused<T: Serialize + DeserializeOwned + Send + 'static>(input: T, parts: &[&str]) {
    let text = scene().await.refused(input).await;
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Of<T> {
    items: Vec<T>,
}

fn of<T>(items: impl IntoIterator<Item = T>) -> Of<T> {
    Of { items: items.into_iter().collect() }
}

#[tokio::test(start_paused = true)]
async fn floats_that_are_no_numbers_are_refused_with_their_path() {
    refused(f64::NAN, &["NaN"]).await;
    refused(f32::NEG_INFINITY, &["-infinity"]).await;
    refused(of([1.0, f64::INFINITY]), &["`.items[1]`", "infinity"]).await;
    refused(of([None, Some(f64::NAN)]), &["`.items[1]`", "NaN"]).await;
    refused(
        HashMap::from([("rate of EUR", f32::NAN)].map(|(key, rate)| (key.to_owned(), rate))),
        &["[\"rate of EUR\"]"],
    )
    .await;
    refused((1, of([of([Some(f64::NAN)])])), &["`[1].items[0].items[0]`"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_some_that_is_written_as_null_is_refused_with_its_path() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Unit;
    #[derive(Debug, Serialize, Deserialize)]
    struct Newtype(Option<u32>);
    refused(Some(None::<u32>), &["`Some`"]).await;
    refused(Some(()), &["`Some`"]).await;
    refused(of([Some(Some(1)), None, Some(None)]), &["`.items[2]`", "`Some`"]).await;
    refused(of([Some(Unit)]), &["`.items[0]`", "`Some`"]).await;
    refused(of([Some(Newtype(None))]), &["`.items[0]`"]).await;
    refused(of([Some(serde_json::Value::Null)]), &["`.items[0]`"]).await;
    refused(Some(RawValue::from_string("null".to_owned()).unwrap()), &["`Some`"]).await;
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Move { account: u128 },
    Debt { cents: i128 },
}

#[derive(Debug, Serialize, Deserialize)]
struct Flat {
    name: String,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Debug, Serialize, Deserialize)]
struct Rest {
    account: u128,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Account(u128),
    Name(String),
}

#[tokio::test(start_paused = true)]
async fn long_integers_in_types_that_buffer_are_refused_with_their_path() {
    refused(Tagged::Move { account: u128::MAX }, &["`.account`", "128 bits"]).await;
    refused(of([Tagged::Debt { cents: i128::MIN }]), &["`.items[0].cents`", "128 bits"]).await;
    refused(Flat { name: "a".to_owned(), rest: Rest { account: u128::MAX } }, &["`.account`", "128 bits"])
        .await;
    let names = || of([Untagged::Name("a".to_owned()), Untagged::Account(u128::MAX), Untagged::Account(1)]);
    refused(names(), &["`.items[1]`", "128 bits"]).await;
    refused((u128::MAX, names()), &["`[1].items[1]`", "128 bits"]).await;
    scene().await.arrives((u128::MAX, vec![Some(i128::MIN)])).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_nested_deeper_than_it_is_read_is_refused() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Nested {
        below: Option<Box<Nested>>,
    }
    #[derive(Debug, Serialize, Deserialize)]
    enum Variant {
        Leaf,
        Below(Box<Variant>),
    }
    let nested =
        |levels| (1..levels).fold(Nested { below: None }, |below, _| Nested { below: Some(Box::new(below)) });
    let variant = |levels| (0..levels).fold(Variant::Leaf, |below, _| Variant::Below(Box::new(below)));
    scene().await.arrives(nested(127)).await;
    refused(nested(128), &["`.below.below", "…", "nested deeper"]).await;
    refused(nested(2_000), &["nested deeper"]).await;
    scene().await.arrives(variant(127)).await;
    refused(variant(128), &["nested deeper"]).await;
    let deep = |levels| (1..levels).fold(serde_json::json!([]), |below, _| serde_json::json!([below]));
    scene().await.arrives(deep(127)).await;
    refused(deep(128), &["nested deeper"]).await;
}

#[tokio::test(start_paused = true)]
async fn variants_that_return_as_others_are_refused() {
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Number {
        Small(u32),
        Large(u64),
    }
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Amount {
        Exact(f64),
        Whole(u64),
    }
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Text {
        Name(String),
        Grade(char),
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct First {
        id: u32,
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct Second {
        id: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    }
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        One(First),
        Two(Second),
    }
    refused(of([Number::Small(1), Number::Large(5)]), &["`.items[1]`", "another value"]).await;
    refused(of([Amount::Exact(1.5), Amount::Whole(2)]), &["`.items[1]`", "another value"]).await;
    refused(of([Text::Name("a".to_owned()), Text::Grade('x')]), &["`.items[1]`", "another value"]).await;
    refused(of([Either::One(First { id: 1 }), Either::Two(Second { id: 2, note: None })]), &["`.items[1]`"])
        .await;
    scene().await.arrives(of([Number::Small(1), Number::Large(u64::MAX)])).await;
}

#[tokio::test(start_paused = true)]
async fn values_whose_halves_do_not_fit_each_other_are_refused() {
    #[derive(Debug)]
    struct Reversed(Vec<u32>);
    impl Serialize for Reversed {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(self.0.iter().map(|n| n + 1))
        }
    }
    impl<'de> Deserialize<'de> for Reversed {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            Vec::deserialize(deserializer).map(Self)
        }
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct Renamed {
        #[serde(rename(serialize = "to", deserialize = "recipient"))]
        to: String,
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct Defaulted {
        #[serde(rename(serialize = "limit", deserialize = "max"), default)]
        limit: u32,
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct Twice {
        id: u32,
        #[serde(flatten)]
        rest: HashMap<String, u32>,
    }
    refused(Reversed(vec![1, 2]), &["another value"]).await;
    refused(of([Renamed { to: "a".to_owned() }]), &["`.items[0]`", "missing field `recipient`"]).await;
    refused(of([Defaulted { limit: 3 }]), &["`.items[0]", "another value"]).await;
    refused(Twice { id: 1, rest: HashMap::from([("id".to_owned(), 2)]) }, &["duplicate field `id`"]).await;
    refused(HashMap::from([((1, 2), 3)]), &["key must be a string"]).await;
}

#[tokio::test(start_paused = true)]
async fn paths_are_short_and_quote_what_is_no_word() {
    let key = format!("{}\u{1b}[31m", "k".repeat(100));
    let text = scene().await.refused(HashMap::from([(key, f64::NAN)])).await;
    assert!(text.len() < 200 && text.contains("[\"kkk") && !text.contains('\u{1b}'), "{text}");
}
