//! Orphaned senders: a doctor makes a batch of follow-up plans. One task per patient sends a reminder into a channel
//! without room, where another task shall fetch and push them. The confirm step fails, so that task is never started.
//!
//! With a plain `send` every sender waits for ever (`--naive`): the receiver is kept for a second try, so the channel
//! does not close either. A [`send_within`](SendWithin::send_within) ends with its batch. Once the batch's token is
//! cancelled all senders return at once, and each gives its reminder back. Should nobody cancel it, there is a limit
//! besides.

use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use raddle::{CancelToken, Limit, SendWithin, SendWithinError, Stopped, WaitGroup};
use scenarios::Outcome;

const PATIENTS: [&str; 8] = ["Chen", "Deng", "Gao", "Huang", "Li", "Wang", "Zhang", "Zhao"];

/// Nothing should take this long.
const SEAT_BELT: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    scenarios::run(cured, naive)
}

fn reminder(patient: &str) -> String {
    format!("remind {patient}")
}

/// What came of a batch.
struct Report {
    delivered: Vec<String>,
    /// With the reason for each.
    undelivered: Vec<(String, Option<Stopped>)>,
    cause: Option<String>,
}

/// Creates the plans. The confirm step may look at the group of senders.
fn create_plans(limit: Duration, confirm: impl FnOnce(&WaitGroup) -> Result<(), &'static str>) -> Report {
    let batch = CancelToken::new();
    let senders = WaitGroup::new();
    let (reminders, queue) = bounded(0);
    thread::scope(|threads| {
        let tasks = PATIENTS.map(|patient| {
            let (reminders, batch, at_work) = (reminders.clone(), &batch, senders.worker());
            threads.spawn(move || {
                let _at_work = at_work;
                reminders.send_within(reminder(patient), Limit::from(batch).or(limit))
            })
        });
        drop(reminders);

        let delivered = match confirm(&senders) {
            // Pushes until the last sender is gone.
            Ok(()) => threads.spawn(|| queue.iter().collect()).join().expect("the pushing task does not panic"),
            Err(cause) => {
                let stopped = Instant::now();
                println!("not confirmed: {cause}; {} senders are waiting", senders.count());
                batch.cancel_with(cause);
                senders.wait().expect("senders do not panic");
                println!("no sender is left {:?} later", stopped.elapsed());
                Vec::new()
            }
        };
        let undelivered = tasks.into_iter().filter_map(|task| task.join().expect("senders do not panic").err());
        let undelivered = undelivered.map(|error| match error {
            SendWithinError::Stopped { value, why } => (value, Some(why)),
            other => (other.into_inner(), None),
        });
        Report { delivered, undelivered: undelivered.collect(), cause: batch.cause().map(ToString::to_string) }
    })
}

fn cured() -> Outcome {
    let everybody = PATIENTS.map(reminder);

    let mut good = create_plans(SEAT_BELT, |_| Ok(()));
    good.delivered.sort();
    println!("confirmed: {} reminders are delivered", good.delivered.len());
    if good.delivered != everybody || !good.undelivered.is_empty() {
        return Err(format!("of a confirmed batch only {:?} were delivered", good.delivered));
    }

    let refused = create_plans(SEAT_BELT, |_| {
        thread::sleep(Duration::from_millis(100)); // stands for the confirm step's work
        Err("a drug is out of stock")
    });
    given_back("refused", &refused, Stopped::Cancelled)?;
    if refused.cause.as_deref() != Some("a drug is out of stock") {
        return Err(format!("the batch was cancelled because of {:?}", refused.cause));
    }

    // The confirm step hangs for longer than anybody waits, so that nobody cancels in time.
    let silent = create_plans(Duration::from_millis(100), |senders| {
        senders.wait().expect("senders do not panic");
        Err("no answer")
    });
    given_back("silent", &silent, Stopped::TimedOut)?;
    Ok("every reminder was delivered or given back".to_owned())
}

/// Checks that nothing was delivered, and that all reminders came back for this reason.
fn given_back(batch: &str, report: &Report, reason: Stopped) -> Result<(), String> {
    let undelivered: Vec<_> = report.undelivered.iter().map(|(reminder, _)| reminder.as_str()).collect();
    println!("{batch}: {} reminders came back ({reason}): {}", undelivered.len(), undelivered.join(", "));
    let stopped = report.undelivered.iter().all(|&(_, why)| why == Some(reason));
    if stopped && undelivered == PATIENTS.map(reminder) && report.delivered.is_empty() {
        return Ok(());
    }
    Err(format!("{batch}: delivered {:?}, given back {:?}", report.delivered, report.undelivered))
}

/// The same failed batch with plain sends.
fn naive() -> Outcome {
    let senders = Arc::new(WaitGroup::new());
    let (reminders, queue) = bounded(0);
    for patient in PATIENTS {
        let (reminders, at_work) = (reminders.clone(), senders.worker_owned());
        thread::spawn(move || {
            let _at_work = at_work;
            let _ = reminders.send(reminder(patient));
        });
    }
    println!("not confirmed: a drug is out of stock"); // so nobody is started that receives

    let end = senders.wait_within(Duration::from_secs(1));
    let leaked = senders.count();
    drop(queue); // the doctor's session kept it
    match end {
        Ok(()) => Err("every sender came back".to_owned()),
        Err(_) => {
            Ok(format!("{leaked} of {} senders leaked: each waits for a receiver that never comes", PATIENTS.len()))
        }
    }
}
