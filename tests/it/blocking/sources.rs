//! The table against the sources: no blocking call is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::table::table;

/// Functions that take what becomes a limit, which does not bound them.
const DO_NOT_WAIT: [&str; 2] = ["wait/limit.rs::or", "tasks/scope.rs::scope"];

/// Functions that wait and take no limit: they stop by their token.
const BY_TOKEN: [&str; 1] = ["cancel/token.rs::sleep"];

/// Functions that wait and have no form without a limit.
const ALWAYS_LIMITED: [&str; 1] = ["cancel/token.rs::wait"];

/// Files whose functions are there with a feature only, and whether it is on: `cfg!(feature = "…")`.
const OPTIONAL: [(&str, bool); 1] = [("channel.rs", cfg!(feature = "crossbeam-channel"))];

/// Files whose functions stand beside another crate's, which have no limit.
const BESIDE_ANOTHERS: [&str; 1] = ["channel.rs"];

/// The functions of a source text, each with all that stands between its name and its body.
fn functions(text: &str) -> Vec<(String, String)> {
    // A `//` in a string is no harm: bodies are not looked at.
    let code: String = text.lines().flat_map(|line| [line.split("//").next().unwrap_or_default(), "\n"]).collect();
    let starts =
        code.match_indices("fn ").filter(|(at, _)| !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
    let functions = starts.map(|(at, _)| {
        let rest = &code[at + 3..];
        let (name, rest) = rest.split_at(rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()));
        let signature = rest.split(['{', ';']).next().unwrap_or_default();
        (name.to_owned(), signature.to_owned())
    });
    functions.filter(|(name, _)| !name.is_empty()).collect()
}

/// Whether a function with this signature takes whatever becomes a limit.
fn is_limited(signature: &str) -> bool {
    let words: String = signature.chars().filter(|c| !c.is_whitespace()).collect();
    words.contains("Into<Limit") || words.contains("Into<crate::Limit")
}

/// The files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Each file's functions.
fn sources() -> BTreeMap<String, Vec<(String, String)>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let name = |path: &Path| path.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/");
    let there = |file: &str| OPTIONAL.iter().all(|(optional, on)| *on || *optional != file);
    let files = files(&src).into_iter().map(|path| (name(&path), path)).filter(|(name, _)| there(name));
    files.map(|(name, path)| (name, functions(&fs::read_to_string(path).unwrap()))).collect()
}

/// Fails if a function that takes a limit is not in the table, or the table has one that is not there (any more).
#[test]
#[cfg_attr(miri, ignore = "reads files")]
fn every_blocking_call_is_in_the_table() {
    let sources = sources();
    let all = sources.iter().flat_map(|(file, functions)| functions.iter().map(move |function| (file, function)));
    let limited =
        all.filter(|(_, (_, signature))| is_limited(signature)).map(|(file, (name, _))| format!("{file}::{name}"));
    let mut expected: BTreeSet<_> = limited.collect();
    for name in DO_NOT_WAIT {
        assert!(expected.remove(name), "{name} is gone");
    }
    expected.extend(BY_TOKEN.map(String::from));
    let rows = table();
    let listed: BTreeSet<_> = rows.iter().map(|row| row.name.to_owned()).collect();
    assert_eq!(expected.difference(&listed).collect::<Vec<_>>(), [""; 0], "not in the table");
    assert_eq!(listed.difference(&expected).collect::<Vec<_>>(), [""; 0], "in the table, and not in the sources");
    let by_token: BTreeSet<_> = rows.iter().filter(|row| row.by_token).map(|row| row.name).collect();
    assert_eq!(by_token, BTreeSet::from(BY_TOKEN));
}

/// Fails if a call with a limit has no sibling without one, by the name that the shape of the crate gives it.
#[test]
#[cfg_attr(miri, ignore = "reads files")]
fn every_call_has_a_form_without_a_limit() {
    let sources = sources();
    for row in table() {
        let (file, name) = row.name.split_once("::").unwrap();
        let functions = sources.get(file).unwrap_or_else(|| panic!("no {file}"));
        let is_there = |name: &str| functions.iter().any(|(other, _)| other == name);
        assert!(is_there(name), "no {}", row.name);
        match name.strip_suffix("_within") {
            Some(_) if BESIDE_ANOTHERS.contains(&file) => {}
            Some(sibling) => assert!(is_there(sibling), "no {sibling} beside {}", row.name),
            None => assert!(row.by_token || ALWAYS_LIMITED.contains(&row.name), "{} has no `_within`", row.name),
        }
    }
}

/// Fails if a function that takes a limit is overlooked for the way in which it is written.
#[test]
fn functions_are_found_in_the_text() {
    let text = "
        /// fn in_a_comment(limit: impl Into<Limit<'l>>) {
        pub fn on_one_line<'l>(&self, limit: impl Into<Limit<'l>>) -> bool { fn_like(1) }
        pub fn on_several<'l, F: FnOnce() -> T>(
            &self, // fn of a comment behind
            limit: impl Into<
                Limit<'l>,
            >,
        ) -> Result<&T, InitError> {
        pub(crate) fn bound<'l, L>(limit: L) where L: Into<Limit<'l>>;
        fn whole_path(limit: impl Into<crate::Limit<'_>>) {
        pub fn none(limit: &Limit<'_>, f: fn (u8)) -> impl Into<u8> { other::<Into<Limit>>() }
    ";
    let functions = functions(text);
    let limited = functions.iter().filter(|(_, signature)| is_limited(signature)).map(|(name, _)| name.as_str());
    assert_eq!(limited.collect::<Vec<_>>(), ["on_one_line", "on_several", "bound", "whole_path"]);
    assert!(functions.iter().any(|(name, _)| name == "none"));
}
