use bluegreen_core::{Clock as _, SystemClock};

use super::*;

fn drivers() -> Drivers {
    Drivers::new(1, mpsc::unbounded_channel().0)
}

fn attempt() -> Attempt {
    Attempt {
        change: "b".to_owned(),
        retry: None,
        since: SystemClock.now(),
        after: None,
        smoke: Vec::new(),
        release: None,
        digest: None,
        end: None,
        message: None,
    }
}

#[test]
fn asking_about_an_object_is_no_reason_to_remember_it() {
    let drivers = drivers();
    assert!(!drivers.is_driving("one") && drivers.ended("one").is_none());
    assert!(drivers.attempt("one").is_none());
    assert_eq!(drivers.len(), 0);
}

#[tokio::test]
async fn what_is_gone_is_forgotten_but_for_what_is_still_driven() {
    let drivers = drivers();
    for uid in ["there", "gone", "driven"] {
        drivers.note(uid, &attempt());
    }
    drivers.with("driven", |it| it.task = Some(tokio::spawn(std::future::pending())));
    drivers.retain(|uid| uid == "there");
    assert_eq!(drivers.len(), 2);
    assert!(drivers.attempt("gone").is_none() && drivers.is_driving("driven"));
    drivers.stop("driven").await;
    drivers.retain(|uid| uid == "there");
    assert_eq!(drivers.len(), 1);
}

#[tokio::test]
async fn who_else_is_at_an_agent_is_known() {
    let drivers = drivers();
    drivers.with("one", |it| it.service = "agent".to_owned());
    assert!(!drivers.is_another_at("agent", "two"), "it is not driven");
    drivers.with("one", |it| it.task = Some(tokio::spawn(std::future::pending())));
    assert!(drivers.is_another_at("agent", "two"));
    assert!(!drivers.is_another_at("agent", "one") && !drivers.is_another_at("other", "two"));
}

#[tokio::test]
async fn who_had_a_name_before_is_stopped_and_forgotten() {
    let drivers = drivers();
    for (uid, name) in [("old", "agent"), ("new", "agent"), ("other", "other")] {
        drivers.with(uid, |it| {
            it.name = name.to_owned();
            it.task = Some(tokio::spawn(std::future::pending()));
        });
    }
    drivers.forget_namesakes("agent", "new").await;
    assert_eq!(drivers.len(), 2);
    assert!(drivers.is_driving("new") && drivers.is_driving("other"));
}

#[test]
fn what_comes_to_nothing_again_and_again_is_let_alone_for_longer_up_to_a_minute() {
    let seconds: Vec<u64> = (1..=8).map(|failures| back_off(failures).as_secs()).collect();
    assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(back_off(u32::MAX).as_secs(), 60);
}
