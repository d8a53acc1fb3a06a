//! At home in a terminal: colours, widths, quiet, completions, the manual.

use crate::support::{Fixture, command, has, run};

const ESCAPE: char = '\x1b';

/// `bench` on the small data, quickly.
fn bench(fixture: &Fixture, arguments: &[&str]) -> String {
    let quick = ["--adapter", "cpu", "--batch", "8"];
    fixture.bench(&[&quick, arguments].concat()).good()
}

#[test]
fn colours_are_a_choice_and_say_nothing_of_their_own() {
    let fixture = Fixture::new();
    assert!(!bench(&fixture, &[]).contains(ESCAPE), "colours in a pipe");
    assert!(!bench(&fixture, &["--color", "never"]).contains(ESCAPE));
    assert!(bench(&fixture, &["--color", "always"]).contains(ESCAPE));
    for format in ["json", "csv", "markdown", "html"] {
        let text = bench(&fixture, &["--color=always", "--format", format]);
        assert!(!text.contains(ESCAPE), "colours in {format}");
    }
    // An error is red, where colours are wanted; so is one of the arguments themselves.
    for wrong in [["--model", "missing"], ["--nosuch", "x"]] {
        let printed =
            |color: &str| run(command().arg("bench").args(wrong).args(["--color", color])).stderr;
        assert!(printed("always").contains(ESCAPE), "{wrong:?}");
        assert!(!printed("auto").contains(ESCAPE), "{wrong:?}");
    }
    has(
        &fmnist!("bench", "--color", "blue").fails(2),
        &["blue", "auto", "never"],
    );
}

#[test]
fn quiet_leaves_nothing_on_stderr_but_errors() {
    let fixture = Fixture::new();
    let train = |arguments: &[&str]| {
        let mut command = command();
        command
            .args(["train", "--hidden", "4", "--epochs", "1", "--data"])
            .arg(fixture.data());
        command
            .arg("--output")
            .arg(fixture.path("made.safetensors"));
        run(command.args(arguments))
    };
    has(&train(&[]).stderr, &["epoch"]);
    for flag in ["--quiet", "-q"] {
        train(&[flag]).good();
    }
    // Before the command as behind it.
    fmnist!("--quiet", "memory").good();
    has(
        &fmnist!("memory", "--quiet", "--model", "missing").fails(7),
        &["missing"],
    );
}

#[test]
fn every_shell_gets_a_script() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = fmnist!("completions", shell).good();
        has(
            &script,
            &["fmnist-gpu", "bench", "fail-on-regression", "quiet"],
        );
    }
    has(
        &fmnist!("completions", "nosuch").fails(2),
        &["nosuch", "bash"],
    );
}

#[cfg(unix)]
#[test]
fn bash_takes_its_script() {
    let script = fmnist!("completions", "bash").good();
    let fixture = Fixture::new();
    let path = fixture.write("script", script.as_bytes());
    let complete = "source \"$1\" && named=$(complete -p fmnist-gpu) && named=${named##*-F } && \
        COMP_WORDS=(fmnist-gpu be) COMP_CWORD=1 && ${named%% *} fmnist-gpu be fmnist-gpu; echo \"${COMPREPLY[*]}\"";
    let mut bash = std::process::Command::new("bash");
    let completed = run(bash.args(["-c", complete, "bash"]).arg(path)).good();
    assert_eq!(completed.trim(), "bench");
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let whole = fmnist!("man").good();
    has(
        &whole,
        &[".TH fmnist-gpu 1", "bench", "Exit codes", "NO_COLOR"],
    );
    let page = fmnist!("man", "bench").good();
    has(
        &page,
        &[
            ".TH fmnist-gpu-bench 1",
            "fail\\-on\\-regression",
            "color",
            // Of an option that -h does not show, and an example.
            "which makes them slower",
            "fmnist\\-gpu bench \\-\\-save main",
        ],
    );
    has(&fmnist!("man", "nosuch").fails(2), &["nosuch", "bench"]);

    let folder = tempfile::tempdir().expect("a temporary folder");
    let written = fmnist!("man", "--output", folder.path()).good();
    assert!(written.lines().count() >= 8, "{written}");
    for path in written.lines() {
        has(
            &std::fs::read_to_string(path).expect("a page"),
            &[".TH fmnist-gpu"],
        );
    }
    fmnist!("man", "--output", folder.path().join("missing")).fails(1);
}

/// A run on a terminal of so many columns, which `script` of util-linux gives; its lines.
#[cfg(target_os = "linux")]
fn on_a_terminal(fixture: &Fixture, columns: usize, set: &str, arguments: &str) -> Vec<String> {
    let (data, model) = (fixture.data().display(), fixture.model());
    let binary = env!("CARGO_BIN_EXE_fmnist-gpu");
    let call = format!(
        "stty cols {columns} rows 50; {set} {binary} bench --adapter cpu --runs 2 --batch 8 --quiet --data {data} --model {} {arguments}",
        model.display()
    );
    let mut script = std::process::Command::new("script");
    script.args(["--quiet", "--return", "--command", &call, "/dev/null"]);
    script
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .env("FMNIST_GPU_CACHE_DIR", env!("CARGO_TARGET_TMPDIR"));
    script.stdin(std::process::Stdio::null());
    let text = run(&mut script).good();
    text.lines()
        .map(|line| line.trim_end_matches('\r').to_owned())
        .collect()
}

#[cfg(target_os = "linux")]
#[test]
fn tables_fit_the_terminal() {
    for columns in [50, 90, 130] {
        let lines = on_a_terminal(&Fixture::new(), columns, "", "--color never");
        for line in &lines {
            // Paths and hashes are words that nothing breaks.
            let breakable = line.split(' ').all(|word| word.chars().count() < columns);
            assert!(
                !breakable || line.chars().count() <= columns,
                "over {columns}: {line}"
            );
        }
        let header = lines
            .iter()
            .find(|line| line.starts_with("precision"))
            .expect("a table");
        has(header, &["end to end", "speed"]);
        let text = lines.join("\n");
        assert_eq!(
            text.contains("Hidden at this width:"),
            columns < 100,
            "{columns}: {text}"
        );
        assert_eq!(header.contains("spread"), columns == 130, "{header}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn limits_and_comparisons_fit_the_terminal_with_long_names() {
    let fixture = Fixture::new();
    let modes = "--color never --precision f32,int8 --scheme dynamic-row --weights tensor";
    let earlier = fixture.path("earlier.json");
    let earlier = earlier.display();
    let made = format!("{modes} --output {earlier}");
    on_a_terminal(&fixture, 120, "", &made);
    let arguments = format!("{modes} --memory-limit 1500B --compare {earlier}");
    for columns in [40, 50, 80, 120] {
        let lines = on_a_terminal(&fixture, columns, "", &arguments);
        let text = lines.join("\n");
        // A path is a word that nothing breaks.
        let folder = fixture.data().display().to_string();
        for line in lines.iter().filter(|line| !line.contains(&folder)) {
            assert!(
                line.chars().count() <= columns,
                "over {columns}: {line}\n{text}"
            );
        }
        // A sentence may begin a line with that word, too.
        let headers: Vec<&String> = lines
            .iter()
            .filter(|line| line.starts_with("precision  "))
            .collect();
        let [.., limits, changes] = headers.as_slice() else {
            panic!("no limits or changes: {text}");
        };
        // The first line of a header of two.
        has(limits, &["largest", "images/s", "kept"]);
        has(changes, &["change", "batch", "time"]);
        let all = columns == 120;
        assert_eq!(changes.contains("interval"), all, "{changes}");
        // Bars stand under each other, whatever the names.
        let bars = lines.iter().filter_map(|line| line.find('█'));
        let bars: Vec<usize> = bars.collect();
        assert!(
            bars.len() >= 3 && bars.iter().all(|at| *at == bars[0]),
            "{text}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_has_colours_unless_they_are_not_wanted() {
    let colored = |set: &str| {
        on_a_terminal(&Fixture::new(), 120, set, "")
            .join("")
            .contains(ESCAPE)
    };
    assert!(colored(""));
    assert!(!colored("NO_COLOR=1"));
    assert!(!colored("TERM=dumb"));
}
