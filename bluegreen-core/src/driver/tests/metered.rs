//! Metrics of whole releases, as the driver reports them.

use std::time::Duration;

use super::{
    Always, Arc, Color, MemoryCluster, Operations, Outcome, PhaseName, Releaser, Verdict,
    await_phase, change, cluster, minutes, plan,
};
use crate::memory::MemoryLoad;
use crate::observability::{Exposition, ReleaseMetrics};
use crate::plan::OnExpiry;
use crate::release::{Event, EventKind};
use crate::{Document, Liveness as _, ReleaseStore as _};

fn metered(cluster: &MemoryCluster, holder: &str) -> (Releaser, Arc<Exposition>) {
    let (exposition, ports) = (Arc::new(Exposition::new()), cluster.ports(holder));
    let metrics = ReleaseMetrics::new(&ports, exposition.clone());
    (Releaser::new(ports).report(move |it: &_| crate::Reporter::report(&metrics, it)), exposition)
}

/// The lines of the families whose names begin with `name`, without the labels that all have.
fn lines(exposition: &Exposition, name: &str) -> Vec<String> {
    let common = r#"cluster="memory",service="agent""#;
    let text = exposition.text().replace(&format!("{common},"), "").replace(common, "");
    text.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn a_release_counts_once_and_its_phases_add_up() {
    let cluster = cluster();
    let (releaser, exposition) = metered(&cluster, "one");
    let outcome = releaser.gate(Always(Verdict::Pass)).run(change("2"), &plan()).await.unwrap();
    assert_eq!(outcome, Outcome::Released);
    let counts = lines(&exposition, "bluegreen_phase_duration_seconds_count");
    let wanted =
        ["baking", "deploying", "draining", "retiring", "rolling_out", "shifting", "validating"]
            .map(|phase| {
                let labels = format!(r#"phase="{phase}",outcome="completed""#);
                format!("bluegreen_phase_duration_seconds_count{{{labels}}} 1")
            });
    assert_eq!(counts, wanted);
    let bake = lines(&exposition, r#"bluegreen_phase_duration_seconds_sum{phase="baking""#);
    let seconds: f64 = bake[0].rsplit(' ').next().unwrap().parse().unwrap();
    assert!((1_800.0..1_820.0).contains(&seconds), "{bake:?}");
    let ended = lines(&exposition, "bluegreen_releases_total").join("\n");
    assert!(ended.contains(r#"{outcome="released"} 1"#), "{ended}");
    assert_eq!(ended.lines().filter(|line| !line.ends_with(" 0")).count(), 1, "{ended}");
    let switched = lines(&exposition, "bluegreen_switch_duration_seconds_count");
    assert_eq!(switched, [r#"bluegreen_switch_duration_seconds_count{direction="forward"} 1"#]);
    let now = lines(&exposition, "bluegreen_release_");
    assert!(now.iter().all(|line| line.ends_with(" 0")), "nothing goes on: {now:?}");
    let drained = lines(&exposition, "bluegreen_drain_duration_seconds_count");
    let wanted = r#"bluegreen_drain_duration_seconds_count{outcome="quiet"} 1"#;
    assert_eq!(drained, [wanted]);
    let text = exposition.text();
    assert!(!text.contains("sha256") && !text.contains("-pod"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_and_who_drives_are_seen_while_they_last() {
    let cluster = cluster();
    let (one, by_one) = metered(&cluster, "one");
    let first = tokio::spawn(async move { one.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Baking).await;
    let operations = Operations::new(cluster.ports("three"));
    operations.pause("ann").await.unwrap();
    let paused = |exposition: &Exposition| lines(exposition, "bluegreen_release_paused");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(paused(&by_one), ["bluegreen_release_paused{} 1"]);
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    // Whoever goes on knows of it, and since when the phase lasts.
    let entered = lines(&by_one, "bluegreen_release_phase_entered_timestamp_seconds");
    let (two, by_two) = metered(&cluster, "two");
    let second = tokio::spawn(async move { two.resume().await });
    tokio::time::sleep(minutes(5)).await;
    assert_eq!(paused(&by_two), ["bluegreen_release_paused{} 1"]);
    assert_eq!(lines(&by_two, "bluegreen_release_phase_entered_timestamp_seconds"), entered);
    operations.unpause("ann").await.unwrap();
    assert_eq!(second.await.unwrap().unwrap(), Outcome::Released);
    assert_eq!(paused(&by_two), ["bluegreen_release_paused{} 0"]);
    let bake = lines(&by_two, r#"bluegreen_phase_duration_seconds_sum{phase="baking""#);
    let seconds: f64 = bake[0].rsplit(' ').next().unwrap().parse().unwrap();
    assert!(seconds > 2_100.0, "the time before the crash counts: {bake:?}");
}

fn gauge(exposition: &Exposition, name: &str) -> f64 {
    let [line] = &lines(exposition, &format!("bluegreen_release_{name}{{"))[..] else {
        panic!("one {name} in {}", exposition.text())
    };
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_pause_moves_the_deadline_and_is_no_new_phase() {
    let cluster = cluster();
    let (releaser, exposition) = metered(&cluster, "one");
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Baking).await;
    let operations = Operations::new(cluster.ports("two"));
    tokio::time::sleep(minutes(1)).await;
    let first = gauge(&exposition, "phase_deadline_timestamp_seconds");
    operations.pause("ann").await.unwrap();
    tokio::time::sleep(minutes(40)).await;
    assert!((gauge(&exposition, "paused") - 1.0).abs() < 0.1);
    operations.unpause("ann").await.unwrap();
    tokio::time::sleep(minutes(1)).await;
    assert!(gauge(&exposition, "paused") < 0.1);
    let later = gauge(&exposition, "phase_deadline_timestamp_seconds") - first;
    assert!((2_400.0..2_410.0).contains(&later), "{later}");
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    let bakes = lines(&exposition, r#"bluegreen_phase_duration_seconds_count{phase="baking""#);
    assert!(bakes.len() == 1 && bakes[0].ends_with(" 1"), "{bakes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_seen_again_by_whoever_drives_again() {
    let cluster = cluster();
    let (releaser, exposition) = metered(&cluster, "one");
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Baking).await;
    let operations = Operations::new(cluster.ports("three"));
    operations.pause("ann").await.unwrap();
    tokio::time::sleep(minutes(1)).await;
    // Another process takes it over, and dies.
    let two = cluster.liveness("two");
    two.renew().await.unwrap();
    let store = cluster.store();
    let stored = store.load().await.unwrap().unwrap();
    let Document::Current(record) = stored.document else { panic!("of this version") };
    let taken = EventKind::TakenOver { holder: two.holder(), epoch: record.envelope.epoch.next() };
    let record = record.apply(Event::new(cluster.clock().now(), taken)).unwrap();
    store.save(&Document::Current(record), Some(stored.revision)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(gauge(&exposition, "paused") < 0.1, "it drives nothing now");
    tokio::time::sleep(minutes(1)).await;
    assert!((gauge(&exposition, "paused") - 1.0).abs() < 0.1, "{}", exposition.text());
    operations.unpause("ann").await.unwrap();
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_ended_while_nobody_drove_is_not_shown_for_ever() {
    let cluster = cluster();
    let (one, exposition) = metered(&cluster, "one");
    let again = one.clone();
    let first = tokio::spawn(async move { one.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Baking).await;
    let operations = Operations::new(cluster.ports("two"));
    operations.pause("ann").await.unwrap();
    tokio::time::sleep(minutes(1)).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    operations.unpause("ann").await.unwrap();
    let second = tokio::spawn(async move { again.resume().await });
    tokio::time::sleep(minutes(1)).await;
    assert!(gauge(&exposition, "paused") < 0.1, "{}", exposition.text());
    assert_eq!(second.await.unwrap().unwrap(), Outcome::Released);
}

#[tokio::test(start_paused = true)]
async fn work_that_is_cut_off_is_counted_as_that() {
    let cluster = cluster();
    let (exposition, load) = (Arc::new(Exposition::new()), MemoryLoad::default());
    load.set(Color::Blue, Some(3));
    let ports = cluster.ports("one").with_load(Arc::new(load));
    let metrics = ReleaseMetrics::new(&ports, exposition.clone());
    let releaser = Releaser::new(ports).report(move |it: &_| crate::Reporter::report(&metrics, it));
    let mut plan = plan();
    plan.drain.on_expiry = OnExpiry::Cut;
    assert_eq!(releaser.run(change("2"), &plan).await.unwrap(), Outcome::Released);
    let drained = lines(&exposition, "bluegreen_drain_duration_seconds_count");
    assert_eq!(drained, [r#"bluegreen_drain_duration_seconds_count{outcome="cut"} 1"#]);
    assert_eq!(lines(&exposition, "bluegreen_drain_in_flight"), ["bluegreen_drain_in_flight{} 0"]);
}
