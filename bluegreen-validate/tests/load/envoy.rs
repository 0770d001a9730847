//! Requests that an Envoy has open, as it counts them itself.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::conformance::load::LoadFixture;
use bluegreen_core::{AgentClient as _, Color, Load, Target};
use bluegreen_validate::{AddressClient, EnvoyGauge, EnvoyLoad};
use bytes::Bytes;
use http::Request;
use tokio::net::TcpListener;

use crate::server::{Does, Server};

/// What an Envoy 1.40 said of two clusters.
fn statistics(gauge: &str, blue: u32, green: u32) -> Does {
    let name = format!("envoy_cluster_{gauge}");
    let text = format!(
        "# TYPE {name} gauge\n\
         {name}{{envoy_cluster_name=\"agents/blue/80\"}} {blue}\n\
         {name}{{envoy_cluster_name=\"agents/green/80\"}} {green}\n"
    );
    Does::Says(200, "text/plain; charset=UTF-8", text.into())
}

fn of(servers: [&Server; 2]) -> EnvoyLoad {
    EnvoyLoad::at(servers.map(Server::name), "agents/blue/80", "agents/green/80")
}

bluegreen_core::load_conformance_tests! {
    envoys: async || {
        let one = Server::start(statistics("upstream_rq_active", 2, 0)).await;
        let two = Server::start(statistics("upstream_rq_active", 3, 0)).await;
        let load = Arc::new(of([&one, &two]));
        LoadFixture { load, busy: Color::Blue, in_hand: 5, guard: Box::new((one, two)) }
    }
}

#[tokio::test]
async fn an_envoy_that_does_not_know_the_cluster_makes_the_sum_unknown() {
    let one = Server::start(statistics("upstream_rq_active", 0, 0)).await;
    let other = Server::start(Does::Says(200, "text/plain", Vec::new())).await;
    let error = of([&one, &other]).in_flight(Color::Blue).await.unwrap_err().chain();
    let wanted = "there is no envoy_cluster_upstream_rq_active\
                  {envoy_cluster_name=\"agents/blue/80\"}";
    assert!(error.contains(wanted) && error.contains("at 1 of 2 pods"), "{error}");
    let nobody = EnvoyLoad::at([""; 0], "a", "b");
    assert!(nobody.in_flight(Color::Blue).await.is_err(), "no Envoy is not no request");
}

/// The program that `BLUEGREEN_ENVOY` names, with a cluster for each of two agents.
struct Envoy {
    /// Its statistics, and where it listens.
    admin: String,
    entry: String,
    _process: tokio::process::Child,
}

impl Envoy {
    async fn start(blue: &Server, green: &Server) -> Self {
        let Some(program) = std::env::var_os("BLUEGREEN_ENVOY").map(PathBuf::from) else {
            panic!("BLUEGREEN_ENVOY is not set: it names the program of an Envoy")
        };
        let [admin, entry] = [free_port().await, free_port().await];
        let at = |port: u16| format!("socket_address: {{address: 127.0.0.1, port_value: {port}}}");
        let cluster = |name: &str, server: &Server| {
            let at = at(server.address.port());
            format!(
                "  - name: agents/{name}/80\n    connect_timeout: 1s\n    load_assignment: \
                 {{cluster_name: {name}, endpoints: [{{lb_endpoints: [{{endpoint: {{address: \
                 {{{at}}}}}}}]}}]}}\n"
            )
        };
        let types = "type.googleapis.com/envoy.extensions.filters";
        let config = format!(
            "admin: {{address: {{{}}}}}\nstatic_resources:\n  clusters:\n{}{}  listeners:\n  - \
             address: {{{}}}\n    filter_chains:\n    - filters:\n      - name: http\n        \
             typed_config:\n          \"@type\": {types}.network.http_connection_manager.v3.\
             HttpConnectionManager\n          stat_prefix: entry\n          route_config: \
             {{virtual_hosts: [{{name: all, domains: [\"*\"], routes: [{{match: {{prefix: /}}, \
             route: {{cluster: agents/blue/80, timeout: 0s}}}}]}}]}}\n          http_filters: \
             [{{name: router, typed_config: {{\"@type\": {types}.http.router.v3.Router}}}}]\n",
            at(admin),
            cluster("blue", blue),
            cluster("green", green),
            at(entry),
        );
        let process = tokio::process::Command::new(program)
            .args(["--concurrency", "1", "--use-dynamic-base-id", "--config-yaml", &config])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let admin = format!("127.0.0.1:{admin}");
        let this = Self { admin, entry: format!("127.0.0.1:{entry}"), _process: process };
        eventually("an Envoy that is ready", async || {
            let answer = ask(&this.admin, "/ready").await;
            answer.is_some_and(|answer| answer.status().is_success())
        })
        .await;
        this
    }
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn ask(address: &str, path: &str) -> Option<http::Response<bluegreen_core::AnswerBody>> {
    let request = Request::get(path).body(Bytes::new()).unwrap();
    AddressClient::new([address]).send(&Target::Any, request).await.ok()
}

async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    assert!(ended.is_ok(), "{what} should come");
}

#[tokio::test]
#[ignore = "needs an Envoy: BLUEGREEN_ENVOY names its program"]
async fn a_real_envoy_counts_the_streams_of_each_cluster() {
    let blue = Server::start(Does::GoesOn).await;
    let green = Server::start(Does::gauge("0")).await;
    let envoy = Envoy::start(&blue, &green).await;
    let load =
        |gauge| EnvoyLoad::at([&*envoy.admin], "agents/blue/80", "agents/green/80").gauge(gauge);
    let (requests, connections) = (load(EnvoyGauge::Requests), load(EnvoyGauge::Connections));
    for load in [&requests, &connections] {
        for color in Color::BOTH {
            assert_eq!(load.in_flight(color).await.unwrap(), Some(0));
        }
    }
    let streams = [ask(&envoy.entry, "/").await.unwrap(), ask(&envoy.entry, "/").await.unwrap()];
    for load in [&requests, &connections] {
        assert_eq!(load.in_flight(Color::Blue).await.unwrap(), Some(2));
        assert_eq!(load.in_flight(Color::Green).await.unwrap(), Some(0));
    }
    drop(streams);
    eventually("the end of both streams", async || {
        requests.in_flight(Color::Blue).await.unwrap() == Some(0)
    })
    .await;
}
