//! Secrets on a real cluster: what the program that people run says, and what it leaves behind.

use std::ffi::OsStr;
use std::path::PathBuf;

use bluegreen_tests::{ACCOUNT, Access, Agent, Manifests, SERVICE, example, image};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::process::Command;

const LITERAL: &str = "planted-literal-81aa";
const CHANGED: &str = "planted-changed-22f0";
const REFERRED: &str = "planted-referred-c93e";
const BEARER: &str = "planted-bearer-5d17";

/// The program and what it needs, in a folder that goes with this value.
struct Program {
    file: PathBuf,
    folder: PathBuf,
    namespace: String,
    /// Everything that it has said.
    said: Vec<(String, String)>,
}

impl Program {
    async fn new(agent: &Agent, token: &str) -> Self {
        let file = example("deploy").await;
        let namespace = agent.namespace().name().to_owned();
        let folder = std::env::temp_dir().join(format!("bluegreen-{namespace}"));
        std::fs::create_dir(&folder).unwrap();
        let kubeconfig = Access::kubeconfig(token);
        std::fs::write(folder.join("kubeconfig"), kubeconfig.to_string()).unwrap();
        Self { file, folder, namespace, said: Vec::new() }
    }

    /// Runs it, and keeps what it says. Whether it succeeded.
    async fn run<S: AsRef<OsStr>>(&mut self, arguments: impl IntoIterator<Item = S>) -> bool {
        let mut command = Command::new(&self.file);
        command.args(arguments).args(["--namespace", &self.namespace, "--service", SERVICE]);
        command.env("KUBECONFIG", self.folder.join("kubeconfig")).env("SMOKE_KEY", BEARER);
        let done = command.kill_on_drop(true).output();
        let done = tokio::time::timeout(std::time::Duration::from_mins(3), done).await;
        let done = done.expect("it ends").unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (output, error) = (text(&done.stdout), text(&done.stderr));
        let succeeds = done.status.success();
        self.said
            .push((format!("{:?} on standard output", command.as_std().get_args().next()), output));
        self.said
            .push((format!("{:?} on standard error", command.as_std().get_args().next()), error));
        succeeds
    }

    /// A file with a smoke test of one request that carries a secret, and wants this of the answer.
    fn smoke(&self, expect: &Value) -> String {
        let request = json!({
            "method": "POST", "path": "/chat", "headers": {"authorization": {"env": "SMOKE_KEY"}},
            "body": {"text": format!("I say that it is {BEARER}")}, "expect": expect,
        });
        let file = self.folder.join("smoke.json");
        std::fs::write(&file, json!({"requests": [request]}).to_string()).unwrap();
        file.display().to_string()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// An agent whose slots have a literal in their environment, and a Secret.
fn manifests() -> Manifests {
    let mut manifests = Manifests::shipped().sized(1, 0);
    manifests.object("Secret", "agent-secrets")["stringData"]["openai-api-key"] = REFERRED.into();
    for name in ["agent-blue", "agent-green"] {
        let deployment = manifests.object("Deployment", name);
        let env = &mut deployment["spec"]["template"]["spec"]["containers"][0]["env"];
        env.as_array_mut().unwrap().push(json!({"name": "PASSWORD", "value": LITERAL}));
    }
    manifests
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_said_or_left_behind() {
    let agent = Agent::of(manifests()).await;
    let token = agent.namespace().access().token(agent.namespace().name(), ACCOUNT).await;
    let mut program = Program::new(&agent, &token).await;
    let changed = format!("API_KEY={CHANGED}");
    let quick = ["--bake", "1s", "--quiet", "1s", "--max-drain", "5s", "--env", changed.as_str()];

    let good = program.smoke(&json!({"status": 200}));
    for output in ["text", "json"] {
        let tag = if output == "text" { "1.3.0" } else { "1.4.0" };
        let image = image(tag);
        let what = ["deploy", "--output", output, "--image", &image, "--smoke-file", &good];
        assert!(program.run(what.iter().chain(&quick)).await, "{:?}", program.said);
    }
    let bad = program.smoke(&json!({"body": {"lacks": "say"}, "json": {"/reply": "nothing"}}));
    for output in ["text", "json"] {
        let image = image("1.3.0");
        let what = ["deploy", "--output", output, "--image", &image, "--smoke-file", &bad];
        assert!(!program.run(what.iter().chain(&quick)).await, "the gate refuses it");
        for operation in ["status", "history"] {
            assert!(program.run([operation, "--output", output]).await);
        }
        // No such image: refused before anything is touched, or by the rollout.
        let what = ["plan", "--output", output, "--image", "Not An Image"];
        program.run(what.iter().chain(&quick)).await;
    }
    let findings = program.said.iter().filter(|(_, text)| text.contains("***")).count();
    assert!(findings >= 2, "the agent repeats what it hears: {:#?}", program.said);

    let mut all = std::mem::take(&mut program.said);
    list::<ConfigMap>(&agent, &mut all).await;
    list::<Lease>(&agent, &mut all).await;
    list::<Service>(&agent, &mut all).await;
    let events = all.len();
    list::<Event>(&agent, &mut all).await;
    assert!(all.len() > events + 5, "there are Events");
    for (what, text) in &all {
        for secret in [LITERAL, CHANGED, REFERRED, BEARER, &token] {
            assert!(!text.contains(secret), "{secret} in {what}: {text}");
        }
    }
}

async fn list<K>(agent: &Agent, all: &mut Vec<(String, String)>)
where
    K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Serialize,
{
    for object in agent.api::<K>().list(&ListParams::default()).await.unwrap() {
        all.push((K::kind(&()).into_owned(), serde_json::to_string(&object).unwrap()));
    }
}
