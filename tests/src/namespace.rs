//! A namespace for one test.

use k8s_openapi::api::core::v1::{Namespace as Object, ServiceAccount};
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::runtime::wait::await_condition;
use kube::{Api, ResourceExt as _};

use crate::Access;
use crate::agent::soon;

/// A namespace that is deleted when this is dropped, with everything in it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    access: Access,
}

impl Namespace {
    /// A new one, in which pods can be made.
    pub async fn new() -> Self {
        let access = Access::admin().await;
        let client = access.client();
        let metadata =
            ObjectMeta { generate_name: Some("test-".to_owned()), ..ObjectMeta::default() };
        let wanted = Object { metadata, ..Object::default() };
        let made = Api::all(client.clone()).create(&PostParams::default(), &wanted).await;
        let namespace = Self { name: made.unwrap().name_any(), access };
        // Before it has this account, no pod can be made.
        let accounts: Api<ServiceAccount> = Api::namespaced(client, namespace.name());
        let is_there = |account: Option<&ServiceAccount>| account.is_some();
        let waiting = await_condition(accounts, "default", is_there);
        soon("the default service account", waiting).await.unwrap();
        namespace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The administrator's way to the cluster.
    pub fn access(&self) -> &Access {
        &self.access
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The runtime of the test may be on its way out, and must not be blocked.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let deleting = async {
                    let all: Api<Object> = Api::all(self.access.client());
                    soon("the deletion", all.delete(&self.name, &DeleteParams::background())).await
                };
                if let Err(error) = runtime.unwrap().block_on(deleting) {
                    eprintln!("namespace {} stays: {error}", self.name);
                }
            });
        });
    }
}
