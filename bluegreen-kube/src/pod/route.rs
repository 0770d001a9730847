//! The ways to a pod.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bluegreen_core::{Error, ErrorKind, Result};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::Portforwarder;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;

use super::found::Found;
use super::{PodClient, request};
use crate::error::read;
use crate::wire::Connection;

/// The way that connections to pods take.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Route {
    /// Through the API server, as `kubectl port-forward`: works from anywhere, and says nothing
    /// of the cluster's own network.
    #[default]
    PortForward,
    /// To the pod's own address: for processes inside the cluster.
    PodIp,
}

/// A connection, and what the API server has to say of it.
pub(super) struct Way {
    pub(super) connection: Connection,
    pub(super) trouble: Trouble,
    /// What to call the other end.
    pub(super) authority: String,
}

impl PodClient {
    /// Opens a connection to a pod.
    pub(super) async fn connect(&self, pod: &Found) -> Result<Way> {
        let action = self.action(&pod.name);
        let refuse = |kind, reason: String| Error::new(kind, action.clone()).with_source(reason);
        let port = self.port.or(pod.port).ok_or_else(|| {
            refuse(ErrorKind::Rejected, "it declares no TCP port, and none was given".to_owned())
        })?;
        match self.route {
            Route::PortForward => {
                let call = forward(&self.api, &pod.name, port);
                let (stream, trouble) = read(self.settings.call, &*action, call).await?;
                let connection = Connection::over(stream).await;
                let connection = connection.map_err(|error| request::failed(&action, error))?;
                Ok(Way { connection, trouble, authority: format!("localhost:{port}") })
            }
            Route::PodIp => {
                let ip = pod.ip.clone().ok_or_else(|| {
                    refuse(ErrorKind::Unavailable, "it has no address yet".to_owned())
                })?;
                let stream = tokio::time::timeout(
                    self.settings.call,
                    TcpStream::connect((ip.as_str(), port)),
                );
                let stream = stream.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
                let stream = stream.map_err(|error| {
                    refuse(ErrorKind::Unavailable, format!("connect to {ip} port {port}: {error}"))
                })?;
                // Small requests go out at once. Where that can't be set, they are a little later.
                let _ = stream.set_nodelay(true);
                let connection = Connection::over(stream).await;
                let connection = connection.map_err(|error| request::failed(&action, error))?;
                let host = if ip.contains(':') { format!("[{ip}]") } else { ip };
                let trouble = Trouble::none();
                Ok(Way { connection, trouble, authority: format!("{host}:{port}") })
            }
        }
    }
}

async fn forward(api: &Api<Pod>, name: &str, port: u16) -> kube::Result<(Forwarded, Trouble)> {
    let mut forwarder = api.portforward(name, &[port]).await?;
    let trouble = Trouble(forwarder.take_error(port).map(FutureExt::boxed));
    // There is one stream for each port that was asked for.
    let stream = forwarder
        .take_stream(port)
        .ok_or_else(|| kube::Error::Service("the API server forwards another port".into()))?;
    Ok((Forwarded { stream, forwarder }, trouble))
}

/// What the other end of a port-forward says when it cannot go on.
pub(super) struct Trouble(Option<BoxFuture<'static, Option<String>>>);

impl Trouble {
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Returns once there is trouble, with what it is. While there is none it waits.
    pub(super) async fn told(&mut self) -> String {
        if let Some(error) = &mut self.0 {
            let told = error.await;
            self.0 = None;
            if let Some(text) = told {
                return text.trim().to_owned();
            }
        }
        std::future::pending().await
    }

    /// What has been told by now.
    pub(super) fn so_far(&mut self) -> Option<String> {
        self.told().now_or_never()
    }
}

impl fmt::Debug for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trouble")
    }
}

/// A forwarded port. Its task, which would otherwise outlive it, ends with it.
struct Forwarded {
    stream: DuplexStream,
    forwarder: Portforwarder,
}

impl Drop for Forwarded {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}

impl AsyncRead for Forwarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Forwarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
