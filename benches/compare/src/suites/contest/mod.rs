//! How subjects compete, whatever the suite: the attempt as peers make it, and the arena in which their times are taken.

pub mod arena;
pub mod attempt;
pub mod slots;
pub mod subject;
