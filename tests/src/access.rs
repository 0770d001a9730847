//! The way to the API server of the test cluster.

use std::net::SocketAddr;
use std::path::PathBuf;

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::client::{Body, ConfigExt as _};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt as _};

/// The variable with the folder of the running cluster, as `tests/cluster/with` sets it.
const RUN: &str = "BLUEGREEN_CLUSTER_RUN";

/// What carries requests to the API server.
pub type Carrier = BoxCloneSyncService<Request<Body>, Response<Incoming>, BoxError>;

/// The way to the API server of the test cluster, as its administrator or as somebody else.
#[derive(Clone, Debug)]
pub struct Access {
    config: Config,
}

impl Access {
    /// As the administrator of the cluster that `tests/cluster/with` gives.
    ///
    /// `KUBECONFIG` alone is not enough: it may be that of a cluster that somebody works with.
    pub async fn admin() -> Self {
        let kubeconfig = Kubeconfig::read_from(Self::path()).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
        Self { config }
    }

    fn path() -> PathBuf {
        let Some(run) = std::env::var_os(RUN) else {
            panic!("{RUN} is not set: `tests/cluster/with -- …` gives a cluster to a command");
        };
        PathBuf::from(run).join("kubeconfig")
    }

    /// Where the API server is.
    pub fn server(&self) -> SocketAddr {
        let uri = &self.config.cluster_url;
        let host = uri.host().unwrap().parse().unwrap();
        SocketAddr::new(host, uri.port_u16().unwrap_or(443))
    }

    /// Through whatever listens at this address of the machine, without any credentials.
    pub fn through(address: SocketAddr) -> Self {
        let uri: Uri = format!("http://{address}").parse().unwrap();
        Self { config: Config::new(uri) }
    }

    /// As a service account, with nothing but its rights.
    pub async fn account(&self, namespace: &str, name: &str) -> Self {
        let token = self.token(namespace, name).await;
        let mut config = self.config.clone();
        config.auth_info = serde_json::from_value(json!({"token": token})).unwrap();
        Self { config }
    }

    /// The kubeconfig of the test cluster for whoever has this token, and for nobody else.
    pub fn kubeconfig(token: &str) -> Value {
        let text = std::fs::read_to_string(Self::path()).unwrap();
        let mut kubeconfig: Value = serde_saphyr::from_str(&text).unwrap();
        kubeconfig["users"][0]["user"] = json!({"token": token});
        kubeconfig
    }

    /// A token of a service account.
    pub async fn token(&self, namespace: &str, name: &str) -> String {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), namespace);
        let spec =
            TokenRequestSpec { expiration_seconds: Some(3600), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        let given = accounts.create_token_request(name, &PostParams::default(), &request).await;
        given.unwrap().status.unwrap().token.unwrap()
    }

    /// A client with connections of its own.
    ///
    /// kube's own connector leaves Nagle's algorithm on, which makes each new connection wait some
    /// 40 milliseconds for an acknowledgement.
    pub fn client(&self) -> Client {
        Client::new(self.carrier(), self.config.default_namespace.clone())
    }

    /// What such a client sends its requests with.
    pub fn carrier(&self) -> Carrier {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let https = self.config.rustls_https_connector_with_connector(tcp).unwrap();
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(https);
        let service = ServiceBuilder::new()
            .layer(self.config.base_uri_layer())
            .option_layer(self.config.auth_layer().unwrap())
            .service(http.map_err(BoxError::from));
        BoxCloneSyncService::new(service)
    }
}
