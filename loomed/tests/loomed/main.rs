//! `cargo loomed` on workspaces that are made for it, with the versions of this repository's lockfile.

mod fixture;

use fixture::Fixture;

#[test]
fn a_broken_queue_that_loom_as_published_passes() {
    let fixture = Fixture::new("queue");
    fixture.member("queue", "", include_str!("queue.rs"));
    // Cargo would find in its own `build-dir` what it has built on another loom.
    let config = "[build]\nrustflags = [\"--cfg\", \"its_own_flag\"]\nbuild-dir = \"between\"\n";
    fixture.write(".cargo/config.toml", config);
    // A test program with a `main` of its own, and one that has the name of the library.
    fixture.write("queue/tests/own.rs", include_str!("own.rs"));
    fixture.write("queue/tests/queue.rs", "mod tests {\n    #[test]\n    fn plain() {\n        panic!()\n    }\n}\n");
    fixture.append("queue/Cargo.toml", "\n[[test]]\nname = \"own\"\nharness = false\n");
    let before = fixture.files();

    let compared = fixture.loomed(&["--compare", "--", "--skip", "not_this"], &[]);
    assert_eq!(compared.code, 1, "{compared}");
    compared.expect("FAILS, and passes on published loom");
    compared.expect("The execution that fails, which loom as published does not look at:");
    // The switch, the store that comes too late, the load that does not see it, with lines and values.
    compared.expect("-- thread 0 runs");
    compared.expect("stores 1 (Release) #");
    compared.expect("loads 0, not the newest, 7 (Relaxed) #");
    compared.expect("assert_eq!(slot.value.load(Relaxed), 7, \"the value is lost\")");
    compared.expect("test tests::expected ... ok");
    compared.expect("test tests::aborts ... FAILED (signal: 6");
    compared.expect("test tests::plain ... ok\n");
    compared.expect("---- own: main\n  The execution that fails, which");
    compared.expect_not("not_this");
    compared.expect_not("tests::ignored");
    assert_eq!(fixture.files(), before, "the tree has changed");
}

#[test]
fn reports_for_programs_settings_and_limits() {
    let fixture = Fixture::new("reports");
    // Named otherwise, and of a member that is not the root.
    fixture.member("renamed", "package = \"loom\", ", include_str!("renamed.rs"));
    let before = fixture.files();

    let report = fixture.loomed(&["-p", "renamed", "--json", "--timeout=2", "--complete"], &[]);
    assert_eq!(report.code, 1, "{report}");
    let json: serde_json::Value = serde_json::from_str(&report.stdout).expect("it is JSON");
    let test = |name: &str| {
        let tests = json["corrected"].as_array().expect("there are tests");
        tests.iter().find(|test| test["name"] == name).unwrap_or_else(|| panic!("{name} is not in {json}"))
    };
    assert_eq!(test("three_values")["searches"][0]["ending"], "complete");
    assert_eq!(test("three_values")["passed"], true);
    assert_eq!(test("no_end")["passed"], false);
    assert!(test("no_end")["ended"].as_str().is_some_and(|ended| ended.starts_with("no end in 2")));
    assert_eq!(test("dead")["searches"][0]["ending"], "failed");
    assert!(test("dead")["interleaving"]["said"].as_str().is_some_and(|said| said.contains("deadlock")));

    let bounded = fixture.loomed(&["--complete", "-p=renamed", "many_stores"], &[]);
    assert_eq!(bounded.code, 3, "{bounded}");
    bounded.expect("an atomic was stored to more often than loom remembers");
    let bounded = fixture.loomed(&["--complete", "three_values"], &[("LOOM_MAX_PREEMPTIONS", "0")]);
    assert_eq!(bounded.code, 3, "{bounded}");
    bounded.expect("LOOM_MAX_PREEMPTIONS=0 was set");
    bounded.expect("the bound of preemptions was reached");
    // Its loom is there under `cfg(loom)` only.
    let other = fixture.loomed(&["--cfg", "other_loom"], &[]);
    assert_eq!(other.code, 2, "{other}");
    other.expect("no package here uses loom");
    let complete = fixture.loomed(&["--complete", "three_values"], &[]);
    assert_eq!(complete.code, 0, "{complete}");
    assert_eq!(fixture.files(), before, "the tree has changed");
}

#[test]
fn what_cannot_be_run_is_said() {
    let fixture = Fixture::new("refused");
    fixture.member("broken", "", "fn not_rust(");
    let refused = fixture.loomed(&[], &[]);
    assert_eq!(refused.code, 101, "{refused}");
    let refused = fixture.loomed(&["--lib"], &[("LOOM_CHECKPOINT_FILE", "there")]);
    assert_eq!(refused.code, 2, "{refused}");
    refused.expect("LOOM_CHECKPOINT_FILE is set");

    fixture.remove("Cargo.lock");
    let before = fixture.files();
    let refused = fixture.loomed(&[], &[]);
    assert_eq!(refused.code, 2, "{refused}");
    refused.expect("has no Cargo.lock, and none is made here");
    assert_eq!(fixture.files(), before, "the tree has changed");
}
