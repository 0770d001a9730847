//! The support desk that `suite.yaml` is for, to try the gate on:
//! `cargo run -p gate --example support-agent -- 127.0.0.1:8081`, and with `regressed` behind it a
//! version that should not get any traffic.

use std::convert::Infallible;
use std::error::Error;
use std::io;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

mod desk;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (address, regressed) = match &arguments[..] {
        [address] => (address, false),
        [address, word] if word == "regressed" => (address, true),
        _ => return Err("usage: support-agent ADDRESS [regressed]".into()),
    };
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service_fn(move |request| answer(request, regressed));
        connections.spawn(async move {
            // That a client hung up is no failure.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(
    request: Request<Incoming>,
    regressed: bool,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = Limited::new(request.into_body(), 1 << 20).collect().await;
    let body = body
        .map_err(io::Error::other)
        .and_then(|body| serde_json::from_slice(&body.to_bytes()).map_err(io::Error::other));
    let (status, text) = match body {
        Ok(request) => (200, desk::answer(&request, regressed).to_string()),
        Err(error) => (400, error.to_string()),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    Ok(response)
}
