//! Agents on loopback.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::desk;

/// An agent; it ends with this value.
pub(crate) struct Agent {
    pub(crate) url: String,
    asked: watch::Receiver<u64>,
    task: JoinHandle<()>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Agent {
    pub(crate) async fn good() -> Self {
        Self::new(u64::MAX, |request, _| desk::answer(request, false)).await
    }

    pub(crate) async fn regressed() -> Self {
        Self::new(u64::MAX, |request, _| desk::answer(request, true)).await
    }

    /// One that does what `answer` says of the request and its authorization, and from its `most`-th
    /// answer on says nothing any more.
    pub(crate) async fn new(
        most: u64,
        answer: impl Fn(&Value, &str) -> Value + Send + Sync + 'static,
    ) -> Self {
        Self::of("support desk", most, answer).await
    }

    /// The same, for a suite of this name.
    pub(crate) async fn of(
        suite: &'static str,
        most: u64,
        answer: impl Fn(&Value, &str) -> Value + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (count, asked) = watch::channel(0);
        let (count, answer) = (Arc::new(count), Arc::new(answer));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let (count, answer) = (count.clone(), answer.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (count, answer) = (count.clone(), answer.clone());
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let mut number = 0;
                        count.send_modify(|count| {
                            *count += 1;
                            number = *count;
                        });
                        if number > most {
                            std::future::pending::<()>().await;
                        }
                        assert_eq!(head.uri.path(), "/v1/chat/completions");
                        assert_eq!(head.headers["x-bluegreen-validation"], suite);
                        let key = head.headers.get("authorization");
                        let key = key.map_or("", |key| key.to_str().unwrap());
                        let body: Value = serde_json::from_slice(&body).unwrap();
                        let answer = answer(&body, key).to_string();
                        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(answer))))
                    }
                });
                connections.spawn(async move {
                    let builder = hyper::server::conn::http1::Builder::new();
                    // That a client hung up is no failure.
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { url, asked, task }
    }

    /// Returns once it was asked so often.
    pub(crate) async fn asked(&self, times: u64) {
        let mut asked = self.asked.clone();
        let waited = asked.wait_for(|asked| *asked >= times);
        tokio::time::timeout(Duration::from_mins(1), waited).await.unwrap().unwrap();
    }

    pub(crate) fn times_asked(&self) -> u64 {
        *self.asked.borrow()
    }
}
