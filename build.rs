//! How the binary is linked.
//!
//! A release build for GNU/Linux is linked at a fixed address, as Go's are (helm's, kubectl's, those of Argo CD and Flux): `helm template`
//! and `kustomize build` are started once for each chart or kustomization, and a third of a start was the relocation of tables. Heap,
//! stack and libraries stay where chance puts them.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|v| v == value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") && is("PROFILE", "release") {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
