//! The way to the API server.

use std::error::Error;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::ConfigExt;
use kube::{Client, Config};
use tower::{BoxError, ServiceBuilder, ServiceExt};

/// A client for the cluster that the kubeconfig or the pod's service account names.
///
/// kube's own connector leaves Nagle's algorithm on, which makes each new connection wait some 40
/// milliseconds for an acknowledgement. So it is built here without.
pub(crate) async fn connect() -> Result<Client, Box<dyn Error>> {
    let config = Config::infer().await?;
    if config.proxy_url.is_some() {
        return Ok(Client::try_from(config)?);
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(config.connect_timeout);
    let https = config.rustls_https_connector_with_connector(tcp)?;
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(https);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .service(http.map_err(BoxError::from));
    Ok(Client::new(service, config.default_namespace))
}
