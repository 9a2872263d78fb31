//! What can be carried as bytes.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Inputs and outputs that can be carried as bytes: what a [registered](crate::Builder::register) agent asks of them,
/// because it can be called with JSON.
///
/// They are carried as JSON, and checked: see [`Launch`](crate::Launch) for what is refused.
///
/// Implemented for everything that is `Serialize + DeserializeOwned + Send + 'static`; not to be implemented by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be carried as bytes",
    label = "a registered agent needs inputs and outputs that are `Serialize + DeserializeOwned`",
    note = "derive `serde::Serialize` and `serde::Deserialize`, or use the agent without registering it"
)]
pub trait Payload: Serialize + DeserializeOwned + Send + 'static {}

impl<T: Serialize + DeserializeOwned + Send + 'static> Payload for T {}
