//! Lists of which only a part is kept.

use std::fmt::Debug;

use kube::api::ListParams;
use kube::core::Request;
use kube::{Api, Error, Resource};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// The objects of a list, each as it was sent.
#[derive(Deserialize)]
struct Items<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

/// Lists objects and keeps of each what `keep` makes of it.
///
/// One object after the other is parsed and given up: all of a namespace together take some ten times what
/// is read of them, and releases that begin together would each have all of it at once.
pub(crate) async fn reduced<K, T>(
    api: &Api<K>,
    params: &ListParams,
    keep: impl FnMut(K) -> T,
) -> kube::Result<Vec<T>>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let request = Request::new(api.resource_url()).list(params).map_err(Error::BuildRequest)?;
    let text = api.clone().into_client().request_text(request).await?;
    parsed(&text, keep).map_err(Error::SerdeError)
}

fn parsed<K: DeserializeOwned, T>(
    text: &str,
    mut keep: impl FnMut(K) -> T,
) -> serde_json::Result<Vec<T>> {
    let list: Items<'_> = serde_json::from_str(text)?;
    list.items.iter().map(|item| serde_json::from_str(item.get()).map(&mut keep)).collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::ResourceExt as _;

    use super::*;

    #[test]
    fn each_object_of_a_list_is_reduced_and_a_broken_one_is_an_error() {
        let text = r#"{"kind": "ConfigMapList", "metadata": {"resourceVersion": "7"}, "items": [
            {"metadata": {"name": "a"}}, {"metadata": {"name": "b"}, "data": {"key": "{\"x\": 1}"}}
        ]}"#;
        let names = parsed(text, |map: ConfigMap| map.name_any()).unwrap();
        assert_eq!(names, ["a", "b"]);
        assert!(parsed(r#"{"items": [{"data": 5}]}"#, |_: ConfigMap| ()).is_err());
        assert!(parsed(r#"{"kind": "Status"}"#, |_: ConfigMap| ()).is_err());
    }
}
