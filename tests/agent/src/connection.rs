//! One connection, which ends when the agent does, or when it is asked to let its clients go.

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper::{Request, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::routes;
use crate::state::State;

/// What all connections are told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Orders {
    /// How often clients were let go.
    pub(crate) let_go: u64,
    /// The agent ends.
    pub(crate) end: bool,
}

/// Spawns on the agent's one thread.
#[derive(Clone, Copy, Debug)]
struct Here;

impl<F: Future<Output = ()> + 'static> Executor<F> for Here {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

/// Serves HTTP/1.1 and HTTP/2 without TLS until one of the two ends hangs up.
///
/// A connection on which clients are let go ends without losing a request: in HTTP/1.1 the next
/// answer says so, and in HTTP/2 a `GOAWAY` names the last request that will be answered. One that
/// is made later is as usual.
pub(crate) async fn serve(
    stream: TcpStream,
    state: Rc<State>,
    mut orders: watch::Receiver<Orders>,
) {
    let born = orders.borrow_and_update().let_go;
    let is_second = Rc::new(Cell::new(false));
    let (now, second) = (orders.clone(), Rc::clone(&is_second));
    let service = service_fn(move |request: Request<Incoming>| {
        let (state, now, second) = (Rc::clone(&state), now.clone(), Rc::clone(&second));
        async move {
            second.set(request.version() == Version::HTTP_2);
            let mut answer = routes::answer(&state, request).await;
            if now.borrow().let_go != born && !second.get() {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let mut builder = Builder::new(Here);
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    loop {
        tokio::select! {
            // An error here is a client that went away in the middle.
            _ = connection.as_mut() => return,
            Ok(()) = orders.changed() => {
                let now = *orders.borrow();
                if now.end || (is_second.get() && now.let_go != born) {
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}
