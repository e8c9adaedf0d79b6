//! How the binary is linked.
//!
//! A release build for GNU/Linux is linked at a fixed address, as Go's are (helm's, kubectl's, those of Argo CD and Flux): `helm template`
//! and `kustomize build` are started once for each chart or kustomization, and a third of a start was the relocation of tables. Heap,
//! stack and libraries stay where chance puts them. The unwinder comes from the compiler's archive where it has one: each shared
//! library is about a tenth of a start.
//!
//! The functions that a render runs lie side by side (`.cargo/order.ld`, written by `benches/order`): else the kernel maps nearly all of the
//! binary piece by piece. The script is for the GNU linkers and lld; a linker of the user's own choice is left alone.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|v| v == value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") && is("PROFILE", "release") {
        println!("cargo:rustc-link-arg-bins=-no-pie");
        println!("cargo:rerun-if-changed=.cargo/order.ld");
        let order = std::env::var("CARGO_MANIFEST_DIR").map(|root| format!("{root}/.cargo/order.ld"));
        if let Ok(order) = order
            && Path::new(&order).is_file()
            && !linker_is_chosen()
        {
            println!("cargo:rustc-link-arg-bins=-T");
            println!("cargo:rustc-link-arg-bins={order}");
        }
        if std::env::var("HOST") == std::env::var("TARGET") && has_unwinder() {
            println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
        }
    }
}

/// Whether the user named a linker: it may know no scripts.
fn linker_is_chosen() -> bool {
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    std::env::var_os("RUSTC_LINKER").is_some() || flags.contains("link-arg") || flags.contains("linker")
}

/// Whether the linker would find the unwinder as an archive: the compiler answers with its path, or else with the bare name.
fn has_unwinder() -> bool {
    let asked = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output();
    asked.is_ok_and(|answer| {
        String::from_utf8(answer.stdout).is_ok_and(|path| Path::new(path.trim()).is_absolute())
    })
}
