//! The user's repository: retune.yaml, apps, profiles, layering, the graph, one revision's render.
