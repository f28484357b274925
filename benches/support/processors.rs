//! What the harness asks of the operating system: cores of its own, and whether a thread was switched out.
//!
//! Only Linux answers here. Elsewhere no core is offered, and the team runs unpinned and ungated.

/// The cores that a team may pin its workers to, one logical processor each; empty where pinning is not possible.
///
/// Two hardware threads of one core count once: they share its execution units, so two workers there would not be
/// measured like two workers on two cores. Processor 0 comes last, since it serves most interrupts.
pub(crate) fn cores() -> Vec<usize> {
    let mut seen = Vec::new();
    let mut cores = system::allowed();
    cores.retain(|cpu| {
        let list = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        let siblings = std::fs::read_to_string(list).unwrap_or_else(|_| cpu.to_string());
        let new = !seen.contains(&siblings);
        seen.push(siblings);
        new
    });
    cores.reverse();
    cores
}

/// One line for the head of a run.
pub(crate) fn description() -> String {
    match cores().len() {
        0 => "threads cannot be pinned here: every figure is ungated".to_owned(),
        1 => "1 core: more threads than that are oversubscribed (neither pinned nor gated)".to_owned(),
        n => format!("{n} cores: more threads than that are oversubscribed (neither pinned nor gated)"),
    }
}

pub(crate) use system::{pin, switched_out};

#[cfg(target_os = "linux")]
mod system {
    use std::ffi::c_long;

    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::unistd::Pid;

    /// Zero stands for the calling thread.
    const SELF: Pid = Pid::from_raw(0);

    pub(super) fn allowed() -> Vec<usize> {
        let set = sched_getaffinity(SELF).unwrap_or_default();
        (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu) == Ok(true)).collect()
    }

    /// Binds the calling thread to `cpu`.
    pub(crate) fn pin(cpu: usize) {
        let mut set = CpuSet::new();
        set.set(cpu).and_then(|()| sched_setaffinity(SELF, &set)).expect("an allowed processor");
    }

    /// How often the calling thread was switched out against its will.
    pub(crate) fn switched_out() -> c_long {
        getrusage(UsageWho::RUSAGE_THREAD).map_or(0, |usage| usage.involuntary_context_switches())
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::ffi::c_long;

    pub(super) fn allowed() -> Vec<usize> {
        Vec::new()
    }

    pub(crate) fn pin(_cpu: usize) {}

    pub(crate) fn switched_out() -> c_long {
        0
    }
}
