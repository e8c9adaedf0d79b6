//! The only room that knows kube: clients, discovery, apply, watches.
