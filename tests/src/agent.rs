//! An agent of two slots in a namespace of its own.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bluegreen_core::Color;
use bluegreen_kube::{Cluster, ClusterBuilder};
use http::Method;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::ListParams;
use kube::runtime::wait::await_condition;
use kube::{Api, Client, ResourceExt as _};

use crate::{Access, Manifests, Namespace, ask};

/// The route between the slots, where there is one.
pub const ROUTE: &str = "agent";
/// The Ingress that leads to it.
pub const INGRESS: &str = "agent";
/// The live Service of the agent.
pub const SERVICE: &str = "agent-service";
/// The service account that has the Role that we ship.
pub const ACCOUNT: &str = "bluegreen";
/// How long anything on the cluster may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// The value of something that has to end.
pub(crate) async fn soon<T>(what: &str, waiting: impl Future<Output = T>) -> T {
    // On the heap: some of what is waited for is large.
    let ended = tokio::time::timeout(PATIENCE, Box::pin(waiting)).await;
    ended.unwrap_or_else(|_| panic!("{what} did not come within {PATIENCE:?}"))
}

/// An agent as our users set it up: two Deployments, the live Service, our Role.
pub struct Agent {
    namespace: Namespace,
    account: Access,
    admin: Client,
    address: SocketAddr,
}

impl Agent {
    /// An agent with two pods of version 1.2.0 in blue, which has the traffic.
    pub async fn new() -> Self {
        Self::of(Manifests::shipped().sized(2, 0)).await
    }

    /// An agent of these manifests, with all its pods ready and its live Service answering.
    pub async fn of(manifests: Manifests) -> Self {
        // On the heap, because tests embed this in futures of their own.
        Box::pin(Self::make(manifests)).await
    }

    async fn make(manifests: Manifests) -> Self {
        let namespace = Namespace::new().await;
        let admin = namespace.access().client();
        manifests.apply(&admin, namespace.name()).await;
        let account = namespace.access().account(namespace.name(), ACCOUNT).await;
        let services: Api<Service> = Api::namespaced(admin.clone(), namespace.name());
        let spec = services.get(SERVICE).await.unwrap().spec.unwrap();
        let port = u16::try_from(spec.ports.unwrap()[0].port).unwrap();
        let ip: IpAddr = spec.cluster_ip.unwrap().parse().unwrap();
        let agent = Self { namespace, account, admin, address: SocketAddr::new(ip, port) };
        agent.all_settled().await;
        if let Some(live) = agent.live().await
            && !agent.pods(live).await.is_empty()
        {
            agent.reached().await;
        }
        agent
    }

    /// Returns once the live Service answers: kube-proxy hears of a new one up to a second after
    /// its pods are ready, and until then refuses connections.
    async fn reached(&self) {
        let answering = async {
            while ask(self.address, Method::GET, "/").await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        soon("an answer of the live Service", answering).await;
    }

    /// Returns once all pods that there should be are available, and no others are there.
    pub async fn all_settled(&self) {
        for made in self.api::<Deployment>().list(&ListParams::default()).await.unwrap() {
            self.settled(&made.name_any()).await;
        }
    }

    /// Returns once all pods of a Deployment that there should be are available.
    async fn settled(&self, name: &str) {
        let is_settled = |found: Option<&Deployment>| {
            let wanted = found.and_then(|it| it.spec.replicas);
            let status = found.and_then(|it| it.status.as_ref());
            let counts = status.map(|it| {
                (it.available_replicas.unwrap_or_default(), it.replicas.unwrap_or_default())
            });
            wanted.is_some_and(|wanted| counts == Some((wanted, wanted)))
        };
        let waiting = Box::pin(await_condition(self.api(), name, is_settled));
        soon("all pods of a slot", waiting).await.unwrap();
    }

    /// The namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// A client of the administrator's.
    pub fn admin(&self) -> &Client {
        &self.admin
    }

    /// The objects of one kind, as the administrator.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.admin.clone(), self.namespace.name())
    }

    /// The address of the live Service.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The way to the cluster with the Role that we ship.
    pub fn account(&self) -> &Access {
        &self.account
    }

    /// A client with the Role that we ship, and connections of its own.
    pub fn client(&self) -> Client {
        self.account.client()
    }

    /// What a process of this name would connect with, with the Role that we ship.
    pub fn builder(&self, holder: &str) -> ClusterBuilder {
        Cluster::builder(self.client(), self.namespace.name(), SERVICE).holder(holder)
    }

    /// The agent as a process of this name sees it, with the Role that we ship.
    pub async fn cluster(&self, holder: &str) -> Cluster {
        self.builder(holder).connect().await.unwrap()
    }

    /// The pods of a slot that are not ending.
    pub async fn pods(&self, color: Color) -> Vec<Pod> {
        let params = ListParams::default().labels(&format!("app={SERVICE},slot={color}"));
        let mut pods = self.api::<Pod>().list(&params).await.unwrap().items;
        pods.retain(|pod| pod.metadata.deletion_timestamp.is_none());
        pods
    }

    /// Asserts that a slot was given up. A controller ends its pods some time after their number
    /// was written, so this waits for what was written to become true.
    pub async fn is_retired(&self, color: Color) {
        self.settled(&format!("agent-{color}")).await;
        assert_eq!(self.pods(color).await.len(), 0, "the pods of {color}");
    }

    /// Ends the process in a pod, as a crash does.
    pub async fn crash(&self, pod: &Pod) {
        let ip = pod.status.as_ref().and_then(|status| status.pod_ip.as_ref()).unwrap();
        let address = SocketAddr::new(ip.parse().unwrap(), 8000);
        let answer = ask(address, Method::POST, "/admin/exit?code=1").await.unwrap();
        assert!(answer.status().is_success(), "the agent should exit: {answer:?}");
    }

    /// The slot that the live Service selects.
    pub async fn live(&self) -> Option<Color> {
        let service = self.api::<Service>().get(SERVICE).await.unwrap();
        let selector = service.spec.and_then(|spec| spec.selector).unwrap_or_default();
        selector.get("slot").and_then(|slot| Color::parse(slot))
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
