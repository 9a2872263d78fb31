//! How subjects compete, whatever the suite: the attempt as peers make it, the arena in which their times are taken, and
//! how much memory there is in use.

pub mod arena;
pub mod attempt;
pub mod resident;
pub mod slots;
pub mod subject;
