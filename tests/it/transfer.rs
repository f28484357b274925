//! The `transfer` example.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Child;

use crate::process::{self, Run, finish};

/// What moves.py, which wrote the bundled file, says of it.
const BUNDLED: [(&str, &str); 6] = [
    ("moves done", "11586"),
    ("rejected", "1215"),
    ("malformed", "274"),
    ("unknown site", "292"),
    ("self-move", "283"),
    ("not there", "366"),
];

fn start(args: &[&str]) -> Child {
    process::start("examples/transfer", args)
}

fn run(args: &[&str], stdin: &[u8]) -> Run {
    process::run("examples/transfer", args, stdin)
}

fn piped(text: impl AsRef<[u8]>) -> Run {
    run(&["-", "--threads", "3"], text.as_ref())
}

#[test]
fn the_bundled_file_ends_well() {
    let run = run(&[], b"").code(0);
    run.has_values(&BUNDLED);
    let seconds: f64 = run.value("wall time").strip_suffix(" s").unwrap().parse().unwrap();
    let rate: f64 = run.value("moves per second").parse().unwrap();
    assert!(seconds >= 0.0 && rate > 0.0, "{}", run.stdout);
    run.reports("440 researchers");
    assert!(run.stderr.contains("12235 of 12235 moves"), "{}", run.stderr);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let counts = |run: &Run| {
        let end = run.stdout.find("wall time").unwrap();
        run.stdout[..end].to_owned()
    };
    let one = run(&["--threads", "1"], b"").code(0);
    for threads in ["2", "3", "8", "439", "5000", "4000000000"] {
        let other = run(&["--threads", threads], b"").code(0);
        assert_eq!(counts(&other), counts(&one), "{threads} threads");
    }
    one.has_values(&BUNDLED);
}

#[test]
fn no_more_threads_start_than_are_of_use() {
    let many: String = (0..1500).map(|row| format!("R{row},A,B\n")).collect();
    for (rows, threads) in [("Li,A,B\nMa,B,A\n", 2), (&many, 1000)] {
        let run = run(&["-", "--threads", "3000"], rows.as_bytes()).code(0);
        let capped = format!("threads {threads} (more are of no use)");
        assert!(run.stderr.contains(&capped), "{}", run.stderr);
    }
}

#[test]
fn a_named_file_and_a_pipe_read_alike() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/moves.csv");
    run(&[file.to_str().unwrap()], b"").code(0).has_values(&BUNDLED);
    run(&["-"], &fs::read(file).unwrap()).code(0).has_values(&BUNDLED);
}

#[test]
fn every_rejected_row_has_its_line_and_reason() {
    let run = piped(
        "sites,协和,Ruijin,\"Clínic, Barcelona\"\n\
         Li,协和,Ruijin\n\
         Li,Ruijin\n\
         Li,Ruijin,Nowhere\n\
         Li,Ruijin,Ruijin\n\
         Li,协和,Ruijin\n\
         Li,Ruijin,\"Clínic, Barcelona\"\n",
    )
    .code(0);
    run.has_values(&[("moves done", "2"), ("rejected", "4")]);
    for part in [
        "malformed: 1\n    line 3: 3 fields expected, found 2\n",
        "unknown site: 1\n    line 4: Nowhere is not a declared site\n",
        "self-move: 1\n    line 5: Li would move from Ruijin to Ruijin: ",
        "not there: 1\n    line 6: Li is not at 协和\n",
    ] {
        run.reports(part);
    }
}

#[test]
fn only_the_first_of_a_kind_are_named_by_line() {
    let rows: String = (0..50).map(|row| format!("R{row},A,A\n")).collect();
    let run = piped(format!("{rows}Li,A,B\n")).code(0);
    run.has_values(&[("moves done", "1"), ("self-move", "50")]);
    let lines = run.stdout.lines().filter_map(|line| line.trim_start().strip_prefix("line "));
    let lines: Vec<&str> = lines.map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["1", "2", "3"]);
}

#[test]
fn malformed_rows_spoil_nothing_but_themselves() {
    let rows: [&[u8]; 11] = [
        b"\xEF\xBB\xBFsites,A,B,A,,",
        b"researcher,from,to",
        b"Li,A,B",
        b"",
        b"\xFF\xFE,A,B",
        b"\"Li,B,A",
        b"Li,\"B,A",
        b" ,B,A",
        b"Li,B,",
        b"Li,B,A,B",
        b"Li , B,\"A\"",
    ];
    let run = piped(rows.join(&b"\r\n"[..])).code(0);
    run.has_values(&[("moves done", "2"), ("rejected", "6"), ("malformed", "6")]);
    run.reports("line 5: not UTF-8\n    line 6: an open quote\n    line 7: an open quote\n");
    assert!(run.stderr.contains("site A is declared twice"), "{}", run.stderr);

    let run = piped("Li,A,B\nLi,B\x1b[2J,A\nLi, ,A\n").code(0);
    run.reports("line 2: a control character in a name\n    line 3: an empty name\n");
}

#[test]
fn undeclared_sites_are_all_known() {
    let run = piped("Li,A,B\nLi,B,C\nMa,\"C, D\",A").code(0);
    run.has_values(&[("moves done", "3"), ("rejected", "0")]);
    assert!(run.stderr.contains("sites 4, researchers 2"), "{}", run.stderr);
}

/// A self-move, an unknown site and a short row say nothing of where a researcher starts.
#[test]
fn the_first_valid_row_is_the_start() {
    let run = piped("sites,A,B\nLi,A,A\nLi,X,A\nLi,A\nLi,B,A\nLi,A,B\nMa,A,A\n").code(0);
    run.has_values(&[
        ("moves done", "2"),
        ("malformed", "1"),
        ("unknown site", "1"),
        ("self-move", "2"),
        ("not there", "0"),
    ]);
    run.reports("check passed: 1 researchers");
}

#[test]
fn input_without_a_valid_row_is_refused() {
    for (text, complaint) in [
        ("", "no valid row"),
        ("\n\r\n \n", "no valid row"),
        ("researcher,from,to\n", "no valid row"),
        ("Li,A\n", "malformed: 1\n    line 1: 3 fields expected, found 2"),
        ("Li,A,A\n", "self-move: 1\n    line 1"),
        ("sites,A\nLi,A,B\n", "unknown site: 1\n    line 2: B"),
        ("sites\nLi,A,B\n", "names no site"),
        ("sites,, \nLi,A,B\n", "names no site"),
        ("\u{FEFF}\n", "rejected: 0"),
        ("\u{FEFF}sites,A,\"B\nLi,A,B\n", "line 1: an open quote"),
    ] {
        piped(text).code(2).complains(complaint);
    }
}

#[test]
fn unreadable_input_is_refused() {
    let here = env!("CARGO_TARGET_TMPDIR");
    let empty = Path::new(here).join("transfer-empty.csv");
    fs::write(&empty, "").unwrap();
    run(&[empty.to_str().unwrap()], b"").code(2).complains("no valid row");
    run(&[here], b"").code(2).complains(here);
    let missing = Path::new(here).join("missing.csv");
    run(&[missing.to_str().unwrap()], b"").code(2).complains("missing.csv: ");
}

#[test]
fn wrong_usage_is_refused() {
    for threads in ["0", "-1", "two", "1.5", "", "99999999999999999999999"] {
        let run = run(&["--threads", threads], b"").code(2);
        run.complains("--threads wants a whole number from 1");
    }
    run(&["--threads"], b"").code(2).complains("--threads");
    run(&["--quick"], b"").code(2).complains("--quick");
    run(&["-", "again"], b"Li,A,B\n").code(2).complains("again");
    let help = run(&["--help"], b"");
    assert_eq!(help.code, Some(0));
    help.reports("usage: transfer [FILE] [--threads N] [--naive]");
}

#[test]
fn a_reader_who_leaves_changes_nothing() {
    let mut child = start(&["-"]);
    // Nothing is reported before the input ends, so the pipe is surely broken by then.
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(b"Li,A,B\n").unwrap();
    let run = finish(child);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}

/// The sites that a deadlock report says are held and wanted, by thread.
fn held_and_wanted(report: &str) -> Vec<(&str, &str)> {
    let threads = report.lines().filter_map(|line| line.split_once(" holds "));
    threads.filter_map(|(_, sites)| sites.split_once(" and wants ")).collect()
}

#[test]
fn the_naive_variant_deadlocks_and_says_how() {
    let run = run(&["--naive", "--threads", "4"], b"").code(3);
    run.reports("deadlock: no progress for 1 s\n");
    let threads = held_and_wanted(&run.stdout);
    assert_eq!(threads.len(), 4, "{}", run.stdout);
    // At least two threads hold what others want.
    let waits = |(_, wanted): &&(&str, &str)| threads.iter().any(|(held, _)| held == wanted);
    assert!(threads.iter().filter(waits).count() >= 2, "{}", run.stdout);
    run.reports("in a cycle:\n");
}

#[test]
fn the_smallest_deadlock_is_named() {
    let rows = "Li,协和,Ruijin\nMa,Ruijin,协和\nLi,Ruijin,Ruijin\n";
    let run = run(&["-", "--naive", "--threads", "2"], rows.as_bytes()).code(3);
    let threads = held_and_wanted(&run.stdout);
    let crossed = [("协和", "Ruijin"), ("Ruijin", "协和")];
    assert!(threads.len() == 2 && crossed.iter().all(|pair| threads.contains(pair)), "{}", run.stdout);
    assert_eq!(run.stdout.matches(" waits for ").count(), 2, "{}", run.stdout);
    assert!(run.stderr.contains("self-moves skipped: 1 "), "{}", run.stderr);
}

#[test]
fn one_naive_thread_does_not_deadlock() {
    let run = run(&["-", "--naive", "--threads", "1"], b"Li,A,B\nMa,B,A\n");
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run.reports("no deadlock came: 1 threads");
}
