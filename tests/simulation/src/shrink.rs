//! The smallest schedule that still fails.

use crate::schedule::Schedule;

/// Leaves out one action after the other, as long as the same promise is still broken without it.
pub fn shrink(schedule: &Schedule) -> Schedule {
    let breaks = |schedule: &Schedule| schedule.play().violation.map(|it| it.promise);
    match breaks(schedule) {
        Some(promise) => smallest(schedule, |smaller| breaks(smaller) == Some(promise)),
        None => schedule.clone(),
    }
}

/// The schedule without all the actions of which `fails` does not need a single one.
fn smallest(schedule: &Schedule, fails: impl Fn(&Schedule) -> bool) -> Schedule {
    let mut smallest = schedule.clone();
    'again: loop {
        let places = smallest.places();
        // The later ones first: they matter less often.
        for place in places.iter().rev() {
            let rest: Vec<usize> = places.iter().copied().filter(|it| it != place).collect();
            let smaller = smallest.only(&rest);
            if fails(&smaller) {
                smallest = smaller;
                continue 'again;
            }
        }
        return smallest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_needed_to_fail_is_left() {
        let schedule = (0..1_000).map(Schedule::of).find(|it| it.actions.len() > 7).unwrap();
        let needs = |wanted: &'static [usize]| {
            move |schedule: &Schedule| wanted.iter().all(|place| schedule.places().contains(place))
        };
        assert_eq!(smallest(&schedule, needs(&[2, 5])).places(), [2, 5]);
        assert_eq!(smallest(&schedule, needs(&[])).places(), []);
        assert_eq!(smallest(&schedule, needs(&[0, 3, 6])).places(), [0, 3, 6]);
    }
}
