//! Where trees come from: folders, Git, chart repositories.
