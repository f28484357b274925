//! Packages of Debian's, and of those who took them over.

use std::process::Command;

use crate::tool;

/// Sees to these packages. Else says why they are not there.
pub(super) fn install(packages: &[&str]) -> Result<(), String> {
    let there = |package: &str| {
        let status =
            tool::output(Command::new("dpkg-query").args(["--show", "--showformat=${db:Status-Status}", package]));
        status.is_ok_and(|status| status == "installed")
    };
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !there(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if tool::output(Command::new("id").arg("--user")).map_or(true, |user| user.trim() != "0") {
        return Err(format!("these packages are missing, and only root can install them: {names}"));
    }
    eprintln!("== installing {names}");
    let get = |args: &[&str]| {
        let mut get = Command::new("apt-get");
        tool::output(get.args(args).env("DEBIAN_FRONTEND", "noninteractive")).map(drop)
    };
    get(&["update"])?;
    get(&[&["install", "--yes", "--no-install-recommends"][..], &missing].concat())
}
