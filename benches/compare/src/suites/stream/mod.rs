//! A stream of outcomes with a consumer that is slower than the agents: what it costs, and whether what waits
//! for the consumer grows with the number of items.
//!
//! Both subjects do equal work. The items come from an iterator; the agent is the same no-op `async fn`; at most
//! 64 attempts are under way at once; each has a timeout and may panic without harm to the others; each outcome
//! comes with its item's position, in the order of completion. The consumer does a fixed piece of work for each.
//!
//! Time and memory are measured apart. For time, subjects take turns in this process; `ideal` is the consumer
//! over the iterator, with nothing between them, and tells how much of an item's time is the consumer's own.
//! For memory, each sample has a process of its own, because a process keeps what earlier subjects have freed,
//! and the growth of the next one would not show. There the consumer also sleeps, a millisecond after every
//! 1,000 items: a producer that did not wait for it would then run ahead on any number of threads. A process is
//! new, so that its growth has a part that comes once: code that is read for the first time, and the first use
//! of the allocator. Flat means that a hundred times as many items need no more than that. `sortie-settled`,
//! which collects its outcomes, is there to show that growth would be seen.

mod consumer;
mod memory;
mod subjects;
mod suite;

pub use suite::SUITE;
