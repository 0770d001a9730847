//! The smallest schedule that still fails.

use crate::schedule::Schedule;

/// Leaves out one action after the other, as long as the same promise is still broken without it.
pub fn shrink(schedule: &Schedule) -> Schedule {
    let promise = schedule.play().violation.map(|it| it.promise);
    let mut smallest = schedule.clone();
    loop {
        let places = smallest.places();
        let smaller = places.iter().find_map(|place| {
            let rest: Vec<usize> = places.iter().copied().filter(|it| it != place).collect();
            let smaller = smallest.only(&rest);
            (smaller.play().violation.map(|it| it.promise) == promise).then_some(smaller)
        });
        match smaller {
            Some(smaller) if promise.is_some() => smallest = smaller,
            _ => return smallest,
        }
    }
}
