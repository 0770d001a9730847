//! What a request to the API server writes, in words.

use http::{Method, Uri};
use serde_json::Value;

/// What a request writes: `deploy to agent-green`. Nothing of one that only reads, only tries, or
/// only tells that a process lives.
///
/// The words are the same in every run, so that a write of one run is found again in another.
pub(super) fn name(method: &Method, uri: &Uri, body: &[u8]) -> Option<String> {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return None;
    }
    if uri.query().is_some_and(|query| query.contains("dryRun=")) {
        return None;
    }
    // /api/v1/namespaces/<namespace>/<resource>/<name>/<subresource>, or /apis/<group>/<version>/…
    let steps: Vec<&str> = uri.path().split('/').skip_while(|step| *step != "namespaces").collect();
    let Some(resource) = steps.get(2) else {
        // Reviews of rights, and nothing else that a release sends, belong to no namespace.
        let asks = uri.path().ends_with("reviews");
        return (!asks).then(|| format!("{method} {}", uri.path()));
    };
    let object = steps.get(3).copied().unwrap_or_default();
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    match (*resource, method.as_str(), steps.get(4).copied()) {
        ("events", ..) | ("leases", "PUT", _) => None,
        ("leases", "POST", _) => Some("announce the process".to_owned()),
        ("leases", "DELETE", _) => Some("give back the lease".to_owned()),
        ("configmaps", "POST" | "PUT", None) => Some(map(&body)),
        ("services", "POST", None) => Some("make the preview".to_owned()),
        ("services", "PATCH", None) if writes(&body, "/spec/selector") => {
            Some(format!("point {object}"))
        }
        ("deployments", "PATCH", None) => Some(deployment(object, &body)),
        ("deployments", "PUT", Some("scale")) => {
            Some(format!("scale {object} to {}", body["spec"]["replicas"]))
        }
        ("services", "PATCH", None) => Some(format!("stamp {object}")),
        ("horizontalpodautoscalers", "PATCH", None) => Some(autoscaler(object, &body)),
        _ => Some(format!("{method} {}", uri.path())),
    }
}

fn map(body: &Value) -> String {
    let metadata = &body["metadata"];
    let blob = metadata["annotations"]["bluegreen.dev/blob"].as_str();
    let text = body["data"]["record.json"].as_str().unwrap_or_default();
    let record: Value = serde_json::from_str(text).unwrap_or_default();
    let phase = record["phase"]["name"].as_str().unwrap_or("?").replace('_', " ");
    match (metadata["labels"]["bluegreen.dev/purpose"].as_str(), blob) {
        (Some("blob"), Some(blob)) => format!("keep {blob}"),
        (Some("archive"), _) => "archive the record".to_owned(),
        _ if record["envelope"]["holder"].is_null() && phase != "done" => {
            format!("let go of the record: {phase}")
        }
        _ => format!("save the record: {phase}"),
    }
}

fn deployment(object: &str, body: &Value) -> String {
    let ends = operations(body).any(|it| {
        it["op"] == "remove" && it["path"].as_str().is_some_and(|it| it.ends_with("found"))
    });
    let sizes = operations(body).any(|it| it["path"] == "/spec/replicas");
    match (ends, sizes) {
        (true, true) => format!("revert {object}"),
        (true, false) => format!("commit {object}"),
        (false, true) => format!("deploy to {object}"),
        (false, false) => format!("stamp {object}"),
    }
}

fn autoscaler(object: &str, body: &Value) -> String {
    let disables = operations(body).any(|it| {
        it["value"]["scaleDown"]["selectPolicy"] == "Disabled" && it["path"] == "/spec/behavior"
    });
    let verb = if disables { "freeze" } else { "thaw" };
    format!("{verb} the autoscaler {object}")
}

fn writes(body: &Value, path: &str) -> bool {
    operations(body)
        .any(|it| it["op"] != "test" && it["path"].as_str().is_some_and(|it| it.starts_with(path)))
}

fn operations(body: &Value) -> impl Iterator<Item = &Value> {
    body.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(method: &str, uri: &str, body: &Value) -> Option<String> {
        name(&method.parse().unwrap(), &uri.parse().unwrap(), body.to_string().as_bytes())
    }

    #[test]
    fn what_changes_nothing_is_no_write() {
        for (method, uri) in [
            ("GET", "/api/v1/namespaces/a/pods/b/portforward?ports=8000"),
            ("PATCH", "/apis/apps/v1/namespaces/a/deployments/b?dryRun=All"),
            ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
            ("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews?"),
            ("POST", "/apis/events.k8s.io/v1/namespaces/a/events"),
            ("PUT", "/apis/coordination.k8s.io/v1/namespaces/a/leases/b"),
        ] {
            assert_eq!(of(method, uri, &Value::Null), None, "{method} {uri}");
        }
    }

    #[test]
    fn each_kind_of_write_has_its_words() {
        let record = json!({"phase": {"name": "rolling_out"}, "envelope": {"holder": "one"}});
        let record = json!({"data": {"record.json": record.to_string()}});
        let found = "/metadata/annotations/bluegreen.dev~1found";
        let (services, deployments) =
            ("/api/v1/namespaces/a/services/s", "/apis/apps/v1/namespaces/a/deployments/d");
        for (method, uri, body, wanted) in [
            ("PUT", "/api/v1/namespaces/a/configmaps/r", record, "save the record: rolling out"),
            ("PATCH", services, json!([{"op": "replace", "path": "/spec/selector"}]), "point s"),
            ("PATCH", services, json!([{"op": "test", "path": "/spec/selector"}]), "stamp s"),
            (
                "PATCH",
                deployments,
                json!([{"op": "add", "path": found}, {"op": "replace", "path": "/spec/replicas"}]),
                "deploy to d",
            ),
            ("PATCH", deployments, json!([{"op": "remove", "path": found}]), "commit d"),
            (
                "PATCH",
                deployments,
                json!([{"op": "remove", "path": found}, {"op": "test", "path": "/spec/replicas"}]),
                "revert d",
            ),
            ("PATCH", deployments, json!([]), "stamp d"),
            ("DELETE", services, Value::Null, "DELETE /api/v1/namespaces/a/services/s"),
        ] {
            assert_eq!(of(method, uri, &body).as_deref(), Some(wanted));
        }
    }
}
