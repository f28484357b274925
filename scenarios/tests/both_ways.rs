//! Every scenario, with its cure and without. That no thread is left behind they see themselves, each in its own process;
//! `process.rs` kills one that hangs.

#[path = "../../tests/it/process.rs"]
#[expect(dead_code, reason = "some of it is for the tests of `transfer`")]
mod process;

use std::hint::spin_loop;

use process::Run;
use raddle::{Limit, SpawnError, Stopped, scope};

/// With its cure: all checks passed, and only the main thread is left.
fn cured(name: &str) -> Run {
    let run = process::run(name, &[], b"").code(0);
    let end = run.stdout.lines().last().unwrap();
    let alone = if cfg!(target_os = "linux") { "; no thread is left behind" } else { "" };
    assert!(end.starts_with("check passed: ") && end.ends_with(alone), "{}", run.stdout);
    run
}

/// Without it: the failure came, and is named in the last line.
fn naive(name: &str, failure: &str) -> Run {
    let run = process::run(name, &["--naive"], b"").code(3);
    let end = run.stdout.lines().last().unwrap();
    assert!(end.starts_with("failure shown: ") && end.contains(failure), "{}", run.stdout);
    run
}

#[test]
fn opposite_orders() {
    let run = cured("opposite_orders");
    run.reports("4000 moves in opposite directions are done");
    run.reports("from a site to itself: lock 1 occurs twice in one lock_all");
    naive("opposite_orders", "deadlock: 2 movers");
}

#[test]
fn orphaned_senders() {
    let run = cured("orphaned_senders");
    let all = "remind Chen, remind Deng, remind Gao, remind Huang, remind Li, remind Wang, remind Zhang, remind Zhao";
    run.reports("confirmed: 8 reminders are delivered");
    run.reports("not confirmed: a drug is out of stock");
    run.reports(&format!("refused: 8 reminders came back ({}): {all}", Stopped::Cancelled));
    run.reports(&format!("silent: 8 reminders came back ({}): {all}", Stopped::TimedOut));
    naive("orphaned_senders", "8 of 8 senders leaked");
}

#[test]
fn slow_model() {
    let run = cured("slow_model");
    let stages = [
        ("compute stopped ", ""),
        ("sleep stopped ", ""),
        ("archive's lock stopped ", "lock 2 not acquired: "),
        ("weights' cell stopped ", "cell not initialised: "),
        ("scans' group stopped ", "workers are still at work: "),
    ];
    let whys = ["the limit passed before the wait was over", "the wait was cancelled"];
    for (stage, what) in stages {
        let lines: Vec<_> = run.stdout.lines().filter(|line| line.trim_start().starts_with(stage)).collect();
        let ends = whys.map(|why| format!(" later: {what}{why}"));
        assert!(lines.len() == 2 && lines.iter().zip(&ends).all(|(line, end)| line.contains(end)), "{}", run.stdout);
    }
    run.reports("the client will go: the client hung up");
    naive("slow_model", "still has the card");
}

#[test]
fn connection_pool() {
    let run = cured("connection_pool");
    run.reports("the impatient request: cell not initialised: the limit passed before the wait was over");
    run.reports("of 100 requests 99 were answered");
    run.reports("the request that tried first: the cell's initialiser failed, the next call tries again: unable to open database file: ");
    run.reports("a later request has no time to wait, and is answered: patient 7");
    run.reports("one attempt failed, and the pool was opened once");
    naive("connection_pool", "100 pools instead of one, or an empty one for 99 requests");
}

#[test]
fn audit_log() {
    let run = cured("audit_log");
    run.reports("request 1 has 200ms: 6 entries are not written, 6 are missing");
    run.reports("opened the record of Li: database is locked");
    run.reports("request 1 tries again: 0 entries are not written");
    run.reports("request 2: not written: excluded Zhao: CHECK constraint failed: doctor <> ''");
    naive("audit_log", "6 of 6 entries were missing when the request said so");
}

#[test]
fn axum_bridge() {
    let run = cured("axum_bridge");
    let ends: Vec<_> = run.stdout.lines().filter(|line| line.starts_with("  the query has ended: ")).collect();
    assert!(ends.len() == 3 && ends.iter().all(|line| line.ends_with(": Err(Cancelled)")), "{}", run.stdout);
    run.reports("the client is answered: HTTP/1.1 503 Service Unavailable");
    naive("axum_bridge", "1 query goes on for nobody");
}

#[test]
fn imaging_pipeline() {
    let run = cured("imaging_pipeline");
    run.reports("to the end: 37 archived, 3 broken, 0 not handled");
    // Which ones depends on the run, but the sum does not.
    let counts = run.value("cancelled").split(", ").map(|part| part.split(' ').next().unwrap().parse().unwrap());
    let counts: Vec<u32> = counts.collect();
    assert!((12..=14).contains(&counts[0]) && counts[2] > 0, "{}", run.stdout);
    assert_eq!(counts.iter().sum::<u32>(), 40, "{}", run.stdout);
    naive("imaging_pipeline", "no worker is left, and the producer waits for room in a queue of 5");
}

#[test]
fn two_back_ends() {
    let run = cured("two_back_ends");
    let well = run.stdout.lines().rfind(|line| line.starts_with("both are well: Ok"));
    assert!(well.is_some_and(|line| line.contains("the subjects") && line.contains("the drugs")), "{}", run.stdout);
    run.reports("the call for the subjects has ended: Err(\"subjects: the wait was cancelled");
    assert!(
        run.value("the drugs fail").starts_with("Err(\"drugs: answered") && run.value("the drugs fail").contains("500")
    );
    assert!(run.value("the drugs hang").contains("the limit passed before the wait was over"));
    naive("two_back_ends", "1 call is left behind");
}

#[test]
fn hit_counter() {
    let run = cured("hit_counter");
    run.reports("4000 requests; Counter, ShardedCounter and mutex have counted [4000, 4000, 4000]");
    run.reports("4 requests at once, no more than 3 of which are let in: 3 were");
    for name in ["parking_lot::Mutex", "Counter", "ShardedCounter"] {
        let row = run.stdout.lines().find_map(|line| line.strip_prefix("  ")?.strip_prefix(name));
        let figure = row.and_then(|figure| figure.trim().parse::<f64>().ok());
        assert!(figure.is_some_and(|figure| figure > 0.0), "{name} in {}", run.stdout);
    }
    naive("hit_counter", "1000 of 2000 hits are lost");
}

#[test]
fn hang_report() {
    let run = cured("hang_report");
    let deadlock = run.value("one of two requests");
    for says in
        ["deadlock: ", "'GET /drugs' waits for lock 1", "'GET /refresh' waits for the value of a cell", "held by"]
    {
        assert!(deadlock.contains(says), "{says} in {deadlock}");
    }
    run.reports("the next: aspirin, heparin");
    for says in
        ["watchdog:", "/waits:", "thread 'GET /drugs' waits for lock 1, ", ", which waits for the wholesaler's answer"]
    {
        assert!(run.stdout.contains(says), "{says} in {}", run.stdout);
    }
    naive("hang_report", "5 requests hang, and nothing says why");
}

/// `cargo xtask dependents` runs it under loom, where the faults are found each time.
#[test]
fn before_production() {
    let run = cured("before_production");
    run.reports("opposite moves: well in 100 runs");
    run.reports("the last bed: well in 100 runs");

    // On real threads they may show, if seldom; the end says whether they did.
    let run = process::run("before_production", &["--naive"], b"");
    let end = run.stdout.lines().last().unwrap();
    match run.code {
        Some(1) => {
            run.reports("opposite moves: well in 100 runs");
            run.reports("the last bed: well in 100 runs");
            assert!(end.starts_with("check failed: nothing has shown on real threads"), "{}", run.stdout);
            assert!(end.ends_with("--bin before_production -- --naive"), "{}", run.stdout);
        }
        Some(3) => {
            run.reports("fails after these steps");
            assert!(end.starts_with("failure shown: "), "{}", run.stdout);
        }
        code => panic!("{code:?} {}{}", run.stdout, run.stderr),
    }
}

type Named = (&'static str, fn());

/// Those that take no second by design, or one.
const SHORT: [Named; 6] = [
    ("opposite_orders", opposite_orders),
    ("orphaned_senders", orphaned_senders),
    ("connection_pool", connection_pool),
    ("audit_log", audit_log),
    ("imaging_pipeline", imaging_pipeline),
    ("axum_bridge", axum_bridge),
];

const LONG: [Named; 5] = [
    ("slow_model", slow_model),
    ("two_back_ends", two_back_ends),
    ("hit_counter", hit_counter),
    ("hang_report", hang_report),
    ("before_production", before_production),
];

/// Runs each of them, both ways, six at a time, beside two threads that compute.
fn under_load<'a>(scenarios: impl Iterator<Item = &'a Named>) {
    let all = scope(Limit::NEVER, |load| {
        let _over = load.token().cancel_on_drop();
        for _ in 0..2 {
            load.spawn_named("load", |over| {
                while !over.is_cancelled() {
                    spin_loop();
                }
                Ok(())
            })?;
        }
        scope(load.token(), |tasks| {
            tasks.at_most(6);
            for &(name, run) in scenarios {
                // A panic ends the whole.
                tasks.spawn_named(name, move |_| {
                    run();
                    Ok(())
                })?;
            }
            Ok(())
        })
    });
    all.unwrap_or_else(|error: SpawnError| panic!("{error}"));
}

#[test]
fn each_under_load() {
    under_load(LONG.iter().cycle().take(2 * LONG.len()).chain(SHORT.iter().cycle().take(20 * SHORT.len())));
}

#[test]
#[ignore = "takes minutes: these scenarios wait for seconds by design"]
fn long_ones_under_load() {
    under_load(LONG.iter().cycle().take(20 * LONG.len()));
}

/// All scenarios end alike, so one stands for all.
#[test]
fn wrong_usage_is_refused() {
    for args in [&["--quick"][..], &["--naive", "--naive"]] {
        process::run("opposite_orders", args, b"").code(2).complains("usage");
    }
}
