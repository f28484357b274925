//! The rows of channels: with room that is full, without room, and empty.

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use raddle::{RecvWithin, RecvWithinError, SendWithin, SendWithinError};

use super::table::{Calls, Row};

/// More room than there are calls in a case.
const ROOM: usize = 8;

type Channel = (Sender<usize>, Receiver<usize>);

pub(super) fn rows() -> [Row; 3] {
    let sends = Calls::<Channel> {
        closed: |(sender, receiver), f| {
            (0..ROOM).for_each(|value| sender.send(value).unwrap());
            f();
            // Those that sleep get through in the order in which they came, after what was there.
            (0..ROOM).for_each(|value| assert_eq!(receiver.recv(), Ok(value)));
        },
        call: |(sender, _), stop| {
            sender.send_within(ROOM, stop.limit).map_err(|error| match error {
                SendWithinError::Stopped { value: ROOM, why } => why,
                other => panic!("{other}"),
            })
        },
        unlimited: |(sender, _)| sender.send(ROOM).unwrap(),
        intact: |(sender, receiver)| {
            sender.send(ROOM).unwrap();
            assert!(receiver.try_iter().all(|value| value == ROOM), "a value that was given back was sent");
        },
    };
    let receives = Calls::<Channel> {
        closed: |(sender, _), f| {
            f();
            (0..ROOM).for_each(|value| sender.send(value).unwrap());
        },
        call: |(_, receiver), stop| {
            receiver.recv_within(stop.limit).map(drop).map_err(|error| match error {
                RecvWithinError::Stopped(why) => why,
                other => panic!("{other}"),
            })
        },
        unlimited: |(_, receiver)| assert!(receiver.recv().is_ok()),
        intact: |(_, receiver)| {
            // Each was received once, in order, and by a call that said so.
            let rest: Vec<_> = receiver.try_iter().collect();
            assert!(rest.iter().copied().eq(ROOM - rest.len()..ROOM), "{rest:?}");
        },
    };
    [
        Row::new("channel.rs::send_within", || bounded(ROOM), sends),
        Row::new("channel.rs::recv_within", unbounded, receives),
        Row::new("channel.rs::recv_within", || bounded(ROOM), receives),
    ]
}
