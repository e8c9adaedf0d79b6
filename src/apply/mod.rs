//! Executing plans: what may start when ([`run`], pure) and the requests themselves ([`job`]; `adopt`: taking over an
//! object of helm's or kubectl's, and giving it back).
//!
//! The sync task owns a [`run::Run`] and asks it what may start; jobs are futures that report back. A wait (for a
//! dependency, a CRD, readiness) is a state in the run, never a worker.

mod adopt;
pub mod job;
pub mod run;
