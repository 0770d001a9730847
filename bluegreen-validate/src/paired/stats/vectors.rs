//! Every reference value, which were computed with other programs (`SciPy`, statsmodels) or taken
//! from published examples.

use serde_json::Value;

use super::*;

const CLOSE: f64 = 1e-9;

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

#[track_caller]
fn near(found: f64, wanted: &Value, what: &str) {
    let wanted = wanted.as_f64().unwrap();
    assert!((found - wanted).abs() <= CLOSE, "{what}: wanted {wanted}, found {found}");
}

#[track_caller]
fn near_pair(found: (f64, f64), wanted: &Value, what: &str) {
    near(found.0, &wanted[0], &format!("{what}, low"));
    near(found.1, &wanted[1], &format!("{what}, high"));
}

/// The numbers in a name such as `b=6,c=2,n=100`.
fn named(name: &str) -> Vec<f64> {
    name.split(',').map(|part| part.split_once('=').unwrap().1.parse().unwrap()).collect()
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn count(number: f64) -> u64 {
    number as u64
}

#[test]
fn intervals_of_a_rate() {
    for (key, interval) in
        [("wilson", wilson as fn(u64, u64, f64) -> (f64, f64)), ("clopper", clopper_pearson)]
    {
        let vectors = vectors();
        assert_eq!(entries(&vectors[key]).count(), 5);
        for (name, wanted) in entries(&vectors[key]) {
            let (passed, n) = name.split_once('/').unwrap();
            let found = interval(passed.parse().unwrap(), n.parse().unwrap(), 0.95);
            near_pair(found, wanted, &format!("{key} {name}"));
        }
    }
    assert_eq!(wilson(0, 0, 0.95), (0.0, 1.0));
    assert_eq!(clopper_pearson(2, 1, 0.95), (0.0, 1.0));
}

#[test]
fn paired_differences() {
    let vectors = vectors();
    assert_eq!(entries(&vectors["paired"]).count(), 9);
    for (name, wanted) in entries(&vectors["paired"]) {
        let [b, c, n] = named(name)[..] else { panic!("{name}") };
        let [b, c, n] = [b, c, n].map(count);
        let table = Table { both: n - b - c - 5, live_only: b, idle_only: c, neither: 5 };
        near_pair(tango(table, 0.95), &wanted["tango95"], &format!("tango95 {name}"));
        near_pair(tango(table, 0.90), &wanted["tango90"], &format!("tango90 {name}"));
        let newcombe = newcombe(table, 0.95);
        near_pair(newcombe, &wanted["newcombe95(a=n-b-c-5)"], &format!("newcombe {name}"));
        let test = McNemar::of(table);
        near(test.exact, &wanted["mcnemar_exact2"], &format!("exact {name}"));
        near(test.mid, &wanted["midp"], &format!("mid-p {name}"));
        near(test.worse, &wanted["worse1"], &format!("worse {name}"));
        let (low, high) = tango(table, 0.90);
        let verdict = match (low > -0.05, high < -0.05) {
            (true, _) => "pass",
            (_, true) => "fail",
            _ => "inconclusive",
        };
        assert_eq!(verdict, wanted["ni(margin=.05,alpha=.05)"], "{name}");
        // The test and its interval agree.
        let passes = distribution::normal_above(tango_statistic(table, -0.05)) < 0.05;
        assert_eq!(passes, low > -0.05, "{name}");
    }
}

/// Published with the R package `contingencytables`, to four digits and more.
#[test]
fn a_published_table() {
    let table = Table { both: 59, live_only: 6, idle_only: 16, neither: 80 };
    // There the difference is live minus idle.
    let table = table.swapped();
    let four = |found: f64, wanted: f64| assert!((found - wanted).abs() < 5e-5, "{found} {wanted}");
    four(table.difference(), -0.0621);
    let (low, high) = tango(table, 0.95);
    four(low, -0.1240);
    four(high, -0.0054);
    let (low, high) = newcombe(table, 0.95);
    four(low, -0.1186);
    four(high, -0.0046);
    let test = McNemar::of(table);
    assert!((test.exact - 0.052_479).abs() < 5e-7 && (test.mid - 0.034_690).abs() < 5e-7);
    let (low, high) = tango(Table { idle_only: 3, ..Table::default() }, 0.95);
    four(low, -0.1230);
    four(high, 1.0);
}

#[test]
fn clusters() {
    let vectors = vectors();
    let wanted = &vectors["clustered"];
    let differences = numbers(&wanted["d"]);
    let of = wanted["g"].as_array().unwrap();
    let mut clusters: std::collections::BTreeMap<&str, Vec<f64>> =
        std::collections::BTreeMap::new();
    for (difference, cluster) in differences.iter().zip(of) {
        clusters.entry(cluster.as_str().unwrap()).or_default().push(*difference);
    }
    let clusters: Vec<Vec<f64>> = clusters.into_values().collect();
    let found = means(&clusters).unwrap();
    near(found.mean, &wanted["mean"], "mean");
    near(found.error, &wanted["se_G/(G-1)"], "error");
    near(found.error, &wanted["statsmodels_cluster_bse"], "error of statsmodels");
    let count = found.freedom + 1.0;
    let uncorrected = found.error * (found.freedom / count).sqrt();
    near(uncorrected, &wanted["se_miller_uncorrected"], "uncorrected error");
    let t = distribution::t_quantile(0.975, found.freedom);
    near(t, &wanted["t_crit(G-1,.975)"], "t");
    let (low, high) = found.interval(0.95);
    assert!((high - low - 2.0 * t * found.error).abs() < 1e-12);
    let single: Vec<[f64; 1]> = differences.iter().map(|difference| [*difference]).collect();
    near(means(&single).unwrap().error, &wanted["naive_se"], "naive error");
    assert_eq!(means(&[[1.0]]), None);
}

#[test]
fn corrections_for_several_values() {
    let vectors = vectors();
    let values = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205];
    for (key, found) in [("holm", holm(&values)), ("bh", benjamini_hochberg(&values))] {
        let wanted = vectors[key].as_array().unwrap();
        assert_eq!(wanted.len(), found.len());
        for (found, wanted) in found.iter().zip(wanted) {
            near(*found, wanted, key);
        }
        // In any order.
        let mut turned = values;
        turned.reverse();
        let mut back = if key == "holm" { holm(&turned) } else { benjamini_hochberg(&turned) };
        back.reverse();
        assert_eq!(back, found);
    }
    assert!(holm(&[f64::NAN, 0.01])[0].is_nan() && holm(&[]).is_empty());
}

#[test]
fn passes_in_a_row() {
    let vectors = vectors();
    for (key, chance) in
        [("c=3,n=4", pass_all as fn(u64, u64, u64) -> Option<f64>), ("pass@", pass_any)]
    {
        for (k, wanted) in (1..).zip(vectors["pass_hat"][key].as_array().unwrap()) {
            near(chance(3, 4, k).unwrap(), wanted, key);
        }
    }
    assert_eq!((pass_all(3, 4, 5), pass_all(5, 4, 1), pass_any(5, 4, 1)), (None, None, None));
}

#[test]
fn cases_that_a_margin_needs() {
    let vectors = vectors();
    let key = "n_noninferiority(power .8, alpha .05 one-sided, true delta 0)";
    assert_eq!(entries(&vectors[key]).count(), 16);
    for (name, wanted) in entries(&vectors[key]) {
        let [margin, discordant] = named(name)[..] else { panic!("{name}") };
        assert_eq!(cases_for(margin, discordant, 0.05, 0.8), wanted.as_u64().unwrap(), "{name}");
    }
}

/// These are given to four digits.
#[test]
fn power_of_mcnemars_test() {
    let vectors = vectors();
    assert_eq!(entries(&vectors["mcnemar_power_onesided_n"]).count(), 12);
    for (name, wanted) in entries(&vectors["mcnemar_power_onesided_n"]) {
        let [n, b, c] = named(name)[..] else { panic!("{name}") };
        let (found, wanted) = (mcnemar_power(count(n), b, c, 0.05), wanted.as_f64().unwrap());
        assert!((found - wanted).abs() <= 5.1e-5, "{name}: wanted {wanted}, found {found}");
    }
}

/// What is drawn at random elsewhere is drawn otherwise here, so the bootstrap's intervals agree
/// to two steps of the means that there can be; all that is exact agrees to the last digits.
#[test]
fn scores() {
    let vectors = vectors();
    let wanted = &vectors["paired_bootstrap"];
    let (x, y) = (numbers(&wanted["x"]), numbers(&wanted["y"]));
    let differences: Vec<f64> = x.iter().zip(&y).map(|(x, y)| y - x).collect();
    let single: Vec<[f64; 1]> = differences.iter().map(|difference| [*difference]).collect();
    let found = means(&single).unwrap();
    near(found.mean, &wanted["mean"], "mean");
    near(found.p_value(), &wanted["ttest_rel"], "t test");
    near(sign_flip(&differences).unwrap(), &wanted["perm_p_exact_2s"], "permutation");
    near(sign_flip(&signed_ranks(&differences)).unwrap(), &wanted["wilcoxon"], "Wilcoxon");
    let clusters: Vec<(f64, u64)> = differences.iter().map(|difference| (*difference, 1)).collect();
    let apart = 2.0 * 0.01 / 8.0 + 1e-12;
    for seed in 1..=5 {
        let found = bca(&clusters, 0.95, 9_999, seed).unwrap();
        let plain = percentile(&clusters, 0.95, 9_999, seed).unwrap();
        for (found, key) in [(found, "bca95"), (plain, "pct95")] {
            let wanted = numbers(&wanted[key]);
            assert!((found.0 - wanted[0]).abs() <= apart, "{key}: {found:?}, {wanted:?}");
            assert!((found.1 - wanted[1]).abs() <= apart, "{key}: {found:?}, {wanted:?}");
        }
    }
    assert_eq!(bca(&clusters, 0.95, 99, 7), bca(&clusters, 0.95, 99, 7));
    assert_eq!(bca(&[(0.5, 1), (1.0, 2)], 0.95, 99, 7), None, "all the same");
}

/// Wilcoxon's signed ranks: zeros are dropped, and equal sizes share their ranks. Equal to the last
/// digit, as for `SciPy`: 0.8 − 0.75 and 0.95 − 0.9 are not.
fn signed_ranks(differences: &[f64]) -> Vec<f64> {
    let sizes: Vec<f64> = differences.iter().copied().filter(|d| d.abs() > 0.0).collect();
    let rank = |size: f64| {
        let below = sizes.iter().filter(|other| other.abs() < size).count() as f64;
        let equal = sizes.iter().filter(|other| other.abs().total_cmp(&size).is_eq()).count();
        below + f64::midpoint(equal as f64, 1.0)
    };
    sizes.iter().map(|size| size.signum() * rank(size.abs())).collect()
}
