//! Requests that choose the candidate, or live.

use std::net::SocketAddr;

use bluegreen_core::{Color, Outcome, Pin};
use bluegreen_tests::Load;

use super::{Around, Scene};
use crate::share::{self, pinned};

const HEADER: &str = "x-slot";
const COOKIE: &str = "slot";
/// A cookie among others, and one with another value.
const OTHERS: [(&str, &str); 2] = [("theme=dark; slot=always", "1.3.0"), ("slot=maybe", "1.2.0")];
/// How often each of them is asked.
const TIMES: usize = 50;

/// A header with a value, and a cookie, before the candidate has a share; then a header that says
/// `always` or `never`, and a cookie, while it has half.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pins_of_a_canary_ingress_through_traefik() {
    Box::pin(pins()).await;
}

async fn pins() {
    let scene = Scene::of(Around::Selector).await;
    let address = scene.address;
    let mut plan = scene.plan(&[0, 50], |_| true);
    plan.steps[0].pins = vec![header("new", Color::Green), cookie("always", Color::Green)];
    plan.steps[1].pins = vec![
        header("always", Color::Green),
        header("never", Color::Blue),
        cookie("always", Color::Green),
        cookie("never", Color::Blue),
    ];
    let load = Load::start(address);
    let mut release = scene.begin(plan);

    scene.holds(&mut release, 0).await;
    all(address, HEADER, "new", "1.3.0").await;
    all(address, HEADER, "old", "1.2.0").await;
    // With a value of its own, this one is none.
    all(address, HEADER, "always", "1.2.0").await;
    all(address, "cookie", "slot=always", "1.3.0").await;
    all(address, "cookie", "slot=never", "1.2.0").await;
    for (text, version) in OTHERS {
        all(address, "cookie", text, version).await;
    }
    scene.answers("1.2.0", 2_000).await;
    scene.two.operations().promote("ann").await.unwrap();

    scene.holds(&mut release, 1).await;
    share::arrives(address, "1.3.0", 0.5).await;
    for (value, version) in [("always", "1.3.0"), ("never", "1.2.0")] {
        all(address, HEADER, value, version).await;
        all(address, "cookie", &format!("slot={value}"), version).await;
    }
    scene.two.operations().promote("ann").await.unwrap();

    scene.bakes(&mut release).await;
    for value in ["always", "never", "new"] {
        all(address, HEADER, value, "1.3.0").await;
    }
    scene.two.operations().promote("ann").await.unwrap();
    let ended = release.await.unwrap().unwrap();
    assert_eq!(ended, Outcome::Released);
    let tally = load.stop().await;
    println!("pins: {tally}, {} requests", tally.total());
    assert!(tally.failures.is_empty(), "{tally}");
    scene.rests_at(Color::Green).await;
}

fn header(value: &str, color: Color) -> Pin {
    Pin::Header { name: HEADER.to_owned(), value: value.to_owned(), color }
}

fn cookie(value: &str, color: Color) -> Pin {
    Pin::Cookie { name: COOKIE.to_owned(), value: value.to_owned(), color }
}

/// Asserts that requests with this header are answered by a version, each of them.
async fn all(address: SocketAddr, name: &'static str, value: &str, version: &str) {
    for _ in 0..TIMES {
        let found = pinned(address, name, value).await;
        assert_eq!(found.as_deref(), Ok(version), "{name}: {value}");
    }
}
