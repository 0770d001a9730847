//! Which objects an agent consists of.

use std::collections::BTreeMap;

use bluegreen_core::{Color, ErrorKind, Pair};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::api::{ListParams, ObjectMeta};
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use kube::{Api, Client, ResourceExt as _};
use serde::Deserialize as _;
use serde_json::json;

use super::ConnectError;
use crate::names::twin;
use crate::{Settings, error, listing};

/// What belongs to an agent.
#[derive(Debug)]
pub(super) struct Agent {
    /// The selector of the live Service without the slot.
    pub(super) base: BTreeMap<String, String>,
    pub(super) deployments: Pair<String>,
}

impl Agent {
    /// The label selector of a slot's pods.
    pub(super) fn selector(&self, color: Color, slot_label: &str) -> String {
        labels(&self.base, slot_label, color)
    }
}

/// Finds what belongs to the agent, whose pods have the labels `base` in common. `named` are Deployments that need not be looked for.
pub(super) async fn agent(
    client: &Client,
    settings: &Settings,
    base: BTreeMap<String, String>,
    named: &Pair<Option<String>>,
) -> Result<Agent, ConnectError> {
    let deployments = match (&named.blue, &named.green) {
        (Some(blue), Some(green)) => Pair::new(blue.clone(), green.clone()),
        _ => pair(&outlines(client, settings).await?, settings, &base, named)?,
    };
    Ok(Agent { base, deployments })
}

/// The same where no Service leads to the agent: the slots are the Deployments of these names,
/// `<agent>-blue` and `<agent>-green` where none are given, and their selectors say what their pods
/// have in common.
pub(super) async fn workers(
    client: &Client,
    settings: &Settings,
    named: &Pair<Option<String>>,
) -> Result<Agent, ConnectError> {
    let namespace = settings.namespace.clone();
    let deployments = Pair::from_fn(|color| match (named.of(color), named.of(color.other())) {
        (Some(name), _) => name.clone(),
        (None, Some(other)) => twin(other, color),
        (None, None) => format!("{}-{color}", settings.agent),
    });
    let all = outlines(client, settings).await?;
    let mut bases = Vec::new();
    for color in Color::BOTH {
        let name = deployments.of(color);
        let Some(found) = all.iter().find(|it| it.name_any() == *name) else { continue };
        let selector = &found.data["spec"]["selector"]["matchLabels"];
        let mut base = BTreeMap::<String, String>::deserialize(selector).unwrap_or_default();
        if base.remove(&settings.slot_label).as_deref() != Some(color.as_str()) {
            let wanted = format!("{}={color}", settings.slot_label);
            let found = format!("{name}, whose selector is {selector}");
            return Err(ConnectError::NoDeployment { namespace, wanted, found });
        }
        bases.push((color, base));
    }
    match <[_; 2]>::try_from(bases) {
        Ok([(_, one), (_, other)]) if one == other => Ok(Agent { base: one, deployments }),
        Ok(both) => {
            let told = both.map(|(color, base)| {
                let labels = labels(&base, &settings.slot_label, color);
                format!("{} selects {labels}", deployments.of(color))
            });
            Err(ConnectError::DeploymentsDisagree { namespace, found: told.into() })
        }
        Err(mut fewer) => {
            if let Some((_, base)) = fewer.pop() {
                return Ok(Agent { base, deployments });
            }
            let Pair { blue, green, .. } = deployments;
            Err(ConnectError::NoSlot { namespace, blue, green })
        }
    }
}

/// What the pods of both slots have in common: the live Service's selector without the slot.
pub(super) async fn base(
    client: &Client,
    settings: &Settings,
) -> Result<BTreeMap<String, String>, ConnectError> {
    let mut base = selector_of(client, settings, settings.agent.as_str()).await?;
    base.remove(&settings.slot_label);
    Ok(base)
}

/// The same, read from the Services of the slots.
pub(super) async fn base_of_slots(
    client: &Client,
    settings: &Settings,
    services: &Pair<String>,
) -> Result<BTreeMap<String, String>, ConnectError> {
    let selector = async |color: Color| {
        let found = selector_of(client, settings, services.of(color)).await;
        let mut base = found.map_err(|error| match error {
            ConnectError::NoService { namespace, service } => {
                ConnectError::NoSlotService { namespace, service, color }
            }
            error => error,
        })?;
        base.remove(&settings.slot_label);
        Ok::<_, ConnectError>(base)
    };
    let (blue, green) = tokio::try_join!(selector(Color::Blue), selector(Color::Green))?;
    if blue != green {
        let found = Color::BOTH.map(|color| {
            let base = if color == Color::Blue { &blue } else { &green };
            format!("{} selects {}", services.of(color), labels(base, &settings.slot_label, color))
        });
        let namespace = settings.namespace.clone();
        return Err(ConnectError::SlotsDisagree { namespace, found: found.into() });
    }
    Ok(blue)
}

/// The selector of a live Service.
pub(super) async fn selector_of(
    client: &Client,
    settings: &Settings,
    name: &str,
) -> Result<BTreeMap<String, String>, ConnectError> {
    let namespace = settings.namespace.clone();
    let services: Api<Service> = Api::namespaced(client.clone(), &namespace);
    let action = format!("read service {namespace}/{name}");
    let service = name.to_owned();
    let found = match error::read(settings.call, action, services.get(name)).await {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(ConnectError::NoService { namespace, service });
        }
        found => found?,
    };
    let spec = found.spec.unwrap_or_default();
    if spec.type_.as_deref() == Some("ExternalName") {
        return Err(ConnectError::ExternalName { namespace, service });
    }
    let selector = spec.selector.unwrap_or_default();
    if selector.is_empty() {
        return Err(ConnectError::NoSelector { namespace, service });
    }
    Ok(selector)
}

/// All Deployments of the namespace, as JSON: see `deployment/object.rs`.
pub(super) async fn list(
    client: &Client,
    settings: &Settings,
) -> bluegreen_core::Result<Vec<DynamicObject>> {
    let action = format!("list deployments in {}", settings.namespace);
    let all = ListParams::default();
    Ok(error::read(settings.call, action, api(client, settings).list(&all)).await?.items)
}

/// The same with nothing but their names, their selectors and the labels of their pods.
async fn outlines(
    client: &Client,
    settings: &Settings,
) -> bluegreen_core::Result<Vec<DynamicObject>> {
    let action = format!("list deployments in {}", settings.namespace);
    let outline = |object: DynamicObject| {
        let spec = &object.data["spec"];
        let labels = &spec["template"]["metadata"]["labels"];
        let template = json!({"metadata": {"labels": labels}});
        let data = json!({"spec": {"selector": spec["selector"], "template": template}});
        let metadata = ObjectMeta { name: object.metadata.name, ..ObjectMeta::default() };
        DynamicObject { types: None, metadata, data }
    };
    let (api, all) = (api(client, settings), ListParams::default());
    error::read(settings.call, action, listing::reduced(&api, &all, outline)).await
}

pub(super) fn api(client: &Client, settings: &Settings) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<Deployment>(&());
    Api::namespaced_with(client.clone(), &settings.namespace, &resource)
}

/// The names of the two Deployments. When one is missing, it gets the name under which `init`
/// makes it.
fn pair(
    all: &[DynamicObject],
    settings: &Settings,
    base: &BTreeMap<String, String>,
    named: &Pair<Option<String>>,
) -> Result<Pair<String>, ConnectError> {
    let blue = one(all, settings, base, named, Color::Blue)?;
    let green = one(all, settings, base, named, Color::Green)?;
    match (blue, green) {
        (Some(blue), Some(green)) => Ok(Pair::new(blue, green)),
        (Some(blue), None) => {
            let green = twin(&blue, Color::Green);
            Ok(Pair::new(blue, green))
        }
        (None, Some(green)) => Ok(Pair::new(twin(&green, Color::Blue), green)),
        (None, None) => {
            let near: Vec<String> = all
                .iter()
                .filter(|deployment| has(deployment, base))
                .map(|it| format!("{} without the label {}", it.name_any(), settings.slot_label))
                .collect();
            let found = if near.is_empty() { "none".to_owned() } else { near.join(", ") };
            let wanted = labels(base, &settings.slot_label, Color::Blue);
            Err(ConnectError::NoDeployment { namespace: settings.namespace.clone(), wanted, found })
        }
    }
}

fn one(
    all: &[DynamicObject],
    settings: &Settings,
    base: &BTreeMap<String, String>,
    named: &Pair<Option<String>>,
    color: Color,
) -> Result<Option<String>, ConnectError> {
    if let Some(name) = named.of(color) {
        return Ok(Some(name.clone()));
    }
    let mut wanted = base.clone();
    wanted.insert(settings.slot_label.clone(), color.to_string());
    let mut found: Vec<String> =
        all.iter().filter(|it| has(it, &wanted)).map(DynamicObject::name_any).collect();
    if found.len() > 1 {
        found.sort();
        return Err(ConnectError::ManyDeployments {
            namespace: settings.namespace.clone(),
            color,
            wanted: labels(base, &settings.slot_label, color),
            found,
        });
    }
    Ok(found.pop())
}

/// Whether the Deployment's pods have these labels.
fn has(deployment: &DynamicObject, wanted: &BTreeMap<String, String>) -> bool {
    let labels = &deployment.data["spec"]["template"]["metadata"]["labels"];
    wanted.iter().all(|(key, value)| labels[key] == **value)
}

fn labels(base: &BTreeMap<String, String>, slot_label: &str, color: Color) -> String {
    let base = base.iter().map(|(key, value)| format!("{key}={value}"));
    base.chain([format!("{slot_label}={color}")]).collect::<Vec<_>>().join(",")
}
