//! How long the call takes that moves a share of the traffic: ours on a route, and a bare PATCH of
//! another route like it, by turns. A release makes the call right after it has seen that the
//! gateway knows the candidate's pods; anybody else's call looks first whether the slot has any.

use std::time::Instant;

use bluegreen_core::{Color, Epoch, ObservedState, Routing, Share, SwitchStrategy};
use bluegreen_tests::{Agent, Manifests, ROUTE, define_gateway_api, gateway_api, route};
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use crate::alone::alone;
use crate::table::Table;

/// The rows, with what is to be reached.
pub(crate) const ROWS: &[(&str, &str)] = &[(CALL, "≤ 1.2 × floor"), (ALONE, ""), (KNOWN, "")];
const CALL: &str = "a share of the traffic by a route's weights, as in a release, ms";
const ALONE: &str = "… out of the blue, with a look whether the slot serves, ms";
const KNOWN: &str = "… before it: the gateway knows the candidate's pods, ms";
/// The other route, which nobody has stamped.
const BARE: &str = "bare";
const STEPS: [u32; 4] = [5, 25, 50, 75];

/// Measures it, so many times forth and back through the steps.
pub(crate) async fn measure(table: &mut Table, rounds: u32) {
    define_gateway_api().await;
    alone().await;
    let manifests = Manifests::shipped().sized(1, 1).running(Color::Green, "1.3.0");
    let agent = Agent::of(manifests.behind_routes()).await;
    let routes = |client| gateway_api(client, agent.namespace().name(), "HTTPRoute");
    let bare = serde_json::from_value(route(BARE)).unwrap();
    routes(agent.admin()).create(&PostParams::default(), &bare).await.unwrap();
    // With the same rights, which the API server has to look up.
    let routes = routes(&agent.client());
    let cluster = agent.builder("bench").route(ROUTE).connect().await.unwrap();
    let switch = cluster.switch();
    let epoch = Epoch::default().next();
    switch.fence(epoch).await.unwrap();
    let pods = agent.pods(Color::Green).await;
    let pods: Vec<String> = pods.into_iter().filter_map(|pod| pod.metadata.uid).collect();
    for share in (0..rounds).flat_map(|_| STEPS) {
        let to = Routing::all(Color::Blue).with_candidate(Share::percent(share));
        let back = Routing::all(Color::Blue);
        // The memory of what was seen a moment ago is the switch's own, and this one has none.
        let cluster = agent.builder("bench").route(ROUTE).connect().await.unwrap();
        let stranger = cluster.switch();
        shift(table, ALONE, stranger.as_ref(), &to, epoch).await;
        switch.shift(&to, &back, epoch).await.unwrap();

        let begun = Instant::now();
        switch.await_known(Color::Green, &pods).await.unwrap();
        table.add_time(KNOWN, "ours", begun.elapsed());
        shift(table, CALL, switch.as_ref(), &to, epoch).await;

        routes.get(BARE).await.unwrap();
        let mut rules = route(BARE)["spec"]["rules"].take();
        rules[0]["backendRefs"][0]["weight"] = json!(100 - share);
        rules[0]["backendRefs"][1]["weight"] = json!(share);
        let patch = Patch::Merge(json!({"spec": {"rules": rules}}));
        let begun = Instant::now();
        routes.patch(BARE, &PatchParams::default(), &patch).await.unwrap();
        table.add_time(CALL, "floor", begun.elapsed());
        switch.shift(&to, &back, epoch).await.unwrap();
    }
}

async fn shift(
    table: &mut Table,
    row: &'static str,
    switch: &dyn SwitchStrategy,
    to: &Routing,
    epoch: Epoch,
) {
    let ObservedState::Routed(from) = switch.observe().await.unwrap().state else {
        panic!("the route is ours, and nobody else moves it")
    };
    let begun = Instant::now();
    switch.shift(&from, to, epoch).await.unwrap();
    table.add_time(row, "ours", begun.elapsed());
}
