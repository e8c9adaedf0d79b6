//! The loop: revisions in, a cloud in tune out.
//!
//! One task ([`engine`]) owns a cloud's state and is its only writer; renders, reads and writes are jobs that report
//! back to it. It is fed by watches ([`crate::cluster::watch`]), by the source ([`follow`]) and by its `CloudSync`.
//!
//! | module | subject |
//! |---|---|
//! | [`index`] | what is known of each object, and the verdict on an event (pure) |
//! | [`memory`] | the inventory as it is kept in memory and written to its shards (pure) |
//! | [`fight`] | backing off from a rival that takes a field again and again (pure) |
//! | [`engine`] | the task: its state and its loop |
//! | [`observe`], [`revise`], [`work`], [`control`], [`report`] | what it does with events, revisions, jobs, requests; what it tells |
//! | [`hooks`] | Helm hooks |
//! | [`follow`] | source and render |
//! | [`start`], [`preview`] | starting a syncer; making a plan without one |

pub mod control;
pub mod engine;
pub mod fight;
pub mod follow;
pub mod hooks;
pub mod index;
pub mod memory;
pub mod observe;
pub mod preview;
pub mod report;
pub mod revise;
pub mod start;
pub mod work;
