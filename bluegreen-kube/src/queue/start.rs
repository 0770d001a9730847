//! What happens before the first release, and after the last one.

use bluegreen_core::{Color, Error, ErrorKind, Result};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::ObjectMeta;
use kube::core::DynamicObject;

use super::QueueSwitch;
use super::shift::params;
use crate::error::write;

impl QueueSwitch {
    /// Gives the right to the slot that alone has pods, where no slot was ever named. `deployments` are
    /// all of the namespace.
    ///
    /// The ConfigMap is the agent's from then on: it carries no mark of ours, because workers need
    /// it as long as they live.
    pub(crate) async fn begin(&self, deployments: &[DynamicObject]) -> Result<Option<Color>> {
        let found = self.read_opt().await?;
        let data = found.as_ref().and_then(|right| right.whole.data.as_ref());
        if data.is_some_and(|data| data.contains_key(&self.key)) {
            return Ok(None);
        }
        let verb = if found.is_some() { "update" } else { "create" };
        let action = self.action(verb);
        let color = self.only_color(&action, deployments)?;
        let mut map = match &found {
            Some(right) => (*right.whole).clone(),
            None => ConfigMap {
                metadata: ObjectMeta {
                    name: Some(self.config_map.clone()),
                    namespace: Some(self.settings.namespace.clone()),
                    ..ObjectMeta::default()
                },
                ..ConfigMap::default()
            },
        };
        map.data.get_or_insert_default().insert(self.key.clone(), color.to_string());
        let params = params(false);
        if found.is_some() {
            let call = self.maps.replace(&self.config_map, &params, &map);
            write(self.settings.call, action, call).await?;
        } else {
            write(self.settings.call, action, self.maps.create(&params, &map)).await?;
        }
        Ok(Some(color))
    }

    fn only_color(&self, action: &str, deployments: &[DynamicObject]) -> Result<Color> {
        let size = |color: Color| {
            let name = self.deployments.of(color);
            let found = deployments.iter().find(|it| it.name_any() == *name);
            found.map_or(0, |it| it.data["spec"]["replicas"].as_u64().unwrap_or(1))
        };
        match (size(Color::Blue), size(Color::Green)) {
            (1.., 0) => Ok(Color::Blue),
            (0, 1..) => Ok(Color::Green),
            (blue, green) => Err(Error::new(ErrorKind::Rejected, action).with_source(format!(
                "found {blue} replicas of blue and {green} of green, wanted replicas of one slot \
                 only, to know which one pulls"
            ))),
        }
    }

    /// Takes our annotations off the ConfigMap. Whether there were any.
    pub(crate) async fn clean(&self) -> Result<bool> {
        let Some(right) = self.read_opt().await? else { return Ok(false) };
        let mut map = (*right.whole).clone();
        let prefix = &self.settings.prefix;
        let annotations = map.annotations_mut();
        let before = annotations.len();
        annotations.retain(|key, _| !key.starts_with(prefix));
        if annotations.len() == before {
            return Ok(false);
        }
        let params = params(false);
        let call = self.maps.replace(&self.config_map, &params, &map);
        write(self.settings.call, self.action("update"), call).await?;
        Ok(true)
    }
}
