use super::*;

fn at(text: &str) -> Timestamp {
    serde_json::from_value(text.into()).unwrap()
}

/// Until when it is frozen, if it is.
fn until(freeze: &Freeze, text: &str) -> Option<String> {
    freeze.at(at(text)).map(|frozen| frozen.until.to_string().replace(".000Z", "Z"))
}

fn berlin(window: &str) -> Freeze {
    Freeze::new("Europe/Berlin").window(window)
}

#[test]
fn a_weekend_is_from_its_first_minute_to_its_last_one_on_local_clocks() {
    let weekend = berlin("Fri 16:00 - Mon 08:00");
    // In winter Berlin is an hour ahead of UTC.
    assert_eq!(until(&weekend, "2026-11-27T14:59:59.999Z"), None);
    let monday = Some("2026-11-30T07:00:00Z".to_owned());
    for inside in ["2026-11-27T15:00:00Z", "2026-11-29T12:00:00Z", "2026-11-30T06:59:59.999Z"] {
        assert_eq!(until(&weekend, inside), monday, "{inside}");
    }
    assert_eq!(until(&weekend, "2026-11-30T07:00:00Z"), None);
    assert_eq!(until(&weekend, "2026-07-03T14:00:00Z"), Some("2026-07-06T06:00:00Z".into()));
    assert_eq!(until(&weekend, "2026-07-03T13:59:59Z"), None);
    let why = weekend.at(at("2026-11-29T12:00:00Z")).unwrap().why;
    assert_eq!(why, "Fri 16:00 - Mon 08:00 Europe/Berlin");
}

#[test]
fn a_weekend_in_which_clocks_change_is_as_long_as_it_is() {
    let night = berlin("Sun 02:30 - Sun 02:45");
    // 2026-10-25 02:30 to 02:45 comes twice: from the first beginning to the second end.
    assert_eq!(until(&night, "2026-10-25T00:29:59Z"), None);
    assert_eq!(until(&night, "2026-10-25T00:30:00Z"), Some("2026-10-25T01:45:00Z".into()));
    assert_eq!(until(&night, "2026-10-25T01:45:00Z"), None);
    let weekend = berlin("Sat 00:00 - Mon 00:00");
    assert_eq!(until(&weekend, "2026-03-28T12:00:00Z"), Some("2026-03-29T22:00:00Z".into()));
}

#[test]
fn a_window_may_go_around_the_week() {
    let most = Freeze::new("UTC").window("Tue 10:00 – Tue 09:00");
    assert_eq!(until(&most, "2026-12-01T09:30:00Z"), None);
    for inside in ["2026-12-01T10:00:00Z", "2026-12-05T00:00:00Z", "2026-12-08T08:59:59Z"] {
        assert_eq!(until(&most, inside), Some("2026-12-08T09:00:00Z".into()), "{inside}");
    }
}

#[test]
fn days_are_whole_and_windows_that_follow_one_another_are_one() {
    let mut freeze = berlin("2026-12-24");
    assert_eq!(until(&freeze, "2026-12-23T22:59:59Z"), None);
    assert_eq!(until(&freeze, "2026-12-23T23:00:00Z"), Some("2026-12-24T23:00:00Z".into()));
    freeze = freeze.window("2026-12-25 - 2026-12-26").window("2026-12-27 00:00 - 2026-12-27 12:00");
    assert_eq!(until(&freeze, "2026-12-24T12:00:00Z"), Some("2026-12-27T11:00:00Z".into()));
    assert_eq!(until(&freeze, "2026-12-27T11:00:00Z"), None);
}

#[test]
fn what_is_no_window_is_refused_with_all_others() {
    let mut freeze = Freeze::new("Europe/Berlim");
    let wrong = [
        "",
        "weekend",
        "Fri 16:00",
        "Fri 16:00 - Mon",
        "Fri 24:00 - Mon 08:00",
        "Fry 16:00 - Mon 08:00",
        "Fri 16:00 - Fri 16:00",
        "Fri 16:00 - 2026-12-24",
        "2026-12-24 - 2026-12-23",
        "2026-02-30",
        "2026-12-24 12:00",
        "2026-12-24 12:00 - 2026-12-24 12:00",
        "2026-12-24 - 2026-12-25 - 2026-12-26",
        "2026-12-24T12:00",
        "Fri 4:00 - Mon 8:00",
    ];
    freeze.windows = wrong.iter().map(|it| (*it).to_owned()).collect();
    let problems = freeze.problems();
    assert_eq!(problems.len(), 1 + wrong.len(), "{problems:#?}");
    assert_eq!(problems[0].object, "plan, freeze.zone");
    assert!(problems[0].found.contains("Europe/Berlim"));
    for (number, (problem, text)) in problems[1..].iter().zip(wrong).enumerate() {
        assert_eq!(problem.object, format!("plan, freeze.windows[{number}]"));
        assert_eq!(problem.found, format!("`{text}`"));
    }
}

#[test]
fn windows_that_contradict_one_another_are_refused() {
    let twice = berlin("Fri 16:00 - Mon 08:00").window("fri 16:00 – mon 08:00");
    assert_eq!(twice.problems().len(), 1);
    let always = berlin("Mon 00:00 - Fri 16:00").window("Thu 12:00 - Mon 00:00");
    let problems = always.problems();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].to_string().contains("no time at all that is left"), "{problems:?}");
    assert_eq!(Freeze::new("UTC").problems().len(), 1, "no window");
}

#[test]
fn a_zone_that_is_not_known_here_is_never_open() {
    let mut freeze = berlin("2020-01-01");
    assert_eq!(until(&freeze, "2026-11-29T12:00:00Z"), None);
    freeze.zone = "Mars/Olympus".into();
    let frozen = freeze.at(at("2026-11-29T12:00:00Z")).unwrap();
    assert!(frozen.why.contains("Mars/Olympus") && frozen.until == at("2026-11-29T12:05:00Z"));
}
