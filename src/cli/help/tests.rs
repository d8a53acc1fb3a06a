//! That the help of every command fits a screen, and that its examples work.

use clap::CommandFactory;

use super::*;
use crate::cli::Arguments;

/// The most lines of `-h`.
const LINES: usize = 40;

/// The program and each of its commands, as they are when they print help.
fn commands() -> Vec<Command> {
    let mut program = Arguments::command().term_width(WIDTH);
    program.build();
    let commands: Vec<Command> = program.get_subcommands().cloned().collect();
    assert!(commands.len() > 10, "commands are missing");
    std::iter::once(program).chain(commands).collect()
}

fn name(command: &Command) -> &str {
    command.get_bin_name().unwrap_or(command.get_name())
}

/// The words of each example in a help text, without comment, pipe and redirection.
fn examples(help: &str) -> Vec<Vec<String>> {
    let (_, examples) = help.rsplit_once("Examples:").expect("examples");
    let lines = examples.lines().map(str::trim);
    let calls = lines.filter(|line| line.starts_with("fmnist-gpu "));
    let words = |call: &str| {
        let words = call.split_whitespace().map(str::to_owned);
        words
            .take_while(|word| !["#", "|", ">"].contains(&word.as_str()))
            .collect()
    };
    calls.map(words).collect()
}

#[test]
fn short_help_fits_a_screen() {
    for mut command in commands() {
        let help = command.render_help().to_string();
        let name = name(&command);
        let count = help.trim_end().lines().count();
        assert!(count <= LINES, "{name}: {count} lines\n{help}");
        for line in help.lines() {
            let width = line.chars().count();
            assert!(width <= WIDTH, "{name}: {width} columns: {line}");
        }
        assert_eq!(examples(&help).len(), 2, "{name}: {help}");
    }
}

#[test]
fn long_help_has_every_option_under_a_heading() {
    let headings = [
        MODEL,
        PRECISION,
        DEVICE,
        MEASUREMENT,
        DECISION,
        OUTPUT,
        ADVANCED,
    ];
    for mut command in commands() {
        let help = command.render_long_help().to_string();
        let name = name(&command).to_owned();
        assert!(examples(&help).len() >= 2, "{name}: {help}");
        let mut shown = Vec::new();
        let options = command.get_arguments().filter(|one| !one.is_positional());
        for option in options.filter(|option| !option.is_hide_set()) {
            let heading = option.get_help_heading().unwrap_or_default();
            let at = headings.iter().position(|known| *known == heading);
            let at = at.unwrap_or_else(|| panic!("{name}: {option} stands under '{heading}'"));
            shown.push(at);
            let long = option.get_long().expect("a long name");
            assert!(help.contains(&format!("--{long}")), "{name}: no --{long}");
        }
        // clap prints headings in the order in which their first options are defined.
        let mut order = shown.clone();
        order.dedup();
        let mut first: Vec<usize> = Vec::new();
        for at in order {
            if !first.contains(&at) {
                first.push(at);
            }
        }
        assert!(first.is_sorted(), "{name}: {help}");
    }
}

#[test]
fn examples_are_calls_that_parse() {
    for mut command in commands() {
        for help in [command.render_help(), command.render_long_help()] {
            for words in examples(&help.to_string()) {
                let parsed = Arguments::command().try_get_matches_from(&words);
                assert!(parsed.is_ok(), "{words:?}: {parsed:?}");
                let own = name(&command).split(' ').next_back().unwrap_or_default();
                assert!(own == "fmnist-gpu" || words[1] == own, "{words:?}");
            }
        }
    }
}

#[test]
fn every_option_has_one_line_of_help() {
    for command in commands() {
        for argument in command.get_arguments() {
            let help = argument.get_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            assert!(
                !help.is_empty(),
                "{}: {argument} has no help",
                name(&command)
            );
            assert!(
                !help.ends_with('.'),
                "{}: {argument}: {help}",
                name(&command)
            );
        }
    }
}

#[test]
fn renamed_words_still_work() {
    let path = |word: &str| word.parse::<fmnist_gpu::plan::ExecutionPath>();
    let (now, before) = (path("unfused"), path("separate"));
    assert_eq!(now.expect("the new word"), before.expect("the old word"));
    let words = ["fmnist-gpu", "bench", "--path", "separate"];
    let parsed = Arguments::command().try_get_matches_from(words);
    assert!(parsed.is_ok(), "{parsed:?}");
    for mut command in commands() {
        let help = command.render_long_help().to_string();
        assert!(!help.contains("separate"), "{help}");
    }
}

#[test]
fn a_call_without_arguments_says_how_to_start() {
    assert!(START.lines().all(|line| line.chars().count() <= WIDTH));
    let calls = START.lines().map(str::trim);
    let calls: Vec<&str> = calls
        .filter(|line| line.starts_with("fmnist-gpu "))
        .collect();
    let [_, calls @ ..] = calls.as_slice() else {
        panic!("no calls: {START}");
    };
    assert_eq!(calls.len(), 3, "{START}");
    for call in calls {
        let words = call.split_whitespace().take_while(|word| *word != "#");
        let parsed = Arguments::command().try_get_matches_from(words);
        assert!(parsed.is_ok(), "{call}: {parsed:?}");
    }
}
