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
//! | [`observe`], [`revise`], [`control`], [`report`] | what it does with events, revisions, requests; what it tells |
//! | [`progress`] | a run under way |
//! | [`work`], [`answers`], [`shards`] | starting requests; the server's answers; writing the inventory |
//! | `definitions`, `sizes` | what is asked of the cluster before a plan: instances of CRDs, live sizes of data |
//! | [`scan`] | what there is in the cluster before the first plan, and discovery |
//! | `ownership`, `surroundings` | fields that are others'; autoscalers that are not in Git |
//! | `verdicts`, `nodes` | what health is judged by; nodes that do not count for DaemonSets |
//! | [`hooks`] | Helm hooks |
//! | `secrets` | generated Secrets, and their rotation |
//! | [`testing`], [`teardown`] | `retune test`; the end of a cloud |
//! | [`holds`] | "hands off" an app or an object, until a time |
//! | [`apps`] | how each app stands, for the status |
//! | `adopt`, `takeover` | apps that helm or kubectl made: adopting them and giving them back; what there is of one |
//! | [`follow`] | source and render |
//! | [`inputs`] | live inputs of apps |
//! | `node_labels` | labels and annotations of nodes |
//! | [`why`] | what an app waits for, for people |
//! | [`start`], [`preview`], [`survey`], [`adoption_plan`] | starting a syncer; making a plan, or looking at drift or at what adopting changes, without one |

mod adopt;
pub mod adoption_plan;
pub mod answers;
pub mod apps;
pub mod control;
mod definitions;
pub mod engine;
mod feed;
pub mod fight;
pub mod follow;
pub mod holds;
pub mod hooks;
pub mod index;
pub mod inputs;
pub mod memory;
mod node_labels;
mod nodes;
pub mod observe;
mod ownership;
pub mod preview;
pub mod progress;
pub mod report;
pub mod revise;
pub mod scan;
mod secrets;
pub mod shards;
mod sizes;
pub mod start;
mod surroundings;
pub mod survey;
mod takeover;
pub mod teardown;
pub mod testing;
mod verdicts;
pub mod why;
pub mod work;
