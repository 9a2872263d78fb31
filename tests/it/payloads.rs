//! What is recorded of a value: JSON that returns as the same value, and nothing else.

mod digests;
mod hostile;
mod outputs;
mod refused;
mod returned;

use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sortie::{AgentRef, LaunchErrorKind, MemoryJournal, System, Ticket, agent_fn};

/// An agent that keeps its inputs, in a system of its own.
struct Scene<T> {
    system: System,
    agent: AgentRef<T, u32>,
    inputs: Arc<Mutex<Vec<T>>>,
}

async fn scene<T: Serialize + DeserializeOwned + Send + 'static>() -> Scene<T> {
    let inputs = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&inputs);
    let agent = agent_fn(move |input: T, _| {
        kept.lock().unwrap().push(input);
        async { Ok(7) }
    });
    let mut builder = System::builder().journal(MemoryJournal::new().longest_payload(1 << 20));
    let agent = builder.register(agent.named("keep"));
    let system = builder.start().await.unwrap();
    Scene { system, agent, inputs }
}

impl<T: Serialize + DeserializeOwned + Send + 'static> Scene<T> {
    /// Why a launch with this input is refused.
    async fn refused(&self, input: T) -> String {
        match self.system.launch(&self.agent, input).await {
            Err(error) => match error.kind() {
                LaunchErrorKind::BadInput(text) => text.clone(),
                other => panic!("{other:?}"),
            },
            Ok(ticket) => panic!("it was recorded: {ticket:?}"),
        }
    }

    async fn launch(&self, input: T) -> Ticket<u32> {
        self.system.launch(&self.agent, input).await.unwrap()
    }

    /// The input as it arrives.
    async fn arrives(&self, input: T) -> T {
        assert_eq!(self.launch(input).await.result().await.unwrap().unwrap(), 7);
        self.inputs.lock().unwrap().pop().unwrap()
    }
}
