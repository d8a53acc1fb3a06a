//! What goes wrong around a run: a disk that takes nothing, a size that nothing holds, an interrupt; and that
//! every failure in the table of docs/troubleshooting.md has the tests that stand there. Faults of devices are in tests/cli_gpu.

use std::path::Path;

use crate::support::{Fixture, command, has, run};

#[test]
fn every_test_that_the_table_of_faults_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/troubleshooting.md")).expect("the page");
    let section = page.split("\n## When something fails\n").nth(1);
    let section = section
        .and_then(|rest| rest.split("\n## ").next())
        .expect("the section");
    let rows = section
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| failure"));
    let mut count = 0;
    for row in rows {
        // [`name`](../tests/file.rs), at least one in each row.
        let links: Vec<(&str, &str)> = row
            .split("[`")
            .skip(1)
            .filter_map(|rest| rest.split_once("`](../"))
            .filter_map(|(name, rest)| Some((name, rest.split_once(')')?.0)))
            .collect();
        assert!(!links.is_empty(), "no test beside: {row}");
        for (name, file) in links {
            let text = std::fs::read_to_string(root.join(file));
            let text = text.unwrap_or_else(|error| panic!("{file}: {error}"));
            // A test of its own, or one that the program runs on every adapter.
            let test = match text.split_once(&format!("fn {name}(")) {
                Some((before, _)) if file.starts_with("tests/cli_gpu/") => {
                    let module = Path::new(file).file_stem().and_then(|stem| stem.to_str());
                    let listed = format!("{}::{name},", module.expect("a name"));
                    let main = std::fs::read_to_string(root.join("tests/cli_gpu/main.rs"));
                    before.ends_with("pub ") && main.expect("the list").contains(&listed)
                }
                Some((before, _)) => before.trim_end().ends_with("#[test]"),
                None => false,
            };
            assert!(test, "{file} has no test {name}");
        }
        count += 1;
    }
    assert!(count >= 12, "the table has {count} faults");
}

#[test]
fn sizes_that_nothing_holds_are_refused_before_anything_is_allocated() {
    let fixture = Fixture::new();
    let output = fixture.path("huge.safetensors");
    for hidden in [
        "1000000000000",
        "4000000000,4000000000",
        "18446744073709551615",
    ] {
        let options = ["train", "--hidden", hidden, "--data"];
        let mut command = command();
        command.args(options).arg(fixture.data());
        let error = run(command.arg("--output").arg(&output)).fails(2);
        has(&error, &["hidden"]);
        assert!(!output.exists());
    }
    let most = usize::MAX.to_string();
    has(
        &fixture.bench(&["--threads", &most]).fails(2),
        &["--threads"],
    );
    // More images than there are is all of them; more runs than time is as many as were requested, one by one.
    fixture
        .bench(&["--adapter", "cpu", "--batch", &most])
        .good();
    let mut memory = command();
    memory.args([
        "memory",
        "--layers",
        "4000000000-4000000000",
        "--batch",
        &most,
    ]);
    has(
        &run(&mut memory).fails(2),
        &["too large to count in 64 bits"],
    );
}

#[test]
#[cfg_attr(
    not(feature = "fault-injection"),
    ignore = "needs --features fault-injection"
)]
fn a_fault_that_is_none_is_a_usage_error() {
    let mut command = command();
    command.arg("predict").env("FMNIST_GPU_FAULT", "nosuch");
    has(
        &run(&mut command).fails(2),
        &["FMNIST_GPU_FAULT", "nosuch", "device-lost:N"],
    );
}

#[cfg(target_os = "linux")]
mod full {
    use std::process::Command;

    use super::*;

    /// A link to a disk that is always full.
    fn full(fixture: &Fixture, name: &str) -> String {
        let path = fixture.path(name);
        std::os::unix::fs::symlink("/dev/full", &path).expect("a link");
        path.to_str().expect("UTF-8").to_owned()
    }

    #[test]
    fn a_full_disk_behind_a_model_is_reported() {
        let fixture = Fixture::new();
        let name = full(&fixture, "full.safetensors");
        let data = fixture.data().to_str().expect("UTF-8");
        let model = fixture.model();
        let model = model.to_str().expect("UTF-8");
        for arguments in [
            &[
                "train", "--hidden", "4", "--epochs", "1", "--quiet", "--data", data,
            ][..],
            &["quantize", "--precision", "f16", "--model", model],
            &[
                "search",
                "--adapter",
                "cpu",
                "--batch",
                "8",
                "--min-time",
                "1ms",
                "--data",
                data,
                "--model",
                model,
            ],
        ] {
            let end = run(command().args(arguments).args(["--output", &name]));
            assert_eq!(end.code, Some(1), "{arguments:?}: {}", end.stderr);
            has(&end.stderr, &["error: ", &name, "No space"]);
        }
    }

    #[test]
    fn a_full_disk_behind_a_baseline_is_reported_and_the_rows_are_printed() {
        let fixture = Fixture::new();
        std::fs::create_dir(fixture.path("baselines")).expect("a folder");
        let name = full(&fixture, "baselines/main.json");
        let mut command = command();
        command.env("FMNIST_GPU_CACHE_DIR", fixture.data());
        command.args([
            "bench",
            "--adapter",
            "cpu",
            "--batch",
            "8",
            "--runs",
            "2",
            "--save",
            "main",
        ]);
        command.arg("--data").arg(fixture.data());
        let (table, error) = run(command.arg("--model").arg(fixture.model())).fails_after_output(1);
        has(&table, &["at batch 8", "end to end"]);
        has(&error, &[&name, "No space"]);
    }

    /// Runs where no file may grow at all, which writing finds out in its middle.
    fn without_room(command: &Command) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"]);
        shell.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell
    }

    #[test]
    fn a_disk_that_fills_up_leaves_the_older_file() {
        let fixture = Fixture::new();
        let path = fixture.write("result.json", b"older");
        let mut command = command();
        command.args([
            "bench",
            "--adapter",
            "cpu",
            "--batch",
            "8,4",
            "--runs",
            "2",
            "--tune",
            "off",
        ]);
        command.arg("--data").arg(fixture.data());
        command.arg("--model").arg(fixture.model());
        command.arg("--output").arg(&path);
        let (table, error) = run(&mut without_room(&command)).fails_after_output(1);
        has(&table, &["at batch 4", " 8 ", "end to end"]);
        has(&error, &["cannot write", "result.json", "too large"]);
        assert_eq!(std::fs::read(&path).expect("a file"), b"older");
        let left = std::fs::read_dir(fixture.data()).expect("the folder");
        let names = left.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let left: Vec<String> = names.filter(|name| name.starts_with(".fmnist")).collect();
        assert_eq!(left, [""; 0], "temporary files are left");
    }
}

#[cfg(unix)]
mod interrupted {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    /// The most that an end may take; the program itself gives up before.
    const BOUND: Duration = Duration::from_secs(30);

    /// Interrupts a run, and gives its exit code and the rest of its errors. They are read all the while: a run that
    /// prints into a full pipe could not say that it was interrupted.
    fn interrupt(
        mut child: Child,
        mut errors: impl Read + Send + 'static,
    ) -> (Option<i32>, String) {
        let reader = std::thread::spawn(move || {
            let mut rest = String::new();
            errors.read_to_string(&mut rest).expect("its errors");
            rest
        });
        let id = child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status();
        assert!(sent.expect("kill").success());
        let start = Instant::now();
        while child.try_wait().expect("a child").is_none() {
            if start.elapsed() > BOUND {
                child.kill().expect("an end");
                panic!("it does not end");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let code = child.wait().expect("an end").code();
        (code, reader.join().expect("its errors"))
    }

    #[test]
    fn an_interrupt_of_a_training_leaves_an_older_model() {
        let fixture = Fixture::new();
        let path = fixture.write("trained.safetensors", b"older");
        let mut command = command();
        command.args([
            "train",
            "--hidden",
            "64",
            "--epochs",
            "1000000000",
            "--data",
        ]);
        command.arg(fixture.data()).arg("--output").arg(&path);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary");
        let mut errors = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        errors.read_line(&mut line).expect("an epoch");
        has(&line, &["epoch"]);
        let (code, rest) = interrupt(child, errors);
        assert_eq!(code, Some(130));
        has(&rest, &["interrupted"]);
        assert!(!rest.contains("error"), "{rest}");
        assert_eq!(std::fs::read(&path).expect("a file"), b"older");
    }
}
