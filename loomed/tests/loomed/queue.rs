#![allow(unexpected_cfgs)]

#[cfg(all(test, loom, its_own_flag))]
mod tests {
    use loom::sync::atomic::{
        AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    };
    use loom::sync::Arc;
    use loom::thread;

    struct Slot {
        full: AtomicUsize,
        value: AtomicUsize,
    }

    #[test]
    fn hands_over() {
        loom::model(|| {
            let slot = Arc::new(Slot { full: AtomicUsize::new(0), value: AtomicUsize::new(0) });
            let other = slot.clone();
            thread::spawn(move || {
                if other.full.load(Relaxed) == 0 {
                    other.full.store(1, Release); // too early
                    other.value.store(7, Relaxed);
                }
            });
            if slot.full.load(Acquire) == 1 {
                assert_eq!(slot.value.load(Relaxed), 7, "the value is lost");
            }
        });
    }

    #[test]
    #[should_panic]
    fn expected() {
        loom::model(|| panic!("as expected"));
    }

    #[test]
    fn aborts() {
        loom::model(|| std::process::abort());
    }

    #[test]
    fn plain() {}

    #[test]
    fn not_this() {}

    #[test]
    #[ignore]
    fn ignored() {}
}
