//! A system under an actor of the user's.

use ractor::ActorCell;

use crate::supervisor::tree::Parent;
use crate::system::{Builder, System};

/// Links the root of the system that `builder` will start under `supervisor`.
///
/// If that actor ends, the system ends with it, at once and without a grace, and [`System::wait`] returns an error; shut the
/// system down first. If the system fails by itself, the actor gets a `SupervisionEvent::ActorFailed` of the
/// [`root`], and after a shutdown an `ActorTerminated`. ractor's default `handle_supervisor_evt` stops an actor in
/// both cases.
///
/// ```
/// use sortie::{System, actor};
/// use ractor::{Actor, ActorProcessingErr, ActorRef};
///
/// struct Service;
///
/// impl Actor for Service {
///     type Msg = ();
///     type State = System;
///     type Arguments = ();
///
///     async fn pre_start(&self, myself: ActorRef<()>, (): ()) -> Result<System, ActorProcessingErr> {
///         let mut builder = System::builder();
///         actor::link(&mut builder, myself.get_cell());
///         Ok(builder.start().await?)
///     }
/// }
/// ```
pub fn link(builder: &mut Builder, supervisor: ActorCell) {
    builder.link(Parent(supervisor));
}

/// The root of a system, to recognise it in supervision events. To end a system, [shut it down](System::shutdown).
pub fn root(system: &System) -> Option<ActorCell> {
    system.tree().tree().root()
}
