//! `install.yaml`: everything that a namespace needs, the definition of the kind made of its types.

use kube::CustomResourceExt as _;

use crate::crd::AgentRelease;

const HEAD: &str = "\
# An operator that releases the agents of one namespace as AgentReleases say:
#
#   kubectl apply --namespace ai-agents --filename install.yaml
#
# The definition is made of the types in src/crd.rs, and the rest stands in manifests/operator.yaml:
#
#   cargo run -p operator -- install > examples/operator/install.yaml
";
const REST: &str = include_str!("../manifests/operator.yaml");

/// The whole file.
///
/// # Errors
/// When the definition cannot be written as YAML.
pub(crate) fn install() -> Result<String, String> {
    let value = serde_json::to_value(AgentRelease::crd()).map_err(|error| error.to_string())?;
    let crd = serde_saphyr::to_string(&value).map_err(|error| error.to_string())?;
    Ok(format!("{HEAD}{crd}---\n{REST}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SHIPPED: &str = include_str!("../install.yaml");

    #[test]
    fn what_is_shipped_is_what_the_types_say() {
        let made = install().unwrap();
        assert_eq!(
            SHIPPED, made,
            "cargo run -p operator -- install > examples/operator/install.yaml"
        );
        let all: Vec<Value> = serde_saphyr::from_multiple(SHIPPED).unwrap();
        let crd = serde_json::to_value(AgentRelease::crd()).unwrap();
        assert_eq!(all[0], crd, "YAML says the same");
        assert!(!SHIPPED.contains("\nnamespace:") && !SHIPPED.contains("  namespace:"));
    }

    #[test]
    fn the_definition_has_rules_columns_and_a_status_of_its_own() {
        let crd = serde_json::to_value(AgentRelease::crd()).unwrap();
        let version = &crd["spec"]["versions"][0];
        assert_eq!(version["subresources"], json!({"status": {}}));
        let columns = version["additionalPrinterColumns"].as_array().unwrap().iter();
        let columns: Vec<&str> = columns.filter_map(|it| it["name"].as_str()).collect();
        assert_eq!(columns, ["Service", "Version", "Phase", "Ready", "Reason", "Traffic", "Age"]);
        let schema = &version["schema"]["openAPIV3Schema"]["properties"];
        let rules = |path: &str| schema.pointer(path).map_or(0, |it| it.as_array().unwrap().len());
        assert_eq!(rules("/spec/x-kubernetes-validations"), 1);
        assert_eq!(rules("/spec/properties/change/x-kubernetes-validations"), 1);
        assert_eq!(rules("/spec/properties/plan/properties/steps/x-kubernetes-validations"), 1);
        let conditions = &schema["status"]["properties"]["conditions"];
        assert_eq!(conditions["x-kubernetes-list-map-keys"], json!(["type"]));
    }
}
