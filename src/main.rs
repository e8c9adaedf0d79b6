//! The `retune` binary: everything is in the library's `cli` room.

use std::process::ExitCode;

fn main() -> ExitCode {
    retune::cli::main()
}

/// A renderer lives for milliseconds and frees next to nothing: huge pages make fewer page faults of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
