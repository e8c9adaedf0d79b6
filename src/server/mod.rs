//! REST API, web UI, metrics.
