//! A user of raddle that has no models. Somebody else's `--cfg loom` may reach it all the same.

use raddle::{Counter, LockError, OnceCell, OrderedMutex, WaitGroup};

// Loom's constructors are not const: this does not compile unless the types are the shipped ones.
static BEDS: OrderedMutex<u32> = OrderedMutex::new(1, 40);
static NAME: OnceCell<String> = OnceCell::new();
static REQUESTS: Counter = Counter::new(0);
static OPEN: WaitGroup = WaitGroup::new();

/// Takes a bed; how many are left.
pub fn admit() -> Result<u32, LockError> {
    let _request = OPEN.worker();
    REQUESTS.inc();
    let mut beds = BEDS.lock()?;
    *beds = beds.saturating_sub(1);
    Ok(*beds)
}

/// The site's name.
pub fn name() -> &'static str {
    NAME.get_or_init(|| "Xiehe".to_owned())
}

#[cfg(test)]
mod tests {
    use std::thread;

    /// On threads of the system, outside of any model.
    fn works() {
        thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| super::admit().unwrap());
            }
        });
        assert_eq!(super::OPEN.wait(), Ok(()));
        assert_eq!((*super::BEDS.lock().unwrap(), super::REQUESTS.get(), super::name()), (36, 4, "Xiehe"));
    }

    #[test]
    #[cfg(not(loom))]
    fn works_every_day() {
        works();
    }

    #[test]
    #[cfg(loom)]
    fn works_under_cfg_loom() {
        works();
    }
}
