//! Equal inputs are the same launch under a key, also if they were recorded by an earlier version.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hasher;

use proptest::collection::{btree_map, vec};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use siphasher::sip128::{Hasher128, SipHasher13};
use sortie::journal::{Appended, Due, Intent, Journal, Scope, Terms};
use sortie::{
    AgentContext, AgentRef, LaunchErrorKind, MemoryJournal, Payload, Restart, SledJournal, System, agent_fn,
};

use super::scene;
use crate::directory::Directory;
use crate::support::SECOND;

/// What earlier versions have stored, and have taken the digest of.
fn canonical<I: Serialize>(input: &I) -> Vec<u8> {
    match serde_json::to_value(input) {
        Ok(value) => serde_json::to_vec(&sorted(value)).unwrap(),
        Err(_) => serde_json::to_vec(input).unwrap(),
    }
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            fields.sort_by(|(one, _), (other, _)| one.cmp(other));
            fields.into_iter().collect()
        }
        other => other,
    }
}

/// Checks that these inputs, as earlier versions have recorded them, are known.
async fn are_known<I: Payload>(inputs: Vec<I>) {
    let directory = Directory::new();
    let journal = SledJournal::open(directory.journal()).unwrap();
    journal.start(Scope::new(["keep".to_owned()])).await.unwrap();
    let intents = inputs.iter().enumerate().map(|(n, input)| {
        let input = canonical(input);
        let mut hasher = SipHasher13::new();
        hasher.write(&input);
        let (digest, key) = (hasher.finish128().as_u128(), Some(n.to_string()));
        Intent { agent: "keep".to_owned(), key, digest, input, due: Due::Now, terms: Terms::default() }
    });
    let appended = journal.append(intents.collect()).await.unwrap();
    assert!(appended.iter().all(|appended| matches!(appended, Appended::New(_))));
    journal.close();
    journal.closed().await.unwrap();
    drop(journal);

    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    let agent = builder.register(agent_fn(|_: I, _| async { Ok(()) }).named("keep"));
    let system = builder.start().await.unwrap();
    for (n, input) in inputs.into_iter().enumerate() {
        let text = serde_json::to_string(&input).unwrap();
        let launched = system.launch(&agent, input).key(n).await;
        assert!(launched.is_ok_and(|ticket| ticket.is_known()), "{text}");
    }
    system.shutdown(SECOND).await.unwrap();
}

/// So many samples, the same each time.
fn samples<S: Strategy>(strategy: S, count: usize) -> Vec<S::Value> {
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        "[a-c]{0,3}",
        Just("\"\\/\n\u{8}\u{c}\u{1f}\u{7f}".to_owned())
    ];
    vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn values() -> impl Strategy<Value = Value> {
    let finite = any::<f64>().prop_filter("finite", |float| float.is_finite());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-3_i32..3).prop_map(|n| Value::from(f64::from(n))),
        finite.prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            btree_map(text(), inner, 0..6).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

#[tokio::test(start_paused = true)]
async fn values_that_earlier_versions_have_recorded_are_known() {
    are_known(samples(values(), 600)).await;
}

#[derive(Debug, Serialize, Deserialize)]
struct Typed {
    zone: Option<u32>,
    single: f32,
    amount: f64,
    id: u128,
    kind: Kind,
    labels: HashMap<String, f32>,
    by_rate: BTreeMap<i16, (char, String)>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Kind {
    Plain,
    Of(Vec<f32>),
    Named { z: i64, a: Option<String> },
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Plain),
        vec(singles(), 0..4).prop_map(Kind::Of),
        (any::<i64>(), proptest::option::of(text())).prop_map(|(z, a)| Kind::Named { z, a }),
    ]
}

fn singles() -> impl Strategy<Value = f32> {
    any::<f32>().prop_filter("finite", |float| float.is_finite())
}

#[tokio::test(start_paused = true)]
async fn typed_inputs_that_earlier_versions_have_recorded_are_known() {
    let doubles = any::<f64>().prop_filter("finite", |float| float.is_finite());
    let id = any::<u64>().prop_map(u128::from);
    let labels = proptest::collection::hash_map(text(), singles(), 0..5);
    let by_rate = btree_map(any::<i16>(), (any::<char>(), text()), 0..4);
    let rest = btree_map(
        "r[a-z]{3}",
        prop_oneof![any::<u32>().prop_map(Value::from), text().prop_map(Value::from)],
        0..4,
    );
    let typed = (any::<Option<u32>>(), singles(), doubles, id, kinds(), labels, by_rate, rest);
    let typed = typed.prop_map(|(zone, single, amount, id, kind, labels, by_rate, rest)| Typed {
        zone,
        single,
        amount,
        id,
        kind,
        labels,
        by_rate,
        rest,
    });
    are_known(samples(typed, 400)).await;
    are_known(vec![0.1_f32, 1e10, -0.0, f32::MIN_POSITIVE]).await;
    are_known(vec![HashMap::from([("b".to_owned(), 0.1_f32), ("a".to_owned(), 0.7)])]).await;
}

#[tokio::test(start_paused = true)]
async fn raw_inputs_that_a_value_holds_are_known_however_they_are_written() {
    let texts = [
        "{\"b\":[1,2.50,1e3,-0],\"a\":\"\\u0041\\/\\n\\ud83d\\ude00\"}",
        "[ 1 , { \"a\" : null } ]",
        "0.1",
        "1E2",
    ];
    are_known(texts.map(|text| RawValue::from_string(text.to_owned()).unwrap()).into()).await;
}

/// Checks that of these inputs the first is new under a key, and each other one known.
async fn are_one<T: Payload>(inputs: impl IntoIterator<Item = T>) {
    let scene = scene().await;
    for (n, input) in inputs.into_iter().enumerate() {
        let ticket = scene.system.launch(&scene.agent, input).key("k").await.unwrap();
        assert_eq!(ticket.is_known(), n > 0);
    }
}

#[tokio::test(start_paused = true)]
async fn equal_inputs_are_one_launch_whatever_numbers_are_in_them() {
    #[derive(Serialize, Deserialize)]
    struct Labelled {
        id: u128,
        labels: HashMap<String, i128>,
    }
    let labels = || (0..20).map(|n| (format!("label {n}"), i128::MIN + n)).collect::<HashMap<_, _>>();
    are_one((0..20).map(|_| Labelled { id: u128::MAX, labels: labels() })).await;
    are_one((0..20).map(|_| labels())).await;
    are_one((0..20).map(|_| (0..20).map(|n| (u128::MAX - n, vec![labels()])).collect::<HashMap<_, _>>()))
        .await;
    let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
    are_one([
        raw(r#"{"a":123456789012345678901,"b":[1.50]}"#),
        raw(r#"{"b":[ 15e-1 ],"a":123456789012345678901}"#),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn inputs_that_differ_in_a_number_or_a_repeated_key_are_two() {
    let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
    for (one, other) in [
        ("1234567890123456789012345", "1234567890123456789012346"),
        (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        (r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#),
        ("0.12345678901234567891", "0.12345678901234567892"),
        ("1", "1.0"),
        ("1e400", "1e401"),
        ("1e-400", "0.0"),
    ] {
        let scene = scene().await;
        scene.system.launch(&scene.agent, raw(one)).key("k").await.unwrap();
        let error = scene.system.launch(&scene.agent, raw(other)).key("k").await.unwrap_err();
        assert!(matches!(error.kind(), LaunchErrorKind::KeyConflict(_)), "{one} {other}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_that_is_found_again_has_the_same_input() {
    let mut builder = System::builder().journal(MemoryJournal::new());
    let leaf = agent_fn(|_: HashMap<String, u128>, _| async { Ok(()) });
    let leaf = builder.register(leaf.named("leaf"));
    let parent = agent_fn(move |(): (), cx: AgentContext| {
        let leaf = leaf.clone();
        async move {
            let input = (0..20).map(|n| (n.to_string(), u128::MAX)).collect();
            let ticket = cx.launch(&leaf, input).await?;
            if cx.attempt() < 9 {
                Err("again".into())
            } else {
                Ok((ticket.is_known(), ticket.input_differs()))
            }
        }
    });
    let parent = builder.register(AgentRef::new(parent.named("parent")).restart(Restart::attempts(9)));
    let system = builder.start().await.unwrap();
    let ticket = system.launch(&parent, ()).await.unwrap();
    assert_eq!(ticket.result().await.unwrap().unwrap(), (true, false));
}
