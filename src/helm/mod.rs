//! Helm v4.3: charts and values in, manifests and hooks out.
