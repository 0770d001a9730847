use std::collections::BTreeMap;
use std::sync::Mutex;

use bluegreen_core::Color::{Blue, Green};
use bluegreen_core::{Pin, Share};
use kube::Resource;
use kube::api::{DynamicObject, PostParams};
use kube::discovery::ApiResource;
use serde_json::{Value, json};

use super::*;
use crate::fixtures::deployment;
use crate::stand_in::StandIn;

mod checks;
mod evidence;
mod writing;

const NAMESPACE: &str = "ai-agents";
const MAP: &str = "agent-queue";
const ONE: Epoch = Epoch::new(1);

fn settings() -> Settings {
    Settings::new("agent", NAMESPACE)
}

fn blue() -> Routing {
    Routing::all(Blue)
}

fn green() -> Routing {
    Routing::all(Green)
}

async fn create<K: Resource<DynamicType = ()>>(stand_in: &StandIn, object: Value) {
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let client = stand_in.client(NAMESPACE);
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client, NAMESPACE, &resource);
    api.create(&PostParams::default(), &object).await.unwrap();
}

/// Two slots with pods, and blue has the right. The ConfigMap says other things too.
async fn world() -> StandIn {
    let stand_in = StandIn::new();
    for color in Color::BOTH {
        create::<Deployment>(&stand_in, deployment(color)).await;
    }
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": MAP, "annotations": {"example.com/say": "a<b>&c"}},
        "data": {"pull": "blue\n", "batch": "10"},
    });
    create::<ConfigMap>(&stand_in, map).await;
    stand_in
}

fn switch(stand_in: &StandIn) -> QueueSwitch {
    QueueSwitch::new(stand_in.client(NAMESPACE), settings(), MAP)
        .settles_in(Duration::from_millis(1))
}

fn edit(stand_in: &StandIn, patch: &Value) {
    assert!(stand_in.edit("kubectl-edit", "configmaps", NAMESPACE, MAP, patch));
}

fn map(stand_in: &StandIn) -> Value {
    stand_in.object("configmaps", NAMESPACE, MAP).unwrap()
}

fn set_ready(stand_in: &StandIn, color: Color, is_ready: bool) {
    for name in stand_in.pods(NAMESPACE, &[("slot", color.as_str())]) {
        stand_in.set_ready(NAMESPACE, &name, is_ready);
    }
}

/// What workers say of themselves. Of a slot that is not there nothing is known.
#[derive(Debug, Default)]
struct Workers(Mutex<BTreeMap<Color, u64>>);

impl Workers {
    fn of(blue: u64, green: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(BTreeMap::from([(Blue, blue), (Green, green)]))))
    }

    fn say(&self, slot: Color, count: Option<u64>) {
        let mut all = self.0.lock().unwrap();
        match count {
            Some(count) => drop(all.insert(slot, count)),
            None => drop(all.remove(&slot)),
        }
    }
}

#[async_trait]
impl Load for Workers {
    async fn in_flight(&self, slot: Color) -> Result<Option<u64>> {
        Ok(self.0.lock().unwrap().get(&slot).copied())
    }
}
