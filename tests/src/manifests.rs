//! What an agent consists of: the manifests that we give to users, with a few things changed.

use bluegreen_core::Color;
use kube::api::{ApiResource, GroupVersionKind, PostParams};
use kube::core::DynamicObject;
use kube::{Api, Client};
use serde_json::{Value, json};

mod canary;

pub use canary::{CANARY, define_nginx};

const ROLE: &str = include_str!("../../bluegreen-kube/rbac.yaml");
const ROLE_OF_ROUTES: &str = include_str!("../../bluegreen-kube/rbac-routes.yaml");
const ROLE_OF_INGRESS: &str = include_str!("../../bluegreen-kube/rbac-ingress.yaml");
const ROLE_OF_KEDA: &str = include_str!("../../bluegreen-kube/rbac-keda.yaml");
const ROLE_OF_HOOKS: &str = include_str!("../../bluegreen-kube/rbac-hooks.yaml");
const ROLE_OF_ADOPTION: &str = include_str!("../../bluegreen-kube/rbac-adopt.yaml");
const AGENT: [&str; 4] = [
    include_str!("../../examples/deploy/manifests/namespace.yaml"),
    include_str!("../../examples/deploy/manifests/blue.yaml"),
    include_str!("../../examples/deploy/manifests/green.yaml"),
    include_str!("../../examples/deploy/manifests/service.yaml"),
];

/// The image of the test agent with this tag.
pub fn image(tag: &str) -> String {
    format!("registry.example.com/agent-service:{tag}")
}

/// The objects of an agent, before they are made.
#[derive(Clone, Debug)]
pub struct Manifests(Vec<Value>);

impl Manifests {
    /// The manifests of `examples/deploy` and the Role of `bluegreen-kube`, as users get them.
    pub fn shipped() -> Self {
        let mut all = Self::role();
        for text in AGENT {
            all.0.extend(read(text));
        }
        all
    }

    /// The Role of `bluegreen-kube` alone, with the account that has it.
    pub fn role() -> Self {
        Self(read(ROLE))
    }

    /// The Role of `bluegreen-kube` for routes, which comes to the other one.
    pub fn role_of_routes() -> Self {
        Self(read(ROLE_OF_ROUTES))
    }

    /// The same, with the slots behind a [route] as well: a Service for each slot beside the live
    /// one, and the Role for routes.
    #[must_use]
    pub fn behind_routes(mut self) -> Self {
        self.add_slot_services();
        self.0.extend(read(ROLE_OF_ROUTES));
        self.0.push(route(crate::ROUTE));
        self
    }

    /// The Role of `bluegreen-kube` for Ingresses, which comes to the other one.
    pub fn role_of_ingress() -> Self {
        Self(read(ROLE_OF_INGRESS))
    }

    /// The Role of `bluegreen-kube` for autoscalers that KEDA makes, which comes to the other one.
    pub fn role_of_keda() -> Self {
        Self(read(ROLE_OF_KEDA))
    }

    /// The same with the Role for autoscalers that KEDA makes.
    #[must_use]
    pub fn with_keda(mut self) -> Self {
        self.0.extend(read(ROLE_OF_KEDA));
        self
    }

    /// The Role of `bluegreen-kube` for hooks, which comes to the other one.
    pub fn role_of_hooks() -> Self {
        Self(read(ROLE_OF_HOOKS))
    }

    /// The same with the Role for hooks.
    #[must_use]
    pub fn with_hooks(mut self) -> Self {
        self.0.extend(read(ROLE_OF_HOOKS));
        self
    }

    /// The same, with the slots behind an [ingress] as well: a Service for each slot beside the
    /// live one, and the Role for Ingresses.
    #[must_use]
    pub fn behind_ingress(mut self) -> Self {
        self.add_slot_services();
        self.0.extend(read(ROLE_OF_INGRESS));
        self.0.push(ingress(crate::INGRESS));
        self.0.push(warm_ingress());
        self
    }

    /// The same with an autoscaler for each slot.
    #[must_use]
    pub fn autoscaled(self) -> Self {
        Color::BOTH.into_iter().fold(self, |it, color| it.with(autoscaler(color)))
    }

    /// The same, whose pods read their prompt from the ConfigMap `agent-prompts` and show it at
    /// `/prompt`. It is this one to begin with.
    #[must_use]
    pub fn with_prompt(mut self, text: &str) -> Self {
        for color in Color::BOTH {
            let deployment = self.object("Deployment", &format!("agent-{color}"));
            let spec = &mut deployment["spec"]["template"]["spec"];
            let volume = json!({"name": "prompts", "configMap": {"name": "agent-prompts"}});
            let mount = json!({"name": "prompts", "mountPath": "/prompts"});
            let file = json!({"name": "AGENT_PROMPT_FILE", "value": "/prompts/system.txt"});
            push(&mut spec["volumes"], volume);
            push(&mut spec["containers"][0]["volumeMounts"], mount);
            push(&mut spec["containers"][0]["env"], file);
        }
        self.with(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "agent-prompts"}, "data": {"system.txt": text},
        }))
    }

    /// The same as workers, which pull from the queue at this URL whatever their Service gets. They read
    /// who has the right to from there, or where it `is_mounted`, from the ConfigMap itself.
    #[must_use]
    pub fn pulling(mut self, queue: &str, is_mounted: bool) -> Self {
        for color in Color::BOTH {
            let spec = &mut self.deployment(color)["spec"]["template"]["spec"];
            let slot = json!({"fieldRef": {"fieldPath": "metadata.labels['slot']"}});
            let right = if is_mounted {
                let map = json!({"name": crate::QUEUE, "optional": true});
                push(&mut spec["volumes"], json!({"name": "right", "configMap": map}));
                let mount = json!({"name": "right", "mountPath": "/right"});
                push(&mut spec["containers"][0]["volumeMounts"], mount);
                json!({"name": "AGENT_RIGHT_FILE", "value": "/right/pull"})
            } else {
                json!({"name": "AGENT_RIGHT_URL", "value": format!("{queue}/right")})
            };
            for variable in [
                json!({"name": "AGENT_QUEUE_URL", "value": queue}),
                json!({"name": "AGENT_SLOT", "valueFrom": slot}),
                json!({"name": "AGENT_SLOW_MS", "value": "30"}),
                right,
            ] {
                push(&mut spec["containers"][0]["env"], variable);
            }
        }
        self
    }

    /// What is said in the blocks of YAML of a document of ours.
    pub fn told(document: &str) -> Self {
        let blocks = document.split("```yaml\n").skip(1);
        let blocks = blocks.filter_map(|rest| rest.split("```").next());
        Self(blocks.flat_map(read).collect())
    }

    /// The same with all of these.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    fn add_slot_services(&mut self) {
        let live = self.object("Service", crate::SERVICE).clone();
        for color in Color::BOTH {
            let mut service = live.clone();
            service["metadata"]["name"] = format!("{}-{color}", crate::SERVICE).into();
            service["spec"]["selector"]["slot"] = color.as_str().into();
            self.0.push(service);
        }
    }

    /// The same with one more object.
    #[must_use]
    pub fn with(mut self, object: Value) -> Self {
        self.0.push(object);
        self
    }

    /// The one object of this kind and name, to be changed.
    pub fn object(&mut self, kind: &str, name: &str) -> &mut Value {
        let mut all = self.0.iter_mut();
        let found = all.find(|it| it["kind"] == kind && it["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("no {kind} {name} is shipped"))
    }

    /// The same without the green Deployment, and with a Service that names no slot: an agent that
    /// was never released by us.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.0.retain(|it| it["metadata"]["name"] != "agent-green");
        self.slotless()
    }

    /// The same as one rolling Deployment of this name without slots, with its autoscaler, and the
    /// Role for who makes two slots of it.
    #[must_use]
    pub fn rolling(self, name: &str) -> Self {
        let mut rolling = self.plain();
        let deployment = rolling.deployment(Color::Blue);
        deployment["metadata"]["name"] = name.into();
        for labels in
            ["/metadata/labels", "/spec/selector/matchLabels", "/spec/template/metadata/labels"]
        {
            let labels = deployment.pointer_mut(labels).and_then(Value::as_object_mut);
            labels.unwrap().remove("slot").unwrap();
        }
        let mut scaler = autoscaler(Color::Blue);
        scaler["metadata"]["name"] = name.into();
        scaler["spec"]["scaleTargetRef"]["name"] = name.into();
        rolling.0.extend(read(ROLE_OF_ADOPTION));
        rolling.with(scaler)
    }

    /// The same without objects of these kinds.
    #[must_use]
    pub fn without(mut self, kinds: &[&str]) -> Self {
        self.0.retain(|it| !kinds.iter().any(|kind| it["kind"] == *kind));
        self
    }

    /// The same with a Service that names no slot.
    #[must_use]
    pub fn slotless(mut self) -> Self {
        let selector = &mut self.object("Service", crate::SERVICE)["spec"]["selector"];
        selector.as_object_mut().unwrap().remove("slot").unwrap();
        self
    }

    /// The same with so many pods of each slot.
    #[must_use]
    pub fn sized(mut self, blue: u32, green: u32) -> Self {
        for (color, size) in [(Color::Blue, blue), (Color::Green, green)] {
            self.deployment(color)["spec"]["replicas"] = size.into();
        }
        self
    }

    /// The same with so many pods of blue, where there may be no green.
    #[must_use]
    pub fn sized_blue(mut self, blue: u32) -> Self {
        self.deployment(Color::Blue)["spec"]["replicas"] = blue.into();
        self
    }

    /// The same with this image in a slot.
    #[must_use]
    pub fn running(mut self, color: Color, tag: &str) -> Self {
        let template = &mut self.deployment(color)["spec"]["template"];
        template["metadata"]["labels"]["version"] = tag.into();
        let container = &mut template["spec"]["containers"][0];
        container["image"] = image(tag).into();
        for variable in container["env"].as_array_mut().unwrap() {
            if variable["name"] == "AGENT_VERSION" {
                variable["value"] = tag.into();
            }
        }
        self
    }

    fn deployment(&mut self, color: Color) -> &mut Value {
        self.object("Deployment", &format!("agent-{color}"))
    }

    /// Makes all of them but the Namespace in another one.
    pub async fn apply(self, client: &Client, namespace: &str) {
        for mut value in self.0 {
            if value["kind"] == "Namespace" {
                continue;
            }
            value["metadata"]["namespace"] = namespace.into();
            let object: DynamicObject = serde_json::from_value(value).unwrap();
            let types = object.types.as_ref().unwrap();
            let kind = GroupVersionKind::try_from(types).unwrap();
            let resource = ApiResource::from_gvk(&kind);
            let api: Api<DynamicObject> =
                Api::namespaced_with(client.clone(), namespace, &resource);
            api.create(&PostParams::default(), &object).await.unwrap();
        }
    }
}

/// A route through the Gateway `public` whose only rule gives everything to blue.
pub fn route(name: &str) -> Value {
    let backend = |color: Color, weight: u32| json!({"name": format!("{}-{color}", crate::SERVICE), "port": 80, "weight": weight});
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": name},
        "spec": {
            "parentRefs": [{"name": "public"}],
            "rules": [{"backendRefs": [backend(Color::Blue, 1), backend(Color::Green, 0)]}],
        },
    })
}

fn push(list: &mut Value, item: Value) {
    if list.is_null() {
        *list = json!([]);
    }
    list.as_array_mut().unwrap().push(item);
}

/// A `HorizontalPodAutoscaler` of a slot: from one pod to six, one for each ten of an external metric,
/// `load-blue` or `load-green`.
fn autoscaler(color: Color) -> Value {
    let target = json!({"type": "AverageValue", "averageValue": "10"});
    let metric = json!({"metric": {"name": format!("load-{color}")}, "target": target});
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": format!("agent-{color}")},
        "spec": {
            "minReplicas": 1, "maxReplicas": 6,
            "scaleTargetRef": {
                "apiVersion": "apps/v1", "kind": "Deployment", "name": format!("agent-{color}"),
            },
            "metrics": [{"type": "External", "external": metric}],
        },
    })
}

/// An Ingress that leads everything to blue. No request has to name a host.
pub fn ingress(name: &str) -> Value {
    let service = format!("{}-{}", crate::SERVICE, Color::Blue);
    let backend = json!({"service": {"name": service, "port": {"number": 80}}});
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": name},
        "spec": {"rules": [
            {"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}},
        ]},
    })
}

/// A suspended `CronJob` whose Job runs the test agent in a container that the agent has too, with
/// these variables: without any it serves for as long as it may.
pub fn cron_job(name: &str, tag: &str, env: &Value) -> Value {
    let env: Vec<Value> = env
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {
            "schedule": "0 0 1 1 *", "suspend": true,
            "jobTemplate": {"spec": {"backoffLimit": 0, "template": {
                "metadata": {"labels": {"app": "migrations"}},
                "spec": {
                    "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
                    "containers": [{"name": "agent", "image": image(tag), "env": env}],
                },
            }}},
        },
    })
}

/// The name of an Ingress that always leads to both slots, so that proxies know them before traffic
/// moves.
pub const WARM: &str = "agent-slots";

fn warm_ingress() -> Value {
    let rule = |color: Color| {
        let service = format!("{}-{color}", crate::SERVICE);
        let backend = json!({"service": {"name": service, "port": {"number": 80}}});
        let path = json!({"path": "/", "pathType": "Prefix", "backend": backend});
        json!({"host": format!("{color}.invalid"), "http": {"paths": [path]}})
    };
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": WARM},
        "spec": {"rules": Color::BOTH.map(rule)},
    })
}

fn read(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}
