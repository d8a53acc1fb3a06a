//! The command `fmnist-gpu`: parse, run, exit code.

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    #[expect(unsafe_code, reason = "the environment is this process's own")]
    // SAFETY: the first thing in `main`, while there is no other thread.
    unsafe {
        fmnist_gpu::gpu::quiet_drivers();
    }
    fmnist_gpu::host::share_heap_within_a_limit();
    cli::main()
}
