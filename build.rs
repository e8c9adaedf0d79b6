//! How the binary is linked.
//!
//! The build without the syncer is the pure renderers: safe Rust without a network, started once for each chart or kustomization.
//! Its binary is linked at a fixed address, as Go's are (helm's, kubectl's), because a third of its start was the relocation of
//! tables. Heap, stack and libraries stay where chance puts them. The syncer's binary is position-independent.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|v| v == value);
    let syncer = std::env::var_os("CARGO_FEATURE_SYNCER").is_some();
    if !syncer
        && is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && is("PROFILE", "release")
    {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
