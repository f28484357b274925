#![allow(unexpected_cfgs)]

#[cfg(loom)]
fn main() {
    use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::sync::Arc;

    loom::model(|| {
        let word = Arc::new(AtomicUsize::new(0));
        let its = word.clone();
        loom::thread::spawn(move || {
            its.load(Relaxed);
            its.store(1, Relaxed);
        });
        assert_eq!(word.load(Relaxed), 0, "only where it is looked at");
    });
}
