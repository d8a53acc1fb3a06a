//! How often `bench --compare` flags something: of two runs of the same program, and where every sample of the
//! second was made 10% longer.
//!
//! `cargo bench --features fault-injection --bench baselines` takes 100 of both on the CPU path and on the best adapter, most of an
//! hour on two processor cores; `-- --comparisons 10 --adapter cpu` takes fewer. What is done is kept in
//! `--state` (a line each), so that an interrupted run goes on where it stopped: give it another place, or
//! delete it, to begin anew. Each run is a process of its own, as a user's are.
#![expect(clippy::print_stdout, reason = "a program")]

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Parser;
use fmnist_gpu::dataset;
use fmnist_gpu::report::{Layout, Table};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Counts what comparisons flag.
#[derive(Parser)]
struct Arguments {
    /// Comparisons of each kind on each adapter
    #[arg(long, default_value_t = 100)]
    comparisons: usize,
    /// What to run on, as for 'fmnist-gpu bench'
    #[arg(long, value_delimiter = ',', default_value = "cpu,best")]
    adapter: Vec<String>,
    /// What every sample of the slowed runs is made longer by
    #[arg(long, default_value = "10%")]
    slowdown: String,
    /// Where what is done is kept
    #[arg(long, default_value = concat!(env!("CARGO_TARGET_TMPDIR"), "/baselines"))]
    state: PathBuf,
    /// Also write the table there
    #[arg(long)]
    output: Option<PathBuf>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// What one comparison flagged.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    /// Whether the second run was slowed.
    slowed: bool,
    /// The rows: their names, and the change of their time.
    rows: Vec<(String, f64)>,
    /// The names of the rows that were flagged as slower, and as faster.
    slower: Vec<String>,
    faster: Vec<String>,
    /// What ran, in words.
    adapter: String,
}

/// Images that are classified: enough for a batch, few enough to be checked at once.
const IMAGES: usize = 320;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let data = arguments.state.join("data");
    write_data(&data).context("the images")?;
    let header = [
        "adapter",
        "second run",
        "comparisons",
        "flagged",
        "slower",
        "faster",
        "all rows",
        "spread",
    ];
    let mut table = Vec::new();
    for adapter in &arguments.adapter {
        let path = arguments.state.join(format!("{adapter}.jsonl"));
        let mut lines = read(&path)?;
        while lines.len() < 2 * arguments.comparisons {
            let two = both(&arguments, adapter, &data)?;
            let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
            for line in &two {
                writeln!(file, "{}", serde_json::to_string(line)?)?;
            }
            lines.extend(two);
            println!(
                "{adapter}: {} of {}",
                lines.len() / 2,
                arguments.comparisons
            );
        }
        for slowed in [false, true] {
            table.push(summary(&lines, slowed, &arguments.slowdown));
        }
    }
    let text = Table::of(&header, 2, table).render(Layout::Markdown);
    print!("{text}");
    println!(
        "flagged: comparisons with a row that is; all rows: with all rows slower; spread: standard deviation \
         of the change of a row's time"
    );
    if let Some(output) = &arguments.output {
        fs::write(output, text)?;
    }
    Ok(())
}

/// One comparison of two equal runs, and one where the second is slowed, with the same first run.
fn both(arguments: &Arguments, adapter: &str, data: &Path) -> Result<[Line; 2]> {
    let run = |more: &[&str], slowdown: Option<&str>| -> Result<Value> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fmnist-gpu"));
        command.env("FMNIST_GPU_CACHE_DIR", &arguments.state);
        command.args([
            "bench",
            "--precision",
            "f32,int8",
            "--batch",
            "32",
            "--tune",
            "off",
        ]);
        command.args(["--format", "json"]);
        command.arg("--data").arg(data);
        if adapter != "best" {
            command.args(["--adapter", adapter]);
        }
        if let Some(slowdown) = slowdown {
            command.env("FMNIST_GPU_SLOWDOWN", slowdown);
        }
        let output = command.args(more).output()?;
        if !output.status.success() {
            bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    };
    run(&["--save", "first"], None)?;
    let same = run(&["--compare", "first"], None)?;
    let slowed = run(&["--compare", "first"], Some(&arguments.slowdown))?;
    Ok([line(&same, false)?, line(&slowed, true)?])
}

fn line(document: &Value, slowed: bool) -> Result<Line> {
    let changes = document["comparison"]["rows"]
        .as_array()
        .context("no comparison")?;
    let name =
        |change: &Value| format!("{} at {}", change["name"], change["batch"]).replace('"', "");
    let flagged = |flag: &str| {
        let has = |change: &&Value| {
            let flags = change["flags"].as_array();
            flags.is_some_and(|flags| flags.iter().any(|found| found == flag))
        };
        changes.iter().filter(has).map(name).collect()
    };
    let time = |change: &Value| {
        let value = change["time"]["value"].as_f64();
        Ok((
            name(change),
            value.with_context(|| format!("no time in {change}"))?,
        ))
    };
    Ok(Line {
        slowed,
        rows: changes.iter().map(time).collect::<Result<_>>()?,
        slower: flagged("slower"),
        faster: flagged("faster"),
        adapter: document["adapters"][0]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    })
}

/// A line of the table.
fn summary(lines: &[Line], slowed: bool, slowdown: &str) -> Vec<String> {
    let lines: Vec<&Line> = lines.iter().filter(|line| line.slowed == slowed).collect();
    let count =
        |test: &dyn Fn(&Line) -> bool| lines.iter().filter(|line| test(line)).count().to_string();
    let changes: Vec<f64> = lines
        .iter()
        .flat_map(|line| &line.rows)
        .map(|(_, change)| *change)
        .collect();
    let number = changes.len().max(2) as f64;
    let mean = changes.iter().sum::<f64>() / number;
    let squares: f64 = changes.iter().map(|change| (change - mean).powi(2)).sum();
    let spread = (squares / (number - 1.0)).sqrt();
    vec![
        lines
            .first()
            .map_or(String::new(), |line| line.adapter.clone()),
        if slowed {
            format!("slowed by {slowdown}")
        } else {
            "the same".to_owned()
        },
        lines.len().to_string(),
        count(&|line| !line.slower.is_empty() || !line.faster.is_empty()),
        count(&|line| !line.slower.is_empty()),
        count(&|line| !line.faster.is_empty()),
        count(&|line| line.slower.len() == line.rows.len()),
        format!("{:.1}%", 100.0 * spread),
    ]
}

fn read(path: &Path) -> Result<Vec<Line>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(path)?;
    let parse = |line: &str| {
        serde_json::from_str(line).with_context(|| format!("{}: {line}", path.display()))
    };
    text.lines().map(parse).collect()
}

/// The first images of the test split, as IDX files.
fn write_data(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let data = dataset::test_split()?;
    let mut file = File::create(folder.join("t10k-images-idx3-ubyte"))?;
    file.write_all(&[0, 0, 8, 3])?;
    for size in [IMAGES as u32, 28, 28] {
        file.write_all(&size.to_be_bytes())?;
    }
    file.write_all(data.images.range(0, IMAGES))?;
    let mut file = File::create(folder.join("t10k-labels-idx1-ubyte"))?;
    file.write_all(&[0, 0, 8, 1])?;
    file.write_all(&(IMAGES as u32).to_be_bytes())?;
    file.write_all(&data.labels()?[..IMAGES])?;
    Ok(())
}
