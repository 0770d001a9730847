use proptest::prelude::*;

use super::*;

fn series(target: &str, child: &str, samples: &[(u64, f64)]) -> Series {
    let child = format!("{target} {child}");
    let (target, samples) = (target.to_owned(), samples.to_vec());
    Series { target, child, samples, ..Series::default() }
}

fn bucket(bound: &str, samples: &[(u64, f64)]) -> Series {
    Series { bound: Bound::parse(bound), ..series("a", "latency", samples) }
}

fn count(series: Vec<Series>, from: u64, until: u64) -> Option<f64> {
    totals(&[(Part::Count, series)], Span { from, until }).count
}

#[test]
fn an_increase_counts_where_it_was_read() {
    let one = || vec![series("a", "", &[(10, 5.0), (20, 7.0), (30, 7.0), (40, 12.0)])];
    assert_eq!(count(one(), 10, 40), Some(7.0));
    assert_eq!(count(one(), 19, 20), Some(2.0));
    assert_eq!(count(one(), 20, 30), Some(0.0), "there is a series, and it stood still");
    assert_eq!(count(one(), 20, 39), Some(0.0));
    assert_eq!(count(one(), 39, 99), Some(5.0));
    assert_eq!(count(one(), 0, 40), Some(7.0), "counting begins where it was first read");
    assert_eq!(count(Vec::new(), 0, 40), None);
}

#[test]
fn a_counter_that_falls_began_again_from_zero() {
    let one = vec![series("a", "", &[(10, 5.0), (20, 2.0), (30, 4.0)])];
    assert_eq!(count(one, 10, 30), Some(4.0));
}

#[test]
fn all_of_a_histogram_begin_again_together() {
    // After the restart there are 9 and 3 again, of which only the first is seen to fall.
    let readings = [
        (
            Part::Buckets,
            vec![bucket("+Inf", &[(10, 10.0), (20, 9.0)]), bucket("1", &[(10, 2.0), (20, 3.0)])],
        ),
        (Part::Sum, vec![series("a", "latency", &[(10, 50.0), (20, 60.0)])]),
    ];
    let found = totals(&readings, Span { from: 10, until: 20 });
    assert_eq!(found.buckets.unwrap().into_values().collect::<Vec<_>>(), [3.0, 9.0]);
    assert_eq!(found.sum, Some(60.0));
}

#[test]
fn the_first_error_counts_where_the_target_was_known_before() {
    let requests = series("a", "200", &[(10, 100.0), (20, 110.0)]);
    let failed = series("a", "500", &[(20, 1.0)]);
    let span = Span { from: 10, until: 20 };
    let readings =
        [(Part::Count, vec![requests.clone(), failed.clone()]), (Part::Hits, vec![failed])];
    let found = totals(&readings, span);
    assert_eq!((found.count, found.hits), (Some(11.0), Some(1.0)));
    // What was counted before it was first read may be of any time.
    let new = [series("b", "200", &[(20, 500.0), (30, 501.0)]), series("b", "500", &[(20, 9.0)])];
    let readings = [(Part::Count, new.to_vec()), (Part::Hits, vec![new[1].clone()])];
    let found = totals(&readings, Span { from: 10, until: 30 });
    assert_eq!((found.count, found.hits), (Some(1.0), Some(0.0)));
}

#[test]
fn the_first_requests_count_where_the_target_is_known_to_have_been_scraped() {
    let requests = || (Part::Count, vec![series("a", "200", &[(20, 7.0)])]);
    let span = Span { from: 0, until: 30 };
    assert_eq!(totals(&[requests()], span).count, Some(0.0));
    let up = |at| (Part::Targets, vec![series("a", "", &[(5, 0.0), (at, 1.0), (at + 5, 0.0)])]);
    assert_eq!(totals(&[requests(), up(10)], span).count, Some(7.0));
    assert_eq!(totals(&[requests(), up(20)], span).count, Some(0.0), "it was not up before");
    let elsewhere = (Part::Targets, vec![series("b", "", &[(10, 1.0)])]);
    assert_eq!(totals(&[requests(), elsewhere], span).count, Some(0.0));
}

#[test]
fn a_target_that_began_again_did_so_with_all_its_counters() {
    let count = |start: u32| {
        let failed = series("a", "500", &[(10, 2.0), (20, 3.0)]);
        let began = series("a", "", &[(10, 1000.0), (20, f64::from(start))]);
        let readings = [(Part::Count, vec![failed]), (Part::Targets, vec![began])];
        totals(&readings, Span { from: 10, until: 20 }).count
    };
    assert_eq!((count(1000), count(1001), count(1030)), (Some(1.0), Some(1.0), Some(3.0)));
}

#[test]
fn what_was_read_after_the_units_is_left_out() {
    let all = vec![series("a", "500", &[(10, 0.0), (20, 5.0)])];
    let failed = vec![series("a", "500", &[(10, 0.0), (20, 5.0), (30, 8.0)])];
    let readings = [(Part::Count, all), (Part::Hits, failed)];
    let found = totals(&readings, Span { from: 10, until: 30 });
    assert_eq!((found.count, found.hits), (Some(5.0), Some(5.0)));
}

proptest! {
    /// Windows one after another count each increase once, wherever they are cut and whatever
    /// restarts.
    #[test]
    fn no_cut_makes_a_difference(
        steps in prop::collection::vec((0_u32..50, any::<bool>(), 1_u64..20), 1..40),
        cuts in prop::collection::btree_set(1_u64..400, 0..6),
    ) {
        let (mut at, mut value, mut wanted) = (10, 100.0, 0.0);
        let mut samples = vec![(at, value)];
        for (more, restarts, pause) in steps {
            let more = f64::from(more);
            // A fall to a value that is not lower can't be seen in one counter.
            if restarts && more < value {
                value = 0.0;
            }
            value += more;
            wanted += more;
            at += pause;
            samples.push((at, value));
        }
        let mut edges: Vec<u64> = cuts.into_iter().filter(|cut| (10..at).contains(cut)).collect();
        edges.insert(0, 10);
        edges.push(at);
        let one = series("a", "", &samples);
        let parts = edges.windows(2).map(|two| count(vec![one.clone()], two[0], two[1]));
        let found: f64 = parts.map(Option::unwrap).sum();
        prop_assert!((found - wanted).abs() < 1e-9, "{found} of {wanted}");
    }
}

#[test]
fn two_readings_of_one_time_do_no_harm() {
    let one = vec![series("a", "", &[(10, 5.0), (20, 7.0), (20, 3.0), (30, 8.0)])];
    assert!(count(one, 10, 30).is_some());
}
