//! The limit of a scope, and what a cancelled scope refuses.

use std::sync::Arc;
use std::time::{Duration, Instant};

use raddle::{CancelToken, Limit, SpawnError, Stopped, scope};

use super::{CANCELLED, Failed, Scope, cancelled};
use crate::stress::watched;

const SHORT: Duration = Duration::from_millis(5);

/// Fails if a cancelled scope begins a task, or keeps what that has captured.
#[test]
fn a_cancelled_scope_begins_nothing() {
    watched(|_| {
        let captured = Arc::new(());
        let token = CancelToken::new();
        token.cancel();
        for limit in [Limit::NEVER, Limit::from(&token)] {
            let end = scope(limit, |tasks: Scope<'_, '_>| {
                tasks.token().cancel();
                for _ in 0..2 {
                    let theirs = Arc::clone(&captured);
                    let begun = tasks.spawn(move |_| -> Result<(), Failed> { unreachable!("{theirs:?}") });
                    assert!(matches!(begun, Err(SpawnError::Stopped(Stopped::Cancelled))));
                    assert_eq!(Arc::strong_count(&captured), 1);
                }
                // A bound may be set: nothing is at work.
                tasks.at_most(1);
                let begun = tasks.spawn(|_| -> Result<(), Failed> { unreachable!("cancelled") });
                assert!(matches!(begun, Err(SpawnError::Stopped(Stopped::Cancelled))));
                Ok(1)
            });
            assert_eq!(end, Ok(1));
        }
    });
}

#[test]
fn a_token_that_is_cancelled_already() {
    let token = CancelToken::new();
    token.cancel();
    let end = scope(&token, |tasks: Scope<'_, '_>| Ok(tasks.token().check()));
    assert_eq!(end, Ok(Err(Stopped::Cancelled)));
}

/// Fails if a deadline does not reach the scope's token, or ends the call by itself.
#[test]
fn deadlines() {
    watched(|_| {
        let parent = CancelToken::new().child_within(SHORT);
        for limit in [Limit::from(SHORT), Limit::from(Instant::now() + SHORT), Limit::from(&parent)] {
            let entry = Instant::now();
            let end = scope(limit, |tasks: Scope<'_, '_>| {
                assert!(tasks.token().deadline().unwrap() <= Instant::now() + SHORT);
                // The time may have passed already.
                if let Ok(waits) = tasks.spawn(|token| Ok(token.wait(Limit::NEVER)?)) {
                    waits.join()?;
                }
                tasks.token().wait(Limit::NEVER)?;
                assert_eq!(tasks.token().check(), Err(Stopped::TimedOut));
                let begun = tasks.spawn(|_| Ok(()));
                assert!(matches!(begun, Err(SpawnError::Stopped(Stopped::TimedOut))));
                Ok(Instant::now())
            });
            assert!(end.unwrap() >= entry);
        }
        let far = scope(Duration::MAX, |tasks: Scope<'_, '_>| Ok(tasks.token().deadline()));
        assert_eq!(far, Ok(None));
        let limit = Limit::from(Duration::from_secs(3600)).or(Duration::from_secs(1800));
        let sooner = scope(limit, |tasks: Scope<'_, '_>| Ok(tasks.token().remaining()?.unwrap()));
        assert!(sooner.unwrap() <= Duration::from_secs(1800));
    });
}

/// Fails if a cancel of one of the limit's tokens does not reach the tasks; or if their failure cancels it.
#[test]
#[ignore = "a scope's token is not yet below those of its limit"]
fn tokens_of_the_limit() {
    watched(|_| {
        let tokens = [(); 2].map(|()| CancelToken::new());
        for token in &tokens {
            let end = scope(Limit::from(&tokens[0]).or(&tokens[1]), |tasks: Scope<'_, '_>| {
                tasks.spawn(cancelled::<()>)?;
                token.cancel();
                Ok(())
            });
            assert_eq!(end, Err(CANCELLED));
        }
    });
}

#[test]
fn a_failure_stays_in_the_scope() {
    let request = CancelToken::new();
    let end = watched({
        let request = request.clone();
        move |_| scope(&request, |_: Scope<'_, '_>| Err::<(), _>(Failed::At(1)))
    });
    assert_eq!((end, request.is_cancelled()), (Err(Failed::At(1)), false));
}
