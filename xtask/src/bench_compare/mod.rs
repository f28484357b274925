//! `cargo xtask bench-compare`: what became slower or faster between two commits or saved baselines.

mod baselines;
mod commits;
mod judge;
mod text;

use std::process::ExitCode;

use super::bench_data::{Inventory, Result, criterion_home};
use judge::{Series, Verdict, judge};

const USAGE: &str = "\
usage: cargo xtask bench-compare [OPTIONS] BASE [HEAD]

BASE and HEAD are both commits (HEAD is the current one unless given), or both baselines that
`cargo bench -- --save-baseline NAME` saved (HEAD is the latest run unless given).

Commits are checked out and built below target/bench-compare, and run in alternation. The runs take about thirty-five minutes
for all benches: a minute and a half for each round and side. The builds come on top of that. The first time a commit is built from
nothing, dependencies included, in a folder of its own that later comparisons use again.

Baselines NAME-1, NAME-2, ... are rounds of NAME; with fewer than six of them only large changes can be told from noise.

  --bench PROGRAM   only this program, built and run; may be given again
  --filter REGEX    of commits: only the benchmarks whose group/name/parameter it matches
  --rounds N        of commits: how often each side is run, twelve times unless given, at least six
  --markdown        for a pull request

Exit code: 0 nothing is slower, 1 something is, 2 it could not be told.";

/// Unless the command line tells another number.
const ROUNDS: usize = 12;

#[derive(Debug, PartialEq)]
struct Options {
    base: String,
    head: Option<String>,
    programs: Vec<String>,
    filter: Option<String>,
    rounds: usize,
    markdown: bool,
}

/// What was compared, for a heading.
struct Sides {
    base: String,
    head: String,
}

pub(super) fn run(args: impl Iterator<Item = String>) -> ExitCode {
    let args: Vec<_> = args.collect();
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let compared = options(args).and_then(|options| compare(&options));
    match compared {
        Ok(slower) => ExitCode::from(u8::from(slower)),
        Err(why) => {
            eprintln!("bench-compare: {why}");
            ExitCode::from(2)
        }
    }
}

fn options(args: Vec<String>) -> Result<Options> {
    let (mut args, mut names) = (args.into_iter(), Vec::new());
    let mut options = Options {
        base: String::new(),
        head: None,
        programs: Vec::new(),
        filter: None,
        rounds: ROUNDS,
        markdown: false,
    };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} wants a value\n{USAGE}"));
        match arg.as_str() {
            "--bench" => options.programs.push(value()?),
            "--filter" => options.filter = Some(value()?),
            "--rounds" => options.rounds = value()?.parse().map_err(|error| format!("--rounds: {error}"))?,
            "--markdown" => options.markdown = true,
            option if option.starts_with('-') => return Err(format!("{option} is no option\n{USAGE}")),
            _ => names.push(arg),
        }
    }
    if options.rounds < judge::ENOUGH {
        return Err(format!("--rounds: at least {}", judge::ENOUGH));
    }
    let mut names = names.into_iter();
    match (names.next(), names.next(), names.next()) {
        (Some(base), head, None) => Ok(Options { base, head, ..options }),
        _ => Err(USAGE.to_owned()),
    }
}

/// Whether anything is slower.
fn compare(options: &Options) -> Result<bool> {
    let home = criterion_home();
    // A name may be either; none may be both.
    let saved = Inventory::all(&home).ok().filter(|inventory| baselines::exist(&home, inventory, &options.base));
    let (sides, series) = match (saved, commits::resolve(&options.base)) {
        (Some(_), Ok(_)) => return Err(format!("{} is a commit and a saved baseline", options.base)),
        (Some(inventory), Err(_)) => {
            let head = options.head.clone().unwrap_or_else(|| "new".to_owned());
            let series = baselines::series(&home, &inventory, &options.base, &head)?;
            (Sides { base: options.base.clone(), head }, series)
        }
        (None, commit) => {
            let commit =
                commit.map_err(|why| format!("{} is neither a saved baseline nor a commit: {why}", options.base))?;
            commits::series(&commit, options)?
        }
    };
    if series.is_empty() {
        return Err("no benchmark is on both sides".to_owned());
    }
    let judged = judge(&series);
    let compared: Vec<_> = series.iter().zip(&judged).collect();
    print!("{}", if options.markdown { text::markdown(&sides, &compared) } else { text::plain(&sides, &compared) });
    Ok(compared.iter().any(|(_, judged)| judged.verdict == Verdict::Slower))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        options(line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn reads_its_options() {
        let options = parse("main --bench counter --bench lock topic --rounds 8 --markdown --filter inc").unwrap();
        assert_eq!((options.base.as_str(), options.head.as_deref()), ("main", Some("topic")));
        assert_eq!((options.programs.len(), options.rounds, options.markdown), (2, 8, true));
        assert_eq!(options.filter.as_deref(), Some("inc"));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for line in ["", "a b c", "a --rounds", "a --rounds 5", "a --rounds x", "a --quick"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
