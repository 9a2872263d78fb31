//! How subjects compete, whatever the suite: the attempt as peers make it, an actor for each of them, the arena in which their times are taken, and
//! how much memory there is in use.

pub mod arena;
pub mod attempt;
pub mod ractor_per_item;
pub mod resident;
pub mod slots;
pub mod subject;
