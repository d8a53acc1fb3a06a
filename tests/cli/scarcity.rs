//! A machine that is short: the program runs as a user who may start few threads, or with little address space. It then
//! works with fewer threads, or ends with one sentence: no panic, no abort and no hang.
//!
//! Limits on processes do not bind root, and count all threads of a user. So each run gets a user id of its own where
//! the tests run as root, and else the limit is set above what the user has already.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::support::{Fixture, command};

/// A run that takes longer hangs.
const PATIENCE: &str = "30";

/// The largest limit on memory of the sweep, in KiB.
const MOST_MEMORY: u64 = 400_000;

/// Where this is set to 1, every command is run under every limit.
const SWEEP: &str = "FMNIST_GPU_SWEEP";

#[derive(Clone, Copy, Debug)]
enum Limit {
    None,
    /// So many processes and threads, the program's first one included.
    Threads(u64),
    /// So much address space, in KiB.
    Memory(u64),
}

/// The binary, data and a folder to write to, for users who may read nothing else.
struct Shared {
    fixture: Fixture,
    folder: TempDir,
}

impl Shared {
    fn new() -> Self {
        let shared = Self {
            fixture: Fixture::new(),
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        let binary = command().get_program().to_owned();
        fs::copy(binary, shared.binary()).expect("a copy of the binary");
        for folder in [shared.fixture.folder.path(), shared.folder.path()] {
            open_to_all(folder, 0o777);
        }
        shared
    }

    fn binary(&self) -> std::path::PathBuf {
        self.folder.path().join("fmnist-gpu")
    }

    /// Runs a program under a limit.
    fn run(&self, limit: Limit, program: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", PATIENCE]);
        let root = is_root();
        if root {
            // Not used by another run, nor by anybody else. Containers may have 65,536 of them.
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = std::process::id() * 1_000 + NEXT.fetch_add(1, Ordering::Relaxed);
            let user = (20_000 + number % 40_000).to_string();
            command.args(["setpriv", "--reuid", &user, "--regid", &user]);
            command.arg("--clear-groups");
        }
        command.args(["prlimit", "--core=0"]);
        match limit {
            Limit::None => {}
            Limit::Threads(count) => {
                // One is always exact: no more is started, however many threads the user has.
                let others = if root || count == 1 {
                    0
                } else {
                    threads_of_user()
                };
                command.arg(format!("--nproc={}", others + count));
            }
            Limit::Memory(kib) => {
                command.arg(format!("--as={}", kib * 1024));
            }
        }
        command.arg(program).args(arguments);
        command.current_dir(self.folder.path());
        command.env("HOME", self.folder.path());
        command.env("FMNIST_GPU_CACHE_DIR", self.folder.path().join("cache"));
        for variable in [
            "RUST_LOG",
            "WGPU_BACKEND",
            "WGPU_ADAPTER_NAME",
            "XDG_RUNTIME_DIR",
        ] {
            command.env_remove(variable);
        }
        let output = command.output().expect("timeout of coreutils");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() != Some(127) || !text.contains("No such file"),
            "install util-linux, which has prlimit and setpriv: {text}"
        );
        output
    }

    /// Runs the program under a limit, and says what it did wrong.
    fn judge(&self, limit: Limit, arguments: &str) -> Result<Output, String> {
        let words: Vec<&str> = arguments.split(' ').collect();
        let output = self.run(limit, &self.binary(), &words);
        let text = String::from_utf8_lossy(&output.stderr);
        let fail = |what: &str| Err(format!("{limit:?}: {arguments}: {what}: {text}"));
        // A driver and its compiler may give up in their own way.
        let uses_driver = ["adapters", "predict", "bench", "verify", "peak"].contains(&words[0]);
        let in_driver =
            matches!(limit, Limit::Memory(_)) && uses_driver && !arguments.contains("cpu");
        if text.contains("panicked") || text.contains("memory allocation of") {
            return fail("it broke down");
        }
        match (output.status.code(), output.status.signal()) {
            (Some(137), _) | (_, Some(libc::SIGKILL)) => fail("it hangs"),
            (Some(0), _) => Ok(output),
            (Some(3 | 4 | 6), _) if text.contains("error: ") => Ok(output),
            // `timeout` passes the signal on as a code. 127 is the C library's, for a new thread's own data.
            (Some(127..), _) | (None, _) if in_driver => Ok(output),
            (code, signal) => fail(&format!("ended with {code:?}, {signal:?}")),
        }
    }

    /// Every limit with every command; fails with all that went wrong.
    fn judge_all(&self, limits: &[Limit], commands: &[&str]) {
        let mut wrong = Vec::new();
        for command in commands {
            for &limit in limits {
                wrong.extend(self.judge(limit, command).err());
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// The commands with the small data, which write where they may.
    fn commands(&self) -> Vec<String> {
        let (data, model) = (self.fixture.data().display(), self.fixture.model());
        let small = format!("--data {data} --model {}", model.display());
        let out = self.folder.path().join("out.safetensors");
        let out = out.display();
        let commands = [
            "adapters",
            "memory",
            "predict --adapter cpu --format csv",
            "predict --adapter vulkan --format csv",
            "predict --format csv",
            "bench --adapter cpu --batch 2 --runs 5 --min-time 1ms",
            "bench --adapter vulkan --batch 2 --runs 5 --min-time 1ms",
            "verify --adapter cpu --max-time 1s",
            "verify --adapter vulkan --max-time 1s",
            "peak --adapter cpu --min-time 1ms",
        ];
        let mut commands: Vec<String> = commands.map(str::to_owned).to_vec();
        commands.extend([
            format!("quantize --precision int8 --output {out}"),
            format!("train --hidden 4 --epochs 1 --data {data} --output {out}"),
            format!("search --adapter cpu --batch 8 --min-time 1ms {small} --force --output {out}"),
        ]);
        commands
    }
}

fn open_to_all(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode of one's own folder");
}

fn is_root() -> bool {
    // Of the process itself.
    let status = fs::read_to_string("/proc/self/status").expect("proc");
    user_of(&status) == Some(0)
}

/// The real user in the text of a process's status.
fn user_of(status: &str) -> Option<u32> {
    field(status, "Uid:")?.parse().ok()
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()
}

/// What counts for the limit already, where the tests do not run as root.
fn threads_of_user() -> u64 {
    let own = fs::read_to_string("/proc/self/status").expect("proc");
    let processes = fs::read_dir("/proc").expect("proc").flatten();
    let statuses = processes.filter_map(|one| fs::read_to_string(one.path().join("status")).ok());
    let of_user = statuses.filter(|status| user_of(status) == user_of(&own));
    let threads = |status: String| field(&status, "Threads:")?.parse::<u64>().ok();
    of_user.filter_map(threads).sum()
}

/// The limits of a sweep from `least` on.
fn memory_limits(least: u64, step: u64) -> Vec<Limit> {
    let sizes = (least..MOST_MEMORY).step_by(step as usize);
    sizes.chain([MOST_MEMORY]).map(Limit::Memory).collect()
}

/// The smallest address space, in whole MiB, in which the program starts.
fn least_memory(shared: &Shared) -> u64 {
    let starts = |mib: &u64| {
        let output = shared.run(Limit::Memory(1024 * mib), &shared.binary(), &["--version"]);
        output.status.success()
    };
    let least = (4..200)
        .find(starts)
        .expect("the program starts in 200 MiB");
    assert!(least > 4, "the limit on memory does not bind");
    1024 * least
}

fn is_swept() -> bool {
    std::env::var_os(SWEEP).is_some_and(|value| value == "1")
}

#[test]
fn few_threads_are_enough_or_are_reported() {
    let shared = Shared::new();
    let unlimited = shared.run(Limit::None, Path::new("true"), &[]);
    assert!(
        unlimited.status.success(),
        "no program runs as another user here: {unlimited:?}"
    );
    let shell = ["-c", "true & wait $!"];
    let bound = shared.run(Limit::Threads(1), Path::new("sh"), &shell);
    assert!(
        !bound.status.success(),
        "the limit on processes does not bind: {bound:?}"
    );

    let (limits, commands) = if is_swept() {
        ((1..=16).collect(), shared.commands())
    } else {
        let quick = [
            "predict --format csv",
            "bench --adapter cpu --batch 2 --runs 5 --min-time 1ms",
        ];
        (vec![1, 2, 3, 8], quick.map(str::to_owned).to_vec())
    };
    let limits: Vec<Limit> = limits.into_iter().map(Limit::Threads).collect();
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    shared.judge_all(&limits, &commands);
}

#[test]
fn one_thread_gives_what_many_give() {
    let shared = Shared::new();
    let quantized = shared.folder.path().join("q.safetensors");
    let quantize = format!("quantize --precision int8 --output {}", quantized.display());
    let mut results = Vec::new();
    for limit in [Limit::None, Limit::Threads(1)] {
        let predicted = shared
            .judge(limit, "predict --adapter cpu --format csv")
            .expect("a good end");
        assert_eq!(predicted.status.code(), Some(0), "{predicted:?}");
        let output = shared.judge(limit, &quantize).expect("a good end");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let written = fs::read(&quantized).expect("a quantized model");
        fs::remove_file(&quantized).expect("a file in one's own folder");
        results.push((predicted.stdout, written));
    }
    assert!(results[0] == results[1]);
}

#[test]
fn little_memory_is_enough_or_is_reported() {
    let shared = Shared::new();
    let least = least_memory(&shared);
    let (step, commands) = if is_swept() {
        (12_000, shared.commands())
    } else {
        let quick = [
            "predict --adapter cpu --format csv",
            "quantize --precision int8 --output q.safetensors",
            "adapters",
        ];
        (24_000, quick.map(str::to_owned).to_vec())
    };
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    shared.judge_all(&memory_limits(least, step), &commands);
}

#[test]
fn a_small_benchmark_needs_little_memory() {
    let shared = Shared::new();
    let bench = "bench --adapter cpu --batch 2 --runs 5 --min-time 1ms";
    let output = shared
        .judge(Limit::Memory(200_000), bench)
        .expect("a good end");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    // Where drivers cannot be loaded, the CPU is measured all the same, unless an adapter is named.
    let output = shared
        .judge(Limit::Memory(200_000), "bench --batch 2 --runs 5")
        .expect("a good end");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr);
    crate::support::has(&text, &["only the CPU is measured", "graphics drivers"]);
    let output = shared
        .judge(
            Limit::Memory(200_000),
            "bench --adapter vulkan --batch 2 --runs 5",
        )
        .expect("a good end");
    assert_eq!(output.status.code(), Some(6), "{output:?}");
}

#[test]
fn a_file_that_memory_does_not_hold_is_reported() {
    let shared = Shared::new();
    // A sparse file: the pixels are there, and take no disk.
    let images = shared.folder.path().join("large");
    let head = crate::support::images_file(1 << 20, 28, 28, &[]);
    fs::write(&images, &head).expect("a written file");
    let length = head.len() as u64 + (784 << 20);
    let file = fs::File::options()
        .write(true)
        .open(&images)
        .expect("the file");
    file.set_len(length).expect("a sparse file");
    open_to_all(&images, 0o644);
    let predict = format!("predict --adapter cpu --data {}", images.display());
    let output = shared
        .judge(Limit::Memory(400_000), &predict)
        .expect("a good end");
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr);
    crate::support::has(
        &text,
        &["not enough memory for the images of", "MiB must be free"],
    );
}
