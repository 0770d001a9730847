//! Receivers that do not do as they should.

use std::time::Duration;

use bluegreen_core::{Outcome, Progress, Reporter as _};
use bluegreen_validate::notify::{Delivery, Notifier};

use crate::server::{Does, Receiver};
use crate::world::{PATIENCE, config, ports};

fn answer(status: u16) -> Does {
    Does::Answer(status, String::new())
}

/// What becomes of so many notes.
async fn tell(notifier: &Notifier, notes: usize) -> Delivery {
    for number in 0..notes {
        notifier.report(&Progress::note(format!("note {number}")));
    }
    notifier.flush(PATIENCE).await
}

#[tokio::test]
async fn one_that_fails_twice_gets_the_same_event_again() {
    let receiver = Receiver::new(|number| answer(if number < 2 { 500 } else { 202 })).await;
    let notifier = Notifier::new(config(receiver.url()), &ports()).unwrap();
    let delivery = tell(&notifier, 2).await;
    assert!(delivery.is_complete() && delivery.delivered == 2, "{delivery}");
    let sent = receiver.sent();
    let ids: Vec<_> = sent.iter().map(|it| it.header("webhook-id")).collect();
    assert_eq!((ids[0], ids[1]), (ids[2], ids[2]));
    assert_ne!(ids[2], ids[3]);
    assert_eq!((&sent[0].body, &sent[1].body), (&sent[2].body, &sent[2].body));
    assert_eq!(sent.len(), 4);
}

#[tokio::test]
async fn one_that_hangs_up_or_does_not_answer_gets_it_again() {
    let receiver = Receiver::new(|number| match number {
        0 => Does::HangUp,
        1 => Does::Hang,
        _ => answer(200),
    })
    .await;
    let mut config = config(receiver.url());
    config.timeout = Duration::from_millis(200);
    let notifier = Notifier::new(config, &ports()).unwrap();
    assert!(tell(&notifier, 1).await.is_complete());
    assert_eq!(receiver.sent().len(), 3);
}

#[tokio::test]
async fn one_that_hangs_holds_up_nobody_and_it_is_told_what_was_lost() {
    let receiver = Receiver::new(|_| Does::Hang).await;
    let mut config = config(receiver.url());
    (config.queue, config.timeout) = (8, Duration::from_mins(30));
    let notifier = Notifier::new(config, &ports()).unwrap();
    for number in 0..100 {
        notifier.report(&Progress::note(format!("note {number}")));
    }
    notifier.report(&Progress::Finished { outcome: Outcome::Released });
    let delivery = notifier.flush(Duration::from_millis(50)).await;
    assert_eq!((delivery.delivered, delivery.given_up), (0, 0));
    // One is being sent, or not yet: that depends on when its task came to it.
    assert_eq!(delivery.dropped + delivery.waiting, 101);
    assert!((8..=9).contains(&delivery.waiting), "{delivery}");
    assert!(!delivery.is_complete());
    assert!(delivery.to_string().contains("dropped"), "{delivery}");
}

#[tokio::test]
async fn one_that_is_gone_gets_nothing_any_more() {
    let receiver = Receiver::new(|_| answer(410)).await;
    let notifier = Notifier::new(config(receiver.url()), &ports()).unwrap();
    let delivery = tell(&notifier, 3).await;
    assert_eq!((delivery.given_up, delivery.dropped, delivery.waiting), (1, 2, 0));
    let later = tell(&notifier, 1).await;
    assert_eq!((later.given_up, later.dropped), (1, 3));
    assert_eq!(receiver.sent().len(), 1);
    assert!(later.problem.unwrap().starts_with("status 410 Gone"));
}

#[tokio::test]
async fn one_that_talks_without_end_is_not_listened_to() {
    for status in [200, 400] {
        let receiver = Receiver::new(move |_| Does::AnswerWithoutEnd(status)).await;
        let notifier = Notifier::new(config(receiver.url()), &ports()).unwrap();
        let delivery = tell(&notifier, 2).await;
        let wanted = if status == 200 { (2, 0) } else { (0, 2) };
        assert_eq!((delivery.delivered, delivery.given_up), wanted);
        assert!(delivery.problem.is_none_or(|problem| problem.len() < 500));
    }
}

#[tokio::test]
async fn one_that_sends_elsewhere_is_not_followed() {
    let elsewhere = Receiver::new(|_| answer(200)).await;
    for status in [301, 302, 307, 308] {
        let to = format!("location: {}\r\n", elsewhere.url());
        let receiver = Receiver::new(move |_| Does::Answer(status, to.clone())).await;
        let notifier = Notifier::new(config(receiver.url()), &ports()).unwrap();
        let delivery = tell(&notifier, 1).await;
        assert_eq!(delivery.given_up, 1);
        let problem = delivery.problem.unwrap();
        assert!(problem.ends_with("which is not followed"), "{problem}");
        assert_eq!(receiver.sent().len(), 1);
    }
    assert!(elsewhere.sent().is_empty());
}

#[tokio::test]
async fn one_that_is_not_there_is_given_up_and_named_without_secrets() {
    let receiver = Receiver::new(|_| answer(200)).await;
    let url = receiver.url();
    drop(receiver);
    let notifier = Notifier::new(config(url).bearer("token-4711"), &ports()).unwrap();
    let delivery = tell(&notifier, 1).await;
    assert_eq!(delivery.given_up, 1);
    let told = format!("{delivery} {delivery:?} {notifier:?}");
    assert!(told.contains("connect to 127.0.0.1:"), "{told}");
    assert!(!told.contains("4711") && !told.contains("0815"), "{told}");
}

#[tokio::test]
async fn tls_is_refused_with_the_way_to_it_and_settings_with_all_their_problems() {
    let error = Notifier::new(config("https://hooks.example.com/token-4711"), &ports());
    let text = error.unwrap_err().to_string();
    assert!(text.contains("Notifier::through") && !text.contains("4711"), "{text}");
    let mut wrong = config("hooks");
    wrong.tries = 0;
    let error = Notifier::new(wrong, &ports()).unwrap_err();
    assert_eq!(error.problems().len(), 2);
}
