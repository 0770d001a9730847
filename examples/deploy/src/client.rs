//! The way to the API server.

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{AuthError, ConfigExt};
use kube::{Client, Config};
use tower::{BoxError, ServiceBuilder, ServiceExt};

use crate::Failure;

/// A client for the cluster that the kubeconfig or the pod's service account names.
///
/// kube's own connector leaves Nagle's algorithm on, which makes each new connection wait some 40
/// milliseconds for an acknowledgement. So it is built here without.
pub(crate) async fn connect() -> Result<Client, Failure> {
    let config = Config::infer().await.map_err(|error| fail("find a cluster", &error))?;
    if config.proxy_url.is_some() {
        return Client::try_from(config).map_err(|error| fail("use the proxy", &error));
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(config.connect_timeout);
    let https = config
        .rustls_https_connector_with_connector(tcp)
        .map_err(|error| fail("set up TLS", &error))?;
    let headers = config.extra_headers_layer().map_err(|error| fail("read the headers", &error))?;
    let auth = config.auth_layer().map_err(|error| credentials(&error))?;
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(https);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .layer(headers)
        .option_layer(auth)
        .service(http.map_err(BoxError::from));
    Ok(Client::new(service, config.default_namespace))
}

/// The output of a credential plugin is left out: it is what would have been the credentials.
fn credentials(error: &kube::Error) -> Failure {
    let said = match error {
        kube::Error::Auth(AuthError::AuthExecRun { out, .. }) => {
            format!("the plugin failed with {}", out.status)
        }
        kube::Error::Auth(AuthError::AuthExecParse(_)) => "the plugin said no credentials".into(),
        error => return fail("read the credentials", error),
    };
    Failure::Error(format!("failed to read the credentials: {said}"))
}

fn fail(action: &str, error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::Error(format!("failed to {action}: {}", bluegreen_core::chain(error)))
}
