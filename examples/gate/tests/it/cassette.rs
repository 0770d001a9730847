//! A file of answers: recorded, gone on with, replayed, refreshed.

use crate::agents::Agent;
use crate::desk;
use crate::program::{Folder, SUITE, command, ended, gate};

fn options<'a>(live: &'a str, idle: &'a str, file: &'a str, mode: &'a str) -> Vec<&'a str> {
    let mut all = vec!["run", SUITE, "--live", live, "--idle", idle];
    all.extend(["--live-name", "1.2.0", "--idle-name", "1.3.0"]);
    all.extend(["--cassette", file, "--mode", mode]);
    all
}

#[cfg(unix)]
#[tokio::test]
async fn an_interrupted_run_goes_on_and_is_replayed_without_anybody() {
    let folder = Folder::new();
    let file = folder.path("answers.jsonl");
    let live = Agent::good().await;
    // It falls silent in the middle of the run.
    let idle = Agent::new(20, |request, _| desk::answer(request, true)).await;
    let child = command(&options(&live.url, &idle.url, &file, "record")).spawn().unwrap();
    idle.asked(28).await;
    let id = child.id().unwrap().to_string();
    // It can't tidy up.
    let sent = tokio::process::Command::new("kill").args(["-KILL", &id]).status().await.unwrap();
    assert!(sent.success());
    ended(child).await;
    let count = || folder.read("answers.jsonl").lines().filter(|it| it.contains("\"key\"")).count();
    let (had, asked) = (count() as u64, live.times_asked());
    assert!(had >= 36, "{had}");

    let idle = Agent::regressed().await;
    let run = gate(&options(&live.url, &idle.url, &file, "record")).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    let told = format!("cassette: {had} answers were there, {had} were used, ");
    assert!(run.err.contains(&told), "{}", run.err);
    // Only what is new in the file was asked, and a few that came after it was decided.
    let added = count() as u64 - had;
    let new = live.times_asked() - asked + idle.times_asked();
    assert!((added..=added + 16).contains(&new), "{new} {added}");

    let (asked, gone) = (live.times_asked() + idle.times_asked(), "http://127.0.0.1:9");
    let run = gate(&options(gone, gone, &file, "replay")).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(live.times_asked() + idle.times_asked(), asked);

    let good = Agent::good().await;
    let run = gate(&options(&live.url, &good.url, &file, "refresh")).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    let run = gate(&options(gone, gone, &file, "replay")).await;
    assert_eq!(run.code, Some(0), "{run:?}");
}

#[tokio::test]
async fn a_cassette_that_cannot_be_used_is_refused_before_anybody_is_asked() {
    let (live, idle, folder) = (Agent::good().await, Agent::good().await, Folder::new());
    let file = folder.path("answers.jsonl");
    let run = gate(&options(&live.url, &idle.url, &file, "replay")).await;
    assert_eq!(run.code, Some(3), "{run:?}");
    assert!(run.err.contains("--cassette: ") && run.err.contains(&file), "{}", run.err);
    assert_eq!(gate(&options(&live.url, &idle.url, &file, "record")).await.code, Some(0));
    let asked = live.times_asked();
    let mut other = options(&live.url, &idle.url, &file, "record");
    *other.iter_mut().find(|it| **it == "1.3.0").unwrap() = "1.4.0";
    let run = gate(&other).await;
    assert_eq!(run.code, Some(3), "{run:?}");
    assert!(run.err.contains("idle: found 1.3.0") && run.err.contains("wanted 1.4.0"), "{run:?}");
    assert_eq!(live.times_asked(), asked);
    let nameless = ["run", SUITE, "--live", &live.url, "--idle", &idle.url, "--cassette", &file];
    let run = gate(&nameless).await;
    assert_eq!(run.code, Some(3), "{run:?}");
    assert!(run.err.contains("--live-name"), "{}", run.err);
    assert_eq!(live.times_asked(), asked);
    let mode = ["run", SUITE, "--live", "http://a", "--idle", "http://b", "--mode", "replay"];
    assert_eq!(gate(&mode).await.code, Some(3));
}

#[tokio::test]
async fn live_is_asked_less_when_it_was_the_candidate_of_the_last_run() {
    let (live, idle, folder) = (Agent::good().await, Agent::good().await, Folder::new());
    let (first, second) = (folder.path("1.3.0.jsonl"), folder.path("1.4.0.jsonl"));
    assert_eq!(gate(&options(&live.url, &idle.url, &first, "record")).await.code, Some(0));
    let next = Agent::regressed().await;
    let asked = idle.times_asked();
    let mut all = vec!["run", SUITE, "--live", &idle.url, "--idle", &next.url];
    all.extend(["--live-name", "1.3.0", "--idle-name", "1.4.0"]);
    all.extend(["--baseline", &first, "--cassette", &second]);
    let run = gate(&all).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.err.contains(" answers were used, 10 pairs were asked anew"), "{}", run.err);
    assert!(idle.times_asked() - asked < next.times_asked(), "{}", run.err);

    let mut same = all.clone();
    *same.last_mut().unwrap() = &first;
    let run = gate(&same).await;
    assert_eq!(run.code, Some(3), "{run:?}");
    assert!(run.err.contains("--baseline: found the file of --cassette"), "{}", run.err);
}
