//! The durable record of every sync.
