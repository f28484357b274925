//! The shipped code on systems other than the one at hand: the integration tests, run there or as nearly there as this
//! machine allows. Each platform says which it is.
//!
//! * As a program of the other system, which this machine runs itself or an emulator runs for it.
//! * Under Miri, which interprets a program for another system wherever it knows what that calls.
//!
//! What a platform needs and does not find, it installs where it may; else it was *not run*, and says why.

mod debian;
mod program;
mod wine;

use std::process::ExitCode;

use crate::outcome::Outcome::{Failed, NotRun, Passed};
use crate::outcome::{Outcome, report};
use crate::sanitize::miri_for;
use program::Program;

struct Platform {
    name: &'static str,
    target: &'static str,
    /// What it needs of Debian's.
    packages: &'static [&'static str],
    how: How,
}

enum How {
    Program(Program),
    Miri,
}

const ALL: [Platform; 6] = [
    // 32 bits, by the processor itself.
    Platform {
        name: "i686",
        target: "i686-unknown-linux-gnu",
        // Not gcc-multilib, which no other cross compiler can stand beside.
        packages: &["gcc-i686-linux-gnu", "libc6-dev-i386-cross", "libc6-i386", "lib32gcc-s1"],
        how: How::Program(Program {
            linker: "i686-linux-gnu-gcc",
            prepare: || Ok(()),
            start: |command, program| _ = command.arg(program),
            emulated: false,
        }),
    },
    // The emulator keeps the order of memory accesses that the machine at hand has: on x86-64 no test sees a weaker one.
    Platform {
        name: "aarch64",
        target: "aarch64-unknown-linux-gnu",
        packages: &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross", "qemu-user"],
        how: How::Program(Program {
            linker: "aarch64-linux-gnu-gcc",
            prepare: || Ok(()),
            start: |command, program| _ = command.args(["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]).arg(program),
            emulated: true,
        }),
    },
    // Windows as Wine has it, on Linux's scheduler. Thread-locals here are none of the linker's.
    Platform {
        name: "windows",
        target: "x86_64-pc-windows-gnu",
        packages: &["gcc-mingw-w64-x86-64-posix", "wine64"],
        how: How::Program(Program {
            linker: "x86_64-w64-mingw32-gcc-posix",
            prepare: wine::prepare,
            start: wine::start,
            emulated: false,
        }),
    },
    // The other byte order.
    Platform { name: "miri-s390x", target: "s390x-unknown-linux-gnu", packages: &[], how: How::Miri },
    // `parking_lot_core` parks a thread with what pthreads have on both of these.
    Platform { name: "miri-freebsd", target: "i686-unknown-freebsd", packages: &[], how: How::Miri },
    Platform { name: "miri-macos", target: "aarch64-apple-darwin", packages: &[], how: How::Miri },
];

/// Where no thread can be parked under Miri, and why.
const BEYOND_MIRI: [(&str, &str); 2] = [
    ("32-bit Linux", "`parking_lot_core` makes the system call futex_time64, which it does not have"),
    ("Windows", "`parking_lot_core` calls GetModuleHandleA, which it does not have"),
];

impl Platform {
    fn run(&self) -> Outcome {
        match &self.how {
            How::Program(program) => match program::install(self) {
                Ok(()) => program.run(self).map_or_else(Failed, Passed),
                Err(why) => NotRun(why),
            },
            How::Miri => miri_for(self.target),
        }
    }
}

/// Runs those that are named, or all.
pub(super) fn run(args: impl Iterator<Item = String>) -> ExitCode {
    let (mut require, mut packages, mut names) = (false, false, Vec::new());
    for arg in args {
        match arg.as_str() {
            "--require" => require = true,
            "--packages" => packages = true,
            name if ALL.iter().any(|platform| platform.name == name) => names.push(arg),
            _ => {
                let known = ALL.map(|platform| platform.name).join(", ");
                eprintln!("{}\n\nno platform is named {arg}; there are {known}", super::USAGE);
                return ExitCode::from(2);
            }
        }
    }
    let chosen = || ALL.iter().filter(|platform| names.is_empty() || names.iter().any(|name| name == platform.name));
    if packages {
        println!("{}", chosen().flat_map(|platform| platform.packages).copied().collect::<Vec<_>>().join(" "));
        return ExitCode::SUCCESS;
    }
    let outcomes: Vec<_> = chosen().map(|platform| (platform.name, platform.run())).collect();
    if chosen().any(|platform| matches!(platform.how, How::Miri)) {
        for (system, why) in BEYOND_MIRI {
            eprintln!("== not under Miri: {system}: {why}");
        }
    }
    report(&outcomes, require)
}
