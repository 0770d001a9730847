//! Numbers that autoscalers go by: an API of external metrics whose values a test sets.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::Agent;
use crate::agent::soon;

const GROUP: &str = "external.metrics.k8s.io";
const NAME: &str = "external-metrics";

/// How long it may take until autoscalers have asked as often as they are waited for.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is said of one metric, and how often it was.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    value: i64,
    times: u64,
}

type All = BTreeMap<String, Said>;

/// An API server of external metrics, for the autoscalers of one agent. There can be one in a cluster
/// at a time: the cluster knows it by its group.
#[derive(Debug)]
pub struct ExternalMetrics {
    said: Arc<watch::Sender<All>>,
    access: crate::Access,
    _task: JoinSet<()>,
}

impl ExternalMetrics {
    /// Begins to serve, and tells the cluster of it. Metrics that nobody sets are 0.
    pub async fn of(agent: &Agent) -> Self {
        let access = agent.namespace().access().clone();
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let here = SocketAddr::new(seen_from(&access), listener.local_addr().unwrap().port());
        let said: Arc<watch::Sender<All>> = Arc::default();
        let mut task = JoinSet::new();
        task.spawn(serve(listener, acceptor(), said.clone()));
        let metrics = Self { said, access, _task: task };
        create::<Service>(
            &agent.api(),
            json!({"metadata": {"name": NAME}, "spec": {"ports": [{"port": 443}]}}),
        )
        .await;
        create::<EndpointSlice>(
            &agent.api(),
            json!({
                "metadata": {"name": NAME, "labels": {"kubernetes.io/service-name": NAME}},
                "addressType": "IPv4", "ports": [{"name": "", "port": here.port()}],
                "endpoints": [{"addresses": [here.ip()], "conditions": {"ready": true}}],
            }),
        )
        .await;
        create::<APIService>(
            &Api::all(agent.admin().clone()),
            json!({
                "metadata": {"name": format!("v1beta1.{GROUP}")},
                "spec": {
                    "group": GROUP, "version": "v1beta1", "insecureSkipTLSVerify": true,
                    "groupPriorityMinimum": 100, "versionPriority": 100,
                    "service": {"name": NAME, "namespace": agent.namespace().name()},
                },
            }),
        )
        .await;
        metrics
    }

    /// From now on a metric has this value.
    pub fn set(&self, metric: &str, value: i64) {
        self.said.send_modify(|all| all.entry(metric.to_owned()).or_default().value = value);
    }

    /// From now on all of these have this value.
    pub fn set_all(&self, metrics: &[&str], value: i64) {
        for metric in metrics {
            self.set(metric, value);
        }
    }

    /// Returns once autoscalers have asked for each of these metrics so many times more.
    pub async fn asked(&self, metrics: &[&str], times: u64) {
        let of = |all: &All, metric: &str| all.get(metric).copied().unwrap_or_default().times;
        let before: Vec<u64> = metrics.iter().map(|it| of(&self.said.borrow(), it)).collect();
        let mut said = self.said.subscribe();
        let asking = said.wait_for(|all| {
            let mut both = metrics.iter().zip(&before);
            both.all(|(metric, before)| of(all, metric) >= before + times)
        });
        let asked = tokio::time::timeout(PATIENCE, asking).await;
        assert!(asked.is_ok_and(|it| it.is_ok()), "autoscalers should ask: {:?}", self.said);
    }
}

impl Drop for ExternalMetrics {
    fn drop(&mut self) {
        // While the cluster knows of an API that nobody serves, no namespace of it goes away.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let deleting = async {
                    let all: Api<APIService> = Api::all(self.access.client());
                    let name = format!("v1beta1.{GROUP}");
                    soon("the deletion", all.delete(&name, &DeleteParams::default())).await
                };
                if let Err(error) = runtime.unwrap().block_on(deleting) {
                    eprintln!("the API of external metrics stays: {error}");
                }
            });
        });
    }
}

async fn create<K>(api: &Api<K>, object: Value)
where
    K: kube::Resource + Clone + std::fmt::Debug + DeserializeOwned + serde::Serialize,
{
    let object: K = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
}

/// The address at which the API server finds this machine.
pub(crate) fn seen_from(access: &crate::Access) -> IpAddr {
    let server = access.server();
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent: it only chooses the way.
    socket.connect(server).unwrap();
    socket.local_addr().unwrap().ip()
}

/// With the certificate of the API server: nobody looks at it.
fn acceptor() -> TlsAcceptor {
    let folder = PathBuf::from(std::env::var_os("BLUEGREEN_CLUSTER_RUN").unwrap()).join("pki");
    let certificate = CertificateDer::from_pem_file(folder.join("apiserver.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("apiserver.key")).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, said: Arc<watch::Sender<All>>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (tls, said) = (tls.clone(), said.clone());
        connections.spawn(async move {
            let Ok(stream) = tls.accept(stream).await else { return };
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer(request.uri(), &said);
                async move { Ok::<_, Infallible>(answer) }
            });
            // A connection that breaks is opened again.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// The name of the object for which KEDA asks: it names all metrics of a kind alike.
fn asked_by_keda(uri: &Uri) -> Option<&str> {
    let (_, after) = uri.query()?.split_once("labelSelector=scaledobject.keda.sh%2Fname%3D")?;
    after.split(['&', '%']).next()
}

fn answer(uri: &Uri, said: &watch::Sender<All>) -> Response<Full<Bytes>> {
    let version = format!("{GROUP}/v1beta1");
    let steps: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
    let body = match steps[..] {
        ["apis", GROUP, "v1beta1"] => json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version,
            "resources": [],
        }),
        ["apis", GROUP, "v1beta1", "namespaces", _, metric] => {
            let metric = asked_by_keda(uri).unwrap_or(metric);
            let mut value = 0;
            said.send_modify(|all| {
                let said = all.entry(metric.to_owned()).or_default();
                said.times += 1;
                value = said.value;
            });
            json!({
                "kind": "ExternalMetricValueList", "apiVersion": version, "metadata": {},
                "items": [{
                    "metricName": metric, "metricLabels": {}, "value": value.to_string(),
                    "timestamp": k8s_openapi::jiff::Timestamp::now(),
                }],
            })
        }
        _ => {
            let answer = Response::builder().status(StatusCode::NOT_FOUND);
            return answer.body(Full::default()).unwrap();
        }
    };
    Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::from(body.to_string()))
        .unwrap()
}
