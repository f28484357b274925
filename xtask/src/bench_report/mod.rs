//! `cargo xtask bench-report`: runs the benches and makes one page and one Markdown table of their figures.

mod figures;
mod free;
mod losses;
mod machine;
mod page;
mod plot;
mod show_losses;
mod table;
mod trade;

use std::path::Path;
use std::process::ExitCode;

use super::bench_data::{Inventory, Progress, Result, criterion_home, programs, root, succeed, target, write};
use super::generated::Part;
use machine::{Conditions, Size};

const USAGE: &str = "\
usage: cargo xtask bench-report [--quick] [--no-run] [--docs]

Runs every bench and writes target/bench-report/index.html, a page that needs nothing else, and table.md beside it.
In full that takes about ten minutes, and the build before it.

  --quick   ten short samples of each: two minutes, wider intervals, no plots of Criterion's own
  --no-run  of the figures that are there already
  --docs    writes the table into docs/benchmarks.md as well";

const PART: Part = Part { page: "docs/benchmarks.md", name: "benchmarks", by: "cargo xtask bench-report --docs" };

/// What of a full run's time a quick one takes, about; only to guess before anything was measured.
const QUICK: f64 = 0.35;
const QUICK_ARGS: &[&str] =
    &["--sample-size=10", "--warm-up-time=0.05", "--measurement-time=0.2", "--nresamples=5000", "--noplot"];

pub(super) fn run(args: impl Iterator<Item = String>) -> ExitCode {
    let (mut quick, mut measure, mut docs) = (false, true, false);
    for arg in args {
        match arg.as_str() {
            "--quick" => quick = true,
            "--no-run" => measure = false,
            "--docs" => docs = true,
            "--help" | "-h" => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
    match report(quick, measure, docs) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench-report: {why}");
            ExitCode::FAILURE
        }
    }
}

fn report(quick: bool, measure: bool, docs: bool) -> Result {
    let folder = target().join("bench-report");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let (home, programs) = (criterion_home(), programs(root())?);
    if measure {
        run_benches(&home, &programs, &folder, quick)?;
    }
    let inventory = Inventory::of(&home, &programs)?;
    let sections = figures::collect(&home, &inventory)?;
    let conditions = Conditions::of(&folder, &sections);
    let sizes: Vec<Size> = super::bench_data::read(&home.join("sizes.json"))?;
    let (page, table) = (folder.join("index.html"), folder.join("table.md"));
    write(&page, &page::page(&sections, &conditions, &sizes))?;
    let text = table::table(&sections, &conditions);
    write(&table, &text)?;
    if docs {
        PART.set(&format!("\n{text}\n"))?;
    }
    let losses = losses::losses(&sections).len();
    println!("{} groups, {losses} benchmarks in which a peer is ahead in something", sections.len());
    println!("{}\n{}", page.display(), table.display());
    Ok(())
}

fn run_benches(home: &Path, programs: &[String], folder: &Path, quick: bool) -> Result {
    let bench = |program: &str, args: &[&str]| {
        let mut cargo = super::cargo();
        cargo.args(["bench", "--quiet", "--bench", program, "--"]).args(args);
        cargo
    };
    eprintln!("building the benches");
    succeed(super::cargo().args(["bench", "--benches", "--no-run"]))?;
    // Not measuring, only to have them write down what they would measure.
    for program in programs {
        succeed(bench(program, &["--list"]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()))?;
    }
    succeed(bench("sizes", &[]).stdout(std::process::Stdio::null()))?;
    let inventory = Inventory::of(home, programs)?;
    let weight = inventory.groups.iter().map(|group| group.seconds).sum();
    let mut progress = Progress::new(weight, if quick { QUICK } else { 1.0 });
    machine::record(folder, quick)?;
    for program in programs {
        let args = if quick { QUICK_ARGS } else { &[] };
        progress.run(&mut bench(program, args), &inventory, &folder.join(format!("{program}.log")), "")?;
    }
    Ok(())
}
