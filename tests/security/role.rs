//! The table of rights is the Role that we ship, and preflight does with each what the table says.

use bluegreen_core::plan::{Hook, HookPoint};
use bluegreen_core::{Change, Plan, Problem};
use bluegreen_kube::Cluster;
use bluegreen_kube::stand_in::{Denial, StandIn};
use bluegreen_tests::{INGRESS, Manifests, QUEUE, ROUTE, WARM, cron_job, route};
use serde_json::{Value, json};

const DOCUMENT: &str = include_str!("../../docs/security.md");

/// One row: a right, and what is said of it.
#[derive(Debug)]
struct Row<'a> {
    group: &'a str,
    resource: &'a str,
    verb: &'a str,
    why: &'a str,
    who: &'a str,
    without: &'a str,
}

/// The table whose head begins so.
fn rows(head: &str) -> Vec<Row<'static>> {
    let lines = DOCUMENT.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let table = lines.take_while(|line| line.starts_with('|'));
    let rows = table.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [group, resource, verb, why, who, without] = cells[..] else {
            panic!("six cells are wanted: {line}")
        };
        Row { group, resource, verb, why, who, without }
    });
    rows.collect()
}

const TABLE: &str = "| API group |";
const TABLE_OF_ROUTES: &str = "| group of routes |";
const TABLE_OF_INGRESSES: &str = "| group of Ingresses |";
const TABLE_OF_KEDA: &str = "| group of KEDA |";
const TABLE_OF_HOOKS: &str = "| group of hooks |";

/// What moves traffic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Behind {
    Service,
    Routes,
    Ingress,
    /// The Service, and the plan has a hook.
    Hooked,
    /// Nothing: the slots pull.
    Queue,
}

/// The rights of a Role, in its order.
fn shipped(mut manifests: Manifests, name: &str) -> Vec<(String, String, String)> {
    let rules = manifests.object("Role", name)["rules"].clone();
    let texts = |value: &Value| -> Vec<String> {
        let texts = value.as_array().unwrap().iter();
        texts.map(|it| it.as_str().unwrap().to_owned()).collect()
    };
    let mut all = Vec::new();
    for rule in rules.as_array().unwrap() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    all.push((group.clone(), resource.clone(), verb));
                }
            }
        }
    }
    all
}

#[test]
fn the_tables_are_the_roles() {
    is_the_role(TABLE, &shipped(Manifests::role(), "bluegreen"));
    let routes = shipped(Manifests::role_of_routes(), "bluegreen-routes");
    is_the_role(TABLE_OF_ROUTES, &routes);
    let ingress = shipped(Manifests::role_of_ingress(), "bluegreen-ingress");
    is_the_role(TABLE_OF_INGRESSES, &ingress);
    is_the_role(TABLE_OF_KEDA, &shipped(Manifests::role_of_keda(), "bluegreen-keda"));
    is_the_role(TABLE_OF_HOOKS, &shipped(Manifests::role_of_hooks(), "bluegreen-hooks"));
}

fn is_the_role(head: &str, shipped: &[(String, String, String)]) {
    let rows = rows(head);
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.group.to_owned(), row.resource.to_owned(), row.verb.to_owned()))
        .collect();
    assert_eq!(told, shipped);
    for row in &rows {
        assert!(row.why.len() > 8 && !row.who.is_empty(), "nothing is said of it: {row:?}");
    }
    for (group, resource, verb) in shipped {
        assert!(group != "*" && resource != "*" && verb != "*", "{group} {resource} {verb}");
        assert!(resource != "secrets" && group != "rbac.authorization.k8s.io", "{resource}");
    }
}

#[tokio::test(start_paused = true)]
async fn preflight_does_with_a_missing_right_what_the_table_says() {
    does_what_is_said(&rows(TABLE), Behind::Service).await;
    does_what_is_said(&rows(TABLE_OF_ROUTES), Behind::Routes).await;
    does_what_is_said(&rows(TABLE_OF_INGRESSES), Behind::Ingress).await;
    does_what_is_said(&rows(TABLE_OF_HOOKS), Behind::Hooked).await;
}

/// What preflight does without each of these rights. Without any that the tables for routes and
/// Ingresses say are not needed there, it does nothing.
async fn does_what_is_said(rows: &[Row<'_>], behind: Behind) {
    let (stand_in, cluster) = agent(behind).await;
    if matches!(behind, Behind::Routes | Behind::Ingress) {
        for verb in ["watch", "patch", "create", "delete"] {
            stand_in.deny(Denial::new(verb, "services"));
        }
        let problems = check(&cluster().await, behind).await;
        assert!(problems.iter().all(|it| it.code != "rights"), "{problems:#?}");
        stand_in.allow_all();
    }
    for row in rows {
        // Of the same verb, as few as there are.
        let cluster = cluster().await;
        stand_in.deny(Denial::new(row.verb, row.resource));
        let problems = check(&cluster, behind).await;
        stand_in.allow_all();
        let rights: Vec<&Problem> = problems.iter().filter(|it| it.code == "rights").collect();
        let object =
            |it: &&Problem| it.object.contains(&format!("to {} {}", row.verb, row.resource));
        let found = match rights[..] {
            [] => "not asked for",
            [only] if object(&only) && only.is_refusal() => "refused",
            [only] if object(&only) => "warned of",
            _ => panic!("{row:?}: {problems:#?}"),
        };
        let said = row.without.split([':', ',']).next().unwrap_or_default();
        assert_eq!(said, found, "{row:?}: {problems:#?}");
    }
}

/// What the table says of Services is not so where there are none.
#[tokio::test(start_paused = true)]
async fn workers_need_no_right_to_services_and_all_of_those_to_the_config_map() {
    let (stand_in, cluster) = agent(Behind::Queue).await;
    for verb in ["get", "list", "watch", "patch", "create", "delete"] {
        stand_in.deny(Denial::new(verb, "services"));
        stand_in.deny(Denial::new(verb, "endpointslices"));
    }
    let problems = check(&cluster().await, Behind::Queue).await;
    assert!(problems.iter().all(|it| it.code != "rights"), "{problems:#?}");
    stand_in.allow_all();
    let is_needed = |row: &Row<'_>| {
        row.resource == "configmaps" || row.group == "apps" && row.resource != "replicasets"
    };
    let rows: Vec<Row<'_>> = rows(TABLE).into_iter().filter(is_needed).collect();
    assert!(rows.len() > 8, "{rows:?}");
    does_what_is_said(&rows, Behind::Queue).await;
}

async fn check(cluster: &Cluster, behind: Behind) -> Vec<Problem> {
    let image = "registry.example.com/agent-service:1.3.0";
    let change = Change::image("agent", image).version("1.3.0");
    let mut plan = Plan::all_at_once();
    if behind == Behind::Hooked {
        plan = plan.hook(Hook::before(HookPoint::Deploying, "expand", "cronjob/expand"));
    }
    cluster.releaser().check(&change, &plan).await.unwrap()
}

/// The agent of our manifests in the stand-in, and how to connect to it with eyes that have seen
/// nothing yet: which rights there are is remembered.
async fn agent(behind: Behind) -> (StandIn, impl AsyncFn() -> Cluster) {
    let stand_in = StandIn::new();
    stand_in.add_gateway_api();
    let client = stand_in.client("ai-agents");
    // The stand-in knows no Roles: here everything is allowed that is not denied.
    let mut manifests = Manifests::shipped();
    match behind {
        Behind::Service => {}
        Behind::Hooked => manifests = manifests.with(cron_job("expand", "1.2.0", &json!({}))),
        Behind::Routes => {
            let mut grpc = route("agent-grpc");
            grpc["kind"] = "GRPCRoute".into();
            manifests = manifests.behind_routes().with(grpc);
        }
        Behind::Ingress => manifests = manifests.behind_ingress(),
        Behind::Queue => {
            let map = json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": QUEUE}, "data": {"pull": "blue"},
            });
            manifests = manifests.without(&["Service"]).with(map);
        }
    }
    let manifests = manifests.without(&["ServiceAccount", "Role", "RoleBinding"]);
    manifests.apply(&client, "ai-agents").await;
    let cluster = async move || {
        let mut builder = Cluster::builder(client.clone(), "ai-agents", bluegreen_tests::SERVICE);
        match behind {
            Behind::Service | Behind::Hooked => {}
            Behind::Queue => builder = builder.queue(QUEUE),
            Behind::Routes => builder = builder.route(ROUTE).grpc_route("agent-grpc"),
            Behind::Ingress => {
                builder = builder.ingress(INGRESS).backends(|it| it.ignore_ingress(WARM));
            }
        }
        builder
            .deployment(bluegreen_core::Color::Blue, "agent-blue")
            .deployment(bluegreen_core::Color::Green, "agent-green")
            .connect()
            .await
            .unwrap()
    };
    (stand_in, cluster)
}
