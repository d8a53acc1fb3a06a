//! The documentation is true: its commands run, its links lead somewhere, the names of options, columns and
//! fields exist, no sentence stands twice, and the README stays short.
//!
//! Commands run on the CPU path with a few small images. What needs an adapter is only parsed, and listed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fmnist_gpu::Precision;
use fmnist_gpu::model::Network;
use serde_json::Value;
use tempfile::TempDir;

/// The most lines that the README may have.
const README_LINES: usize = 200;

/// A sentence of fewer words may stand twice.
const SENTENCE_WORDS: usize = 7;

/// Pages whose links are checked, besides those of [`pages`].
const LINKED: [&str; 5] = [
    "CHANGELOG.md",
    "SECURITY.md",
    "data/README.md",
    "shaders/README.md",
    "benches/peers/README.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// README.md and the pages under docs/, with their text.
fn pages() -> Vec<(String, String)> {
    let files = fs::read_dir(root().join("docs")).expect("docs/");
    let mut names: Vec<String> = files
        .map(|file| format!("docs/{}", file.expect("a file").file_name().display()))
        .filter(|name| name.ends_with(".md"))
        .collect();
    names.sort();
    names.insert(0, "README.md".to_owned());
    let page = |name: String| {
        let text = read(&name);
        (name, text)
    };
    names.into_iter().map(page).collect()
}

/// Fails with every problem at once.
fn none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

// ---- the text -------------------------------------------------------------------------------------------

/// The lines outside code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// The lines of the code blocks of a language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let mut lines = Vec::new();
    let mut inside = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), inside) {
            (Some(name), None) => inside = Some(name),
            (Some(_), Some(_)) => inside = None,
            (None, Some(name)) if name == language => lines.push(line),
            _ => {}
        }
    }
    lines
}

/// What stands in backticks, outside code blocks.
fn quoted(text: &str) -> Vec<&str> {
    let parts = prose(text).flat_map(|line| line.split('`').skip(1).step_by(2));
    parts.collect()
}

/// The text under a heading, up to the next one of the same level or above.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let start = text.find(&format!("\n{heading}\n"));
    let start = start.unwrap_or_else(|| panic!("no heading '{heading}'")) + heading.len() + 2;
    let level = heading.chars().take_while(|&letter| letter == '#').count();
    let end = (1..=level)
        .filter_map(|level| text[start..].find(&format!("\n{} ", "#".repeat(level))))
        .min();
    end.map_or(&text[start..], |end| &text[start..start + end])
}

/// The cells of the Markdown tables in a text, row by row, without the rules under the headers.
fn rows(text: &str) -> Vec<Vec<String>> {
    let tables = prose(text).filter(|line| line.starts_with('|') && !line.starts_with("|---"));
    let cells = |line: &str| {
        let line = line.trim_matches('|').replace("\\|", "\u{0}");
        let cells = line
            .split('|')
            .map(|cell| cell.trim().replace('\u{0}', "|"));
        cells.collect()
    };
    tables.map(cells).collect()
}

/// The names in backticks in the first column of the tables of a section.
fn names(text: &str) -> Vec<String> {
    let cells = rows(text)
        .into_iter()
        .filter_map(|row| row.into_iter().next());
    let of =
        |cell: String| -> Vec<String> { quoted(&cell).into_iter().map(str::to_owned).collect() };
    cells.flat_map(of).collect()
}

#[test]
fn the_readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= README_LINES, "{lines} lines");
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading
        .chars()
        .filter(|letter| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

/// The targets of a page's links and pictures.
fn targets(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for line in prose(text) {
        for (begin, end) in [("](", ')'), ("src=\"", '"'), ("srcset=\"", '"')] {
            let found = line.split(begin).skip(1);
            targets.extend(found.filter_map(|rest| Some(rest.split_once(end)?.0.to_owned())));
        }
    }
    targets
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut problems = Vec::new();
    let linked = LINKED.map(|name| (name.to_owned(), read(name)));
    let mut count = 0;
    for (name, text) in pages().into_iter().chain(linked) {
        for target in targets(&text) {
            if target.contains("://") {
                continue;
            }
            count += 1;
            let (path, heading) = target.split_once('#').unwrap_or((&target, ""));
            let folder = Path::new(&name).parent().expect("a folder");
            let file = match path {
                "" => PathBuf::from(&name),
                path => folder.join(path),
            };
            let Ok(file) = root().join(&file).canonicalize() else {
                problems.push(format!("{name}: no file {path}"));
                continue;
            };
            if heading.is_empty() {
                continue;
            }
            let text = fs::read_to_string(&file).expect("a page");
            let mut headings = prose(&text).filter(|line| line.starts_with('#'));
            if !headings.any(|line| anchor(line) == heading) {
                problems.push(format!("{name}: no heading #{heading} in {path}"));
            }
        }
    }
    none(&problems);
    assert!(count >= 60, "only {count} links");
}

#[test]
fn every_page_is_linked_from_the_readme() {
    let targets = targets(&read("README.md"));
    for (name, _) in pages().into_iter().skip(1) {
        assert!(targets.contains(&name), "the README has no link to {name}");
    }
}

#[test]
fn no_sentence_stands_twice() {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, text) in pages() {
        // A paragraph may be broken anywhere; a row of a table and an item of a list are their own.
        let mut paragraphs = vec![String::new()];
        for line in prose(&text) {
            let starts = |mark: &&str| line.starts_with(*mark);
            if line.is_empty() || ["|", "- ", "#", "1", "2", "3"].iter().any(starts) {
                paragraphs.push(String::new());
            }
            let last = paragraphs.last_mut().expect("a paragraph");
            last.push_str(line);
            last.push(' ');
        }
        let sentences = paragraphs
            .iter()
            .flat_map(|text| text.split(['.', ':', '|', ';']));
        for sentence in sentences {
            let words: Vec<&str> = sentence.split_whitespace().collect();
            if words.len() < SENTENCE_WORDS {
                continue;
            }
            if let Some(other) = seen.insert(words.join(" "), name.clone()) {
                problems.push(format!("in {other} and {name}: {}", words.join(" ")));
            }
        }
    }
    none(&problems);
}

/// Words that once had a meaning of their own here, and the word of the glossary for each. "Deploy" is not among them:
/// a verdict says which precision to deploy.
const OLD_WORDS: [(&str, &str); 34] = [
    ("strategy", "kernel variant"),
    ("strategies", "kernel variants"),
    ("body", "kernel family"),
    ("bodies", "kernel families"),
    ("form", "format"),
    ("forms", "formats"),
    ("deployed", "quantized network"),
    ("codes", "quantized values"),
    ("z", "pre-activation"),
    ("finish", "epilogue"),
    ("finishes", "epilogues"),
    ("separate", "unfused"),
    ("yardstick", "control workload"),
    ("yardsticks", "control workloads"),
    ("passport", "numerics report"),
    ("passports", "numerics reports"),
    ("team", "thread pool"),
    ("teams", "thread pools"),
    ("heaps", "bimodal"),
    ("oracle", "reference implementation"),
    ("room", "memory, space"),
    ("told", "reported, named"),
    ("tell", "report, say"),
    ("tells", "reports, says"),
    ("telling", "reporting, saying"),
    ("asked", "requested"),
    ("alone", "only, by itself"),
    ("beyond", "outside, above, more than"),
    ("apart", "except, different"),
    ("left out", "excluded, skipped"),
    ("leave out", "exclude, skip"),
    ("leaves out", "excludes, skips"),
    ("take apart", "break down"),
    ("taken apart", "broken down"),
];

/// The old words in a text, each with what to say instead. "Exit codes" are still called so.
fn old_words(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace("exit codes", "exit-codes");
    let letters = |letter: char| !(letter.is_alphanumeric() || letter == '-' || letter == '_');
    let words: Vec<&str> = text
        .split(letters)
        .filter(|word| !word.is_empty())
        .collect();
    let words = format!(" {} ", words.join(" "));
    let old = OLD_WORDS
        .iter()
        .filter(|(old, _)| words.contains(&format!(" {old} ")));
    old.map(|(old, now)| format!("'{old}' instead of: {now}"))
        .collect()
}

#[test]
fn pages_use_the_words_of_the_glossary() {
    let mut problems = Vec::new();
    for (name, text) in pages() {
        let text = prose(&text).collect::<Vec<_>>().join(" ");
        problems.extend(
            old_words(&text)
                .into_iter()
                .map(|old| format!("{name}: {old}")),
        );
    }
    none(&problems);
    assert_eq!(
        old_words("Exit codes of a team.").len(),
        1,
        "an old word is found, and exit codes are none"
    );
}

/// The snapshot has every help page, message and sentence of the program.
#[test]
fn messages_use_the_words_of_the_glossary() {
    let messages = read("tests/snapshots/messages.txt");
    let problems: Vec<String> = messages
        .lines()
        .zip(1..)
        .flat_map(|(line, number)| {
            let old = old_words(line).into_iter();
            old.map(move |old| format!("tests/snapshots/messages.txt:{number}: {old}: {line}"))
        })
        .collect();
    none(&problems);
}

#[test]
fn the_glossary_is_in_order() {
    let terms: Vec<String> = rows(&read("docs/glossary.md"))
        .into_iter()
        .skip(1)
        .map(|row| row[0].to_lowercase())
        .collect();
    let mut sorted = terms.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(terms, sorted);
}

/// What the output says in one word is in the glossary.
#[test]
fn the_glossary_has_the_columns_and_the_words_of_the_schema() {
    let glossary = read("docs/glossary.md").to_lowercase();
    let schema = schema();
    let results = read("docs/reading-results.md");
    let mut words: Vec<String> = Vec::new();
    for (definition, field) in [
        ("row", "status"),
        ("requested", "scheme"),
        ("requested", "weights"),
        ("effective", "path"),
        ("verdict", "goal"),
    ] {
        words.extend(enumeration(&schema, definition, field));
    }
    words.extend(Precision::EVERY.map(|precision| precision.name().to_owned()));
    words.extend(names(section(&results, "## Columns")));
    let explained_there = ["runs on", "of peak", "images/s", "ok", "tensor"];
    let missing: Vec<String> = words
        .into_iter()
        .filter(|word| {
            !glossary.contains(word.as_str()) && !explained_there.contains(&word.as_str())
        })
        .collect();
    none(&missing);
}

// ---- the program ----------------------------------------------------------------------------------------

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fmnist-gpu"));
    for variable in ["RUST_LOG", "WGPU_BACKEND", "WGPU_ADAPTER_NAME"] {
        command.env_remove(variable);
    }
    command.env("FMNIST_GPU_CACHE_DIR", folder.join("cache"));
    command.current_dir(folder);
    command
}

fn run<S: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = S>) -> Output {
    let output = program(folder).args(arguments).output();
    output.expect("the program starts")
}

fn help(command: &[&str]) -> String {
    let output = run(Path::new("."), command.iter().chain(&["--help"]));
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A folder that goes away by itself, with `images/` (a test and a training split of 28×28 pixels) and
/// `model.safetensors`.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let images = folder.path().join("images");
    fs::create_dir(&images).expect("a folder");
    for (prefix, count) in [("t10k", 60_u32), ("train", 300)] {
        let mut pixels = vec![0, 0, 8, 3];
        for size in [count, 28, 28] {
            pixels.extend(size.to_be_bytes());
        }
        pixels.extend((0..count * 784).map(|at| (at * 7919 % 251) as u8));
        let mut labels = vec![0, 0, 8, 1];
        labels.extend(count.to_be_bytes());
        labels.extend((0..count).map(|at| (at % 10) as u8));
        let write = |name: &str, bytes: &[u8]| {
            fs::write(images.join(format!("{prefix}-{name}-ubyte")), bytes)
                .expect("a written file");
        };
        write("images-idx3", &pixels);
        write("labels-idx1", &labels);
    }
    let model = Network::default_model().expect("the model");
    for name in ["model", "old", "new"] {
        let path = folder.path().join(format!("{name}.safetensors"));
        model.save(&path).expect("a saved model");
    }
    folder
}

/// The words of a command line as a shell takes them; what follows a # is a comment.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut started) = (String::new(), None, false);
    for letter in line.chars().chain([' ']) {
        match (letter, quote) {
            (letter, Some(mark)) if letter == mark => quote = None,
            (letter, Some(_)) => word.push(letter),
            ('\'' | '"', None) => (quote, started) = (Some(letter), true),
            ('#', None) if word.is_empty() && !started => break,
            (' ', None) => {
                if started || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                started = false;
            }
            (letter, None) => word.push(letter),
        }
    }
    assert!(quote.is_none(), "an open quote: {line}");
    for word in &words {
        assert!(
            !["|", ">", "<", "&&", ";"].contains(&word.as_str()),
            "more than a command: {line}"
        );
    }
    words
}

/// The arguments that a line gives to the program, where it is one of ours.
fn arguments(line: &str) -> Option<Vec<String>> {
    let ours = line
        .strip_prefix("fmnist-gpu ")
        .or_else(|| line.strip_prefix("cargo run --release -- "))?;
    Some(words(ours))
}

/// The command lines of a page: those in blocks of sh, and with `inline` those in its sentences.
fn commands(text: &str, inline: bool) -> Vec<Vec<String>> {
    let lines = blocks(text, "sh").into_iter();
    let inside = quoted(text).into_iter();
    // These stand for any command, or for an argument.
    let inside = inside.filter(|line| inline && !line.contains("COMMAND") && !line.contains('…'));
    lines.chain(inside).filter_map(arguments).collect()
}

/// What the workflows of a page run: each `run:` of GitHub's steps, and each item of GitLab's `script:`.
fn workflow_steps(text: &str) -> Vec<String> {
    let mut steps = Vec::new();
    for block in text.split("```yaml").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        let mut in_script = false;
        for line in block.lines() {
            let item = line.trim().strip_prefix("- ");
            match (item, in_script) {
                (Some(item), _) if item.starts_with("run: ") => {
                    steps.push(item["run: ".len()..].to_owned());
                }
                (Some(item), true) => steps.push(item.to_owned()),
                _ => in_script = line.trim() == "script:",
            }
        }
    }
    steps
}

/// Stand-ins for what installs something note their arguments; the program runs, with little to do.
#[cfg(unix)]
#[test]
fn every_step_of_the_workflows_runs() {
    use std::os::unix::fs::PermissionsExt;

    let folder = folder();
    let tools = folder.path().join("tools");
    fs::create_dir(&tools).expect("a folder");
    let program = env!("CARGO_BIN_EXE_fmnist-gpu");
    let small = format!(
        "#!/bin/sh\ncase $1 in bench) exec {program} \"$@\" --adapter cpu --data images --batch 8 --runs 60;; esac\nexec {program} \"$@\"\n"
    );
    let install = "#!/bin/sh\necho \"$(basename $0) $@\" >>installed\n";
    for (name, script) in [
        ("sudo", "#!/bin/sh\nexec \"$@\"\n"),
        ("apt-get", install),
        ("rustup", install),
        ("cargo", install),
        ("fmnist-gpu", &small),
    ] {
        let path = tools.join(name);
        fs::write(&path, script).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", tools.display());
    let steps = workflow_steps(&read("docs/ci.md"));
    assert_eq!(steps.len(), 9, "{steps:?}");
    let mut problems = Vec::new();
    for step in &steps {
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", step]).current_dir(folder.path());
        shell.env("PATH", &path);
        let output = shell.output().expect("a shell");
        let code = output.status.code();
        let last = step.rsplit("&& ").next().unwrap_or(step);
        let good = code.is_some_and(|code| allowed(&words(last)).contains(&code));
        if !good {
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            problems.push(format!("{step}: exit code {code:?}: {error}"));
        }
    }
    none(&problems);
    let installed = fs::read_to_string(folder.path().join("installed")).expect("a list");
    for call in [
        "apt-get update",
        "apt-get install -y mesa-vulkan-drivers libvulkan1",
        "rustup update stable",
        "cargo install --path . --locked",
    ] {
        assert!(installed.lines().any(|line| line == call), "{installed}");
    }
    for file in ["report.html", "junit.xml", "models.xml"] {
        assert!(folder.path().join(file).exists(), "no {file}");
    }
}

/// Whether the program takes these arguments. With --help behind them it reads them, and does nothing.
fn parses(arguments: &[String]) -> Result<(), String> {
    let output = run(
        Path::new("."),
        arguments.iter().map(String::as_str).chain(["--help"]),
    );
    if output.status.success() {
        return Ok(());
    }
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{}: {error}", arguments.join(" ")))
}

#[test]
fn every_command_line_is_understood() {
    let mut problems = Vec::new();
    let mut count = 0;
    for (name, text) in pages() {
        for arguments in commands(&text, true) {
            count += 1;
            let refused = parses(&arguments).err();
            problems.extend(refused.map(|error| format!("{name}: fmnist-gpu {error}")));
        }
    }
    none(&problems);
    assert!(count >= 60, "only {count} command lines");
}

/// The examples of the help, too.
#[test]
fn every_example_of_the_help_is_understood() {
    let mut problems = Vec::new();
    let mut helps = vec![help(&[])];
    helps.extend(
        listed_commands()
            .iter()
            .map(|command| help(&[command.as_str()])),
    );
    for help in &helps {
        // What the shell does with the output is no part of the command line.
        let lines = help
            .lines()
            .map(|line| line.trim().split(['>', '|']).next().unwrap_or_default());
        let examples = lines.filter_map(arguments);
        problems.extend(examples.filter_map(|arguments| parses(&arguments).err()));
    }
    none(&problems);
}

#[test]
fn a_wrong_command_line_is_found() {
    for wrong in [
        "bench --precison f16",
        "bench --precision f99",
        "bench --goal speed",
        "bench --min-time soon",
        "measure",
    ] {
        assert!(parses(&words(wrong)).is_err(), "{wrong}");
    }
    assert_eq!(words("a 'b c'  \"#d\" e#f # g"), ["a", "b c", "#d", "e#f"]);
}

/// Why a command line is only parsed.
fn not_run(arguments: &[String]) -> Option<&'static str> {
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let value = |option: &str| {
        let at = arguments.iter().position(|argument| argument == option)?;
        arguments.get(at + 1).map(String::as_str)
    };
    let kernel = value("--kernel").is_some_and(|kernel| kernel != "portable");
    if value("--adapter").is_some_and(|adapter| adapter != "cpu") {
        return Some("names an adapter");
    }
    if kernel || has("--path") || has("--matrix-units") || has("--breakdown") {
        return Some("needs an adapter");
    }
    None
}

/// The same command on the CPU path, with little to do.
fn small(arguments: &[String]) -> Vec<String> {
    let mut small = arguments.to_vec();
    let counts = small.iter().any(|argument| argument == "--runs");
    let mut set = |option: &str, value: &str, replace: bool| {
        let at = small.iter().position(|argument| argument == option);
        match at {
            Some(at) if replace => small[at + 1] = value.to_owned(),
            Some(_) => {}
            None => small.extend([option.to_owned(), value.to_owned()]),
        }
    };
    match arguments[0].as_str() {
        "bench" => {
            set("--adapter", "cpu", false);
            set("--data", "images", false);
            set("--min-time", "20ms", true);
            if !counts {
                set("--max-time", "2s", true);
            }
        }
        "search" => {
            set("--adapter", "cpu", false);
            set("--data", "images", false);
            set("--min-time", "1ms", true);
            set("--trials", "1", true);
        }
        "train" => {
            set("--data", "images", false);
            set("--epochs", "1", true);
        }
        "peak" => {
            set("--adapter", "cpu", false);
            set("--min-time", "1ms", true);
        }
        "predict" | "verify" => set("--adapter", "cpu", false),
        _ => {}
    }
    small
}

/// The exit codes that are no defect here: what a gate says of images of noise is not the point.
fn allowed(arguments: &[String]) -> Vec<i32> {
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let mut allowed = vec![0];
    if has("--gate") {
        allowed.push(4);
    }
    if has("--fail-on-regression") {
        allowed.push(5);
    }
    allowed
}

/// Runs the command lines of a page one after another, in a folder of its own.
fn run_page(name: &str) {
    let text = read(name);
    let folder = folder();
    let mut problems = Vec::new();
    for arguments in commands(&text, false) {
        let line = format!("{name}: fmnist-gpu {}", arguments.join(" "));
        if let Some(why) = not_run(&arguments) {
            // Past the capture of the test harness, so that it is seen.
            writeln!(std::io::stderr(), "{line}: only parsed, since it {why}").expect("stderr");
            continue;
        }
        let output = run(folder.path(), small(&arguments));
        let code = output.status.code();
        let good = code.is_some_and(|code| allowed(&arguments).contains(&code));
        if !good
            || (code == Some(0)
                && output.stdout.is_empty()
                && !arguments.contains(&"--output".to_owned()))
        {
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            problems.push(format!("{line}: exit code {code:?}: {error}"));
        }
    }
    none(&problems);
}

macro_rules! run_pages {
    ($($test:ident: $page:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            run_page($page);
        })*

        #[test]
        fn every_page_is_run() {
            let run = [$($page),*];
            for (name, _) in pages() {
                assert!(run.contains(&name.as_str()), "{name} is not run");
            }
        }
    };
}

run_pages! {
    the_readme_runs: "README.md",
    add_a_kernel_runs: "docs/add-a-kernel.md",
    architecture_runs: "docs/architecture.md",
    ci_runs: "docs/ci.md",
    contributing_runs: "docs/contributing.md",
    glossary_runs: "docs/glossary.md",
    models_and_data_runs: "docs/models-and-data.md",
    numerics_runs: "docs/numerics.md",
    performance_runs: "docs/performance.md",
    precisions_run: "docs/precisions-and-quantization.md",
    reading_results_runs: "docs/reading-results.md",
    troubleshooting_runs: "docs/troubleshooting.md",
    usage_runs: "docs/usage.md",
}

/// The example of the README is that of the library's documentation, which is compiled.
#[test]
fn the_example_of_the_readme_is_compiled() {
    let library = read("src/lib.rs");
    let compiled: BTreeSet<&str> = library
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| line.trim().trim_start_matches("# "))
        .collect();
    let readme = read("README.md");
    let example = blocks(&readme, "rust");
    // The README prints less.
    let printing = |line: &&str| line.contains("for label") || line.contains("println!");
    let missing: Vec<String> = example
        .into_iter()
        .filter(|line| !printing(line) && !compiled.contains(line.trim()))
        .map(str::to_owned)
        .collect();
    none(&missing);
}

// ---- names ----------------------------------------------------------------------------------------------

/// The commands that the page about usage lists.
fn listed_commands() -> Vec<String> {
    let usage = read("docs/usage.md");
    let table = usage
        .split("\n## ")
        .next()
        .expect("the beginning")
        .split("```")
        .next();
    names(table.expect("the table"))
}

#[test]
fn the_list_of_commands_is_that_of_the_program() {
    let help = help(&[]);
    let list = help.split("Commands:\n").nth(1).expect("the commands");
    let list = list.split("\n\n").next().expect("the commands");
    let names = list
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let program: BTreeSet<String> = names
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect();
    assert_eq!(
        listed_commands().into_iter().collect::<BTreeSet<_>>(),
        program
    );
}

/// Every --option in backticks is one of the program, or of a script that has options.
#[test]
fn every_option_exists() {
    // Those of other programs.
    const OTHERS: [&str; 10] = [
        "--manifest-path",
        "--release",
        "--locked",
        "--cube",
        "--features",
        "--check",
        "--open",
        "--bench",
        "--lib",
        "--all-targets",
    ];
    let mut known: BTreeSet<String> = OTHERS.iter().map(|&option| option.to_owned()).collect();
    let script = read("scripts/check-gpu");
    let arguments = script.split("add_argument(").skip(1);
    let arguments = arguments.filter_map(|text| text.split('"').nth(1));
    let mut texts: Vec<String> = arguments.map(str::to_owned).collect();
    assert!(texts.contains(&"--pack".to_owned()), "{texts:?}");
    texts.extend(listed_commands().iter().map(|command| help(&[command])));
    for text in texts {
        let words = text.split(|letter: char| letter != '-' && !letter.is_alphanumeric());
        known.extend(
            words
                .filter(|word| word.starts_with("--"))
                .map(str::to_owned),
        );
    }
    let mut problems = Vec::new();
    for (name, text) in pages() {
        for quote in quoted(&text) {
            let words = quote.split(|letter: char| letter != '-' && !letter.is_alphanumeric());
            let unknown = words
                .filter(|word| word.starts_with("--") && word.len() > 2 && !known.contains(*word));
            problems.extend(unknown.map(|word| format!("{name}: {word}")));
        }
    }
    none(&problems);
}

/// Every file and folder of the checkout that is named in backticks is there.
#[test]
fn every_path_exists() {
    const FOLDERS: [&str; 9] = [
        "src/",
        "shaders/",
        "tests/",
        "scripts/",
        "benches/",
        "docs/",
        "data/",
        "examples/",
        ".ci/",
    ];
    let mut problems = Vec::new();
    let mut count = 0;
    for (page, text) in pages() {
        for quote in quoted(&text) {
            let path = quote.split_whitespace().next().unwrap_or_default();
            let named = FOLDERS.iter().any(|folder| path.starts_with(folder));
            // NAME stands for any name, and an ellipsis for more.
            if !named || path.contains("NAME") || path.contains('…') {
                continue;
            }
            count += 1;
            if !root().join(path).exists() {
                problems.push(format!("{page}: no {path}"));
            }
        }
    }
    none(&problems);
    assert!(count >= 40, "only {count} paths");
}

/// Every script has a line on some page.
#[test]
fn every_script_is_explained() {
    let pages = pages();
    let mut problems = Vec::new();
    for file in fs::read_dir(root().join("scripts")).expect("scripts/") {
        let name = format!("scripts/{}", file.expect("a file").file_name().display());
        let known = |(_, text): &(String, String)| {
            let starts = |quote: &&str| *quote == name || quote.starts_with(&format!("{name} "));
            quoted(text).iter().any(starts)
        };
        if !pages.iter().any(known) {
            problems.push(format!("{name} is on no page"));
        }
    }
    none(&problems);
}

fn schema() -> Value {
    serde_json::from_str(&read("src/report/bench.schema.json")).expect("JSON")
}

/// The words that a field of the schema may have.
fn enumeration(schema: &Value, definition: &str, field: &str) -> BTreeSet<String> {
    let field = &schema["$defs"][definition]["properties"][field];
    let field = match field["$ref"].as_str() {
        Some(reference) => &schema["$defs"][reference.trim_start_matches("#/$defs/")],
        None => field,
    };
    let words = field["enum"].as_array().into_iter().flatten();
    let words: BTreeSet<String> = words
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect();
    assert!(!words.is_empty(), "{definition} has no words");
    words
}

/// The names of all fields that a schema describes.
fn fields(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get("properties") {
                found.extend(properties.keys().cloned());
            }
            object.values().for_each(|value| fields(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| fields(value, found)),
        _ => {}
    }
}

#[test]
fn every_field_and_every_word_of_the_json_exists() {
    let schema = schema();
    let verify: Value = serde_json::from_str(&read("src/report/verify.schema.json")).expect("JSON");
    let mut known = BTreeSet::new();
    fields(&schema, &mut known);
    fields(&verify, &mut known);
    let results = read("docs/reading-results.md");
    let mut problems = Vec::new();
    for name in names(section(&results, "## JSON and CSV")) {
        let exists = match name.split_once('.') {
            Some((of, field)) => schema["$defs"][of]["properties"][field].is_object(),
            None => known.contains(&name) || enumeration(&schema, "row", "status").contains(&name),
        };
        if !exists && !["field", "status"].contains(&name.as_str()) {
            problems.push(format!("no field {name}"));
        }
    }
    // Elsewhere every name with an underscore is a field, or a key of a model's metadata.
    let metadata = ["input_ranges", "int8_clip", "layer_precisions"];
    // These name tests and modules.
    let others = ["docs/troubleshooting.md", "docs/architecture.md"];
    for (page, text) in pages() {
        if others.contains(&page.as_str()) {
            continue;
        }
        for name in quoted(&text) {
            let field = name.contains('_')
                && name
                    .chars()
                    .all(|letter| letter.is_ascii_lowercase() || letter == '_');
            let shader =
                ["block_at", "multiply_add", "input_value", "layer_register"].contains(&name);
            if field && !shader && !known.contains(name) && !metadata.contains(&name) {
                problems.push(format!("{page}: no field {name}"));
            }
        }
    }
    none(&problems);

    let listed = |heading: &str| -> BTreeSet<String> {
        let kinds = names(section(&results, heading)).into_iter();
        kinds
            .filter(|name| !["kind", "status"].contains(&name.as_str()))
            .collect()
    };
    assert_eq!(
        listed("## Warnings"),
        enumeration(&schema, "warning", "kind")
    );
    assert_eq!(
        listed("## Verdict"),
        enumeration(&schema, "verdict", "goal")
    );
    let json = section(&results, "## JSON and CSV");
    let statuses = json
        .split("| `status` | meaning |")
        .nth(1)
        .expect("the statuses");
    let statuses: BTreeSet<String> = names(statuses).into_iter().collect();
    assert_eq!(statuses, enumeration(&schema, "row", "status"));
}

/// The text literals of a source, without its tests and comments; `…` stands for what is put in.
fn literals(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n").replace("\\\"", "'");
    let texts = code.split('"').skip(1).step_by(2);
    let whole = |text: &str| {
        let text = text.split("\\\n").map(str::trim_start).collect::<String>();
        let mut parts = text.split('{');
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            filled.push('…');
            filled.push_str(part.split_once('}').map_or("", |(_, rest)| rest));
        }
        filled.trim().to_owned()
    };
    texts.map(whole).collect()
}

/// "Why not faster" says nothing that the page does not explain, and the page quotes nothing that it does not say.
#[test]
fn every_sentence_of_why_not_faster_is_explained() {
    let long = |text: &&str| text.split_whitespace().count() >= 3;
    let page = read("docs/reading-results.md");
    let page = section(&page, "## Why not faster").replace('\n', " ");
    let said = literals(&read("src/bench/why.rs"));
    let sentences = said.iter().map(String::as_str).filter(long);
    let mut problems: Vec<String> = sentences
        .filter(|text| !text.starts_with('…') && !page.contains(*text))
        .map(|text| format!("not explained: {text}"))
        .collect();
    let said = said.join(" ");
    let quotes = page.split('"').skip(1).step_by(2);
    let parts = quotes
        .flat_map(|quote| quote.split('…'))
        .map(str::trim)
        .filter(long);
    let unsaid = parts.filter(|part| !said.contains(part.trim_end_matches(", so")));
    problems.extend(unsaid.map(|part| format!("not said: {part}")));
    none(&problems);
    assert_eq!(
        literals("a(\"b {c}d\", \"e \\\n  f\") // \"g\"")[..2],
        ["b …d", "e f"]
    );
}

/// The header of each Markdown table that a command prints.
fn headers(folder: &Path, line: &str) -> Vec<Vec<String>> {
    let output = run(folder, small(&words(line)));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines: Vec<&str> = text.lines().collect();
    let header = |pair: &[&str]| {
        let rule =
            pair[1].starts_with('|') && pair[1].chars().all(|letter| "|-: ".contains(letter));
        rule.then(|| rows(pair[0]).remove(0))
    };
    lines.windows(2).filter_map(header).collect()
}

#[test]
fn every_column_exists() {
    let folder = folder();
    let page = read("docs/reading-results.md");
    let columns = |heading: &str| -> Vec<String> {
        let names = names(section(&page, heading));
        names.into_iter().filter(|name| name != "column").collect()
    };
    let first = |line: &str| headers(folder.path(), line).remove(0);

    let line = "bench --memory-limit 300KiB --compare old.safetensors --format markdown";
    let tables = headers(folder.path(), line);
    assert_eq!(columns("## Columns"), tables[0]);
    let with = |column: &str| {
        let found = tables
            .iter()
            .find(|header| header.iter().any(|name| name == column));
        found.unwrap_or_else(|| panic!("no table with {column}: {tables:?}"))
    };
    let without = |header: &[String], known: &[&str]| -> Vec<String> {
        let names = header.iter().filter(|name| !known.contains(&name.as_str()));
        names.cloned().collect()
    };
    assert_eq!(
        columns("## Memory limits"),
        without(with("largest batch"), &["precision"])
    );
    assert_eq!(
        columns("## Comparisons"),
        without(with("interval"), &["precision", "batch"])
    );

    // The tables of the other commands follow one another in one section.
    let others = section(&page, "## Other commands");
    let of = |command: &str| {
        let part = others
            .split(&format!("**`{command}`**"))
            .nth(1)
            .expect("the command");
        names(part.split("\n**`").next().expect("its table"))
    };
    assert_eq!(of("peak"), first("peak --format markdown"));
    let verify = first("verify --only sums --format markdown");
    assert_eq!(of("verify"), without(&verify, &["what", "precision"]));
    let memory = first("memory --limit 300KiB --format markdown");
    for name in without(&memory, &["precision"]) {
        assert!(
            others.contains(&format!("`{name}`")),
            "no column {name} of memory"
        );
    }
    let search = headers(
        folder.path(),
        "search --output found.safetensors --format markdown",
    );
    let all: Vec<&String> = search.iter().flatten().collect();
    for name in of("search") {
        assert!(
            all.contains(&&name),
            "search has no column {name}: {search:?}"
        );
    }
}

// ---- the drawing of the modules -------------------------------------------------------------------------

/// The modules of src/ in the order of the table: each may import those before it.
fn drawn_modules() -> Vec<Vec<String>> {
    let page = read("docs/architecture.md");
    let folders = section(&page, "## Folders");
    let table = folders
        .split("\n\n")
        .find(|part| part.contains("| module of `src/` |"));
    let rows = rows(table.expect("the table of modules"))
        .into_iter()
        .skip(1);
    rows.map(|row| quoted(&row[0]).into_iter().map(str::to_owned).collect())
        .collect()
}

/// A source without its tests and comments. `pub(in path)` is `pub`, since a path that limits visibility is no import.
fn production(source: &str) -> String {
    let code = source.split("#[cfg(test)]\nmod tests {").next();
    let lines = code.unwrap_or_default().lines();
    let lines = lines.filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    let mut parts = code.split("pub(in ");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        kept.push_str("pub");
        kept.push_str(part.split_once(')').map_or(part, |(_, rest)| rest));
    }
    kept
}

fn is_name(token: &str) -> bool {
    token.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
}

/// The names, the `::` and the other characters of a source.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first.is_alphanumeric() || first == '_' {
            rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_')
        } else if rest.starts_with("::") {
            Some(2)
        } else {
            Some(first.len_utf8())
        };
        let (token, after) = rest.split_at(length.unwrap_or(rest.len()));
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

/// The paths of a source: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(code: &str) -> Vec<Vec<&str>> {
    let tokens = tokens(code);
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if is_name(tokens[at]) && (at == 0 || tokens[at - 1] != "::") {
            path(&tokens, &mut at, &[], &mut paths);
        } else {
            at += 1;
        }
    }
    paths
}

/// Takes the path that begins at a token.
fn path<'a>(tokens: &[&'a str], at: &mut usize, prefix: &[&'a str], paths: &mut Vec<Vec<&'a str>>) {
    let mut names = prefix.to_vec();
    while tokens.get(*at).is_some_and(|token| is_name(token)) {
        names.push(tokens[*at]);
        *at += 1;
        if tokens.get(*at) != Some(&"::") {
            break;
        }
        *at += 1;
        if tokens.get(*at) == Some(&"{") {
            *at += 1;
            while let Some(&token) = tokens.get(*at) {
                match token {
                    "}" => break,
                    name if is_name(name) => path(tokens, at, &names, paths),
                    _ => *at += 1,
                }
            }
            *at += 1;
            return;
        }
    }
    paths.push(names);
}

/// The file that a path leads to, seen from the file of a module, or none outside this crate. Files are the paths of
/// their modules.
fn file_of(
    path: &[&str],
    module: &[String],
    files: &BTreeSet<Vec<String>>,
    handed_on: &BTreeMap<String, String>,
) -> Option<Vec<String>> {
    let (&first, mut rest) = path.split_first()?;
    if rest.is_empty() {
        return None;
    }
    let mut full = match first {
        "crate" | "fmnist_gpu" => {
            let module = handed_on.get(rest[0]);
            module.into_iter().cloned().collect()
        }
        "self" => module.to_vec(),
        "super" => {
            let mut parent = module[..module.len() - 1].to_vec();
            while rest.first() == Some(&"super") {
                parent.pop();
                rest = &rest[1..];
            }
            parent
        }
        child => {
            let child = [module, &[child.to_owned()]].concat();
            files.contains(&child).then_some(child)?
        }
    };
    full.extend(rest.iter().map(|&name| name.to_owned()));
    while !full.is_empty() && !files.contains(&full) {
        full.pop();
    }
    (!full.is_empty()).then_some(full)
}

/// The modules of the crate that a source names: `crate::name` or `fmnist_gpu::name`, and what lib.rs hands on under
/// its own name.
fn imports(text: &str, handed_on: &BTreeMap<String, String>) -> BTreeSet<String> {
    let code = production(text);
    let inside = paths(&code)
        .into_iter()
        .filter(|path| path.len() > 1 && ["crate", "fmnist_gpu"].contains(&path[0]));
    let module = |path: Vec<&str>| {
        handed_on
            .get(path[1])
            .map_or(path[1], String::as_str)
            .to_owned()
    };
    inside.map(module).collect()
}

/// What lib.rs hands on: the name, and the module that it comes from.
fn handed_on() -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for line in read("src/lib.rs").lines() {
        let Some((module, list)) = line
            .strip_prefix("pub use ")
            .and_then(|rest| rest.split_once("::"))
        else {
            continue;
        };
        for name in list.trim_matches([';', '{', '}']).split(',') {
            names.insert(name.trim().to_owned(), module.to_owned());
        }
    }
    names
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

/// The sources of the library and the program without their tests: the path of the module, and its text.
fn modules() -> BTreeMap<Vec<String>, String> {
    let src = root().join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let module = |file: PathBuf| {
        let inside = file
            .strip_prefix(&src)
            .expect("a source")
            .with_extension("");
        let parts = inside.iter().map(|part| part.display().to_string());
        let mut module: Vec<String> = parts.collect();
        if module.last().is_some_and(|name| name == "mod") {
            module.pop();
        }
        let text = fs::read_to_string(&file).expect("a source");
        (module, text)
    };
    let production = |(module, _): &(Vec<String>, String)| {
        let root = ["lib", "main"].contains(&module[0].as_str());
        !root && !module.iter().any(|name| name == "tests")
    };
    files.into_iter().map(module).filter(production).collect()
}

#[test]
fn modules_import_what_stands_above_them() {
    let drawn = drawn_modules();
    let rank = |module: &str| {
        drawn
            .iter()
            .position(|row| row.iter().any(|name| name == module))
    };
    let handed_on = handed_on();
    let mut problems = Vec::new();
    let mut modules_found = BTreeSet::new();
    for (path, text) in modules() {
        let module = path[0].clone();
        modules_found.insert(module.clone());
        let Some(own) = rank(&module) else { continue };
        for import in imports(&text, &handed_on) {
            if import != module && rank(&import).is_some_and(|other| other >= own) {
                problems.push(format!("{}: {module} imports {import}", path.join("::")));
            }
        }
    }
    let drawn: BTreeSet<String> = drawn.into_iter().flatten().collect();
    problems.extend(
        modules_found
            .difference(&drawn)
            .map(|name| format!("{name} has no row")),
    );
    problems.extend(
        drawn
            .difference(&modules_found)
            .map(|name| format!("there is no module {name}")),
    );
    none(&problems);
}

/// The shortest way from a file through its imports back to itself.
fn circle<'a>(
    file: &'a [String],
    imports: &'a BTreeMap<Vec<String>, BTreeSet<Vec<String>>>,
) -> Option<Vec<&'a [String]>> {
    let mut ways = vec![vec![file]];
    let mut reached = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for import in &imports[way[way.len() - 1]] {
                let way = [way.as_slice(), &[import]].concat();
                if import == file {
                    return Some(way);
                }
                if reached.insert(import) {
                    longer.push(way);
                }
            }
        }
        ways = longer;
    }
    None
}

/// A lock file of its own that lacks a dependency stops whoever builds with `--locked`.
#[test]
fn every_lock_file_has_all_dependencies() {
    let manifest = read("Cargo.toml");
    let after = |text: &str, start: &str, end: &str| {
        let rest = text.split_once(start).expect("it is there").1;
        rest.split(end).next().unwrap_or(rest).to_owned()
    };
    let dependencies = after(&manifest, "\n[dependencies]\n", "\n\n");
    assert!(dependencies.lines().count() > 20, "{dependencies}");
    let mut missing = Vec::new();
    for folder in ["fuzz", "benches/libraries"] {
        let lock = read(&format!("{folder}/Cargo.lock"));
        let locked = after(&lock, "\nname = \"fmnist-gpu\"\n", "\n\n");
        // A version follows the name if several are locked.
        let locked: Vec<&str> = locked.split([' ', '"']).collect();
        for (name, _) in dependencies
            .lines()
            .filter_map(|line| line.split_once(" = "))
        {
            if !locked.contains(&name) {
                let remedy = format!("cd {folder} && cargo update --workspace");
                missing.push(format!("{folder}/Cargo.lock lacks {name}: {remedy}"));
            }
        }
    }
    none(&missing);
}

#[test]
fn no_two_files_import_each_other() {
    let modules = modules();
    let files: BTreeSet<Vec<String>> = modules.keys().cloned().collect();
    let handed_on = handed_on();
    let imported = |(module, text): (&Vec<String>, &String)| {
        let code = production(text);
        let paths = paths(&code);
        let mut found: BTreeSet<Vec<String>> = paths
            .iter()
            .filter_map(|path| file_of(path, module, &files, &handed_on))
            .collect();
        found.remove(module);
        (module.clone(), found)
    };
    let imports: BTreeMap<_, _> = modules.iter().map(imported).collect();
    let count: usize = imports.values().map(BTreeSet::len).sum();
    assert!(count > 1000, "only {count} imports were found");
    let mut problems = Vec::new();
    for file in &files {
        let Some(circle) = circle(file, &imports) else {
            continue;
        };
        // Each circle is reported once, from its first file on.
        if circle.iter().all(|other| other >= &file.as_slice()) {
            let names: Vec<String> = circle.iter().map(|file| file.join("::")).collect();
            problems.push(names.join(" imports "));
        }
    }
    none(&problems);
}

#[test]
fn imports_are_found_however_they_are_written() {
    let files = ["a", "a::b", "a::b::c", "a::d", "e"];
    let files = files.map(|file| file.split("::").map(str::to_owned).collect::<Vec<_>>());
    let files = BTreeSet::from(files);
    let handed_on = BTreeMap::from([("Thing".to_owned(), "e".to_owned())]);
    let source = "use super::{d::{X, Y as Z}, f};\n\
                  use c::{self, *};\n\
                  pub(in crate::a::d) fn f() -> crate::Thing { super::super::e::g(std::fmt::h) }\n\
                  // crate::a::unseen\n\
                  #[cfg(test)]\nmod tests {\n use super::*;\n}";
    let module = ["a".to_owned(), "b".to_owned()];
    let code = production(source);
    let found = paths(&code);
    let found = found
        .iter()
        .filter_map(|path| file_of(path, &module, &files, &handed_on));
    let found: BTreeSet<String> = found.map(|file| file.join("::")).collect();
    let expected = ["a", "a::b::c", "a::d", "e"].map(str::to_owned);
    assert_eq!(found, BTreeSet::from(expected));
}
