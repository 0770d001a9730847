//! Pods that mean no good: what they send takes no more than its reader allows, and leads nowhere.

use std::future::Future;
use std::sync::atomic::AtomicU64;

use futures_util::FutureExt as _;

use super::*;

/// Longer than anything here takes that ends by itself.
const PATIENCE: Duration = Duration::from_secs(20);
/// More than is ever read of a head, with what lies in the buffers of a connection.
const FAR_TOO_MUCH: u64 = 32 << 20;

/// A pod that does with each connection, once it has read the request, whatever `answer` does.
struct Hostile {
    client: PodClient,
    _task: JoinSet<()>,
}

impl Hostile {
    async fn start<A>(answer: impl Fn(TcpStream) -> A + Send + 'static) -> Self
    where
        A: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                connections.spawn(answer(stream));
            }
        });
        let api = listing(vec![pod("green-1", port, true)]);
        let client = PodClient::new(api, Settings::new("agent", "ns"), "slot=green");
        Self { client: client.with_route(Route::PodIp), _task: task }
    }

    /// One that says `head` and then `piece` for as long as somebody listens. Counts what it sent.
    async fn endless(head: &'static str, piece: &'static str) -> (Self, Arc<AtomicU64>) {
        let sent = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&sent);
        let pieces = piece.repeat(16 * 1024 / piece.len());
        let hostile = Self::start(move |mut stream| {
            let (count, pieces) = (Arc::clone(&count), pieces.clone());
            async move {
                let mut done = stream.write_all(head.as_bytes()).await;
                while done.is_ok() {
                    done = stream.write_all(pieces.as_bytes()).await;
                    count.fetch_add(pieces.len() as u64, Ordering::Relaxed);
                }
            }
        })
        .await;
        (hostile, sent)
    }

    async fn send(&self) -> Result<Response<AnswerBody>> {
        let to = green_1();
        let answer = self.client.send(&to, get("/"));
        tokio::time::timeout(PATIENCE, answer).await.expect("it has to end")
    }

    async fn read(&self, limit: usize) -> Result<Bytes> {
        let body = self.send().await?.into_body().collect(limit);
        tokio::time::timeout(PATIENCE, body).await.expect("it has to end")
    }
}

#[tokio::test]
async fn a_body_without_end_is_read_no_further_than_its_reader_wants() {
    let (hostile, sent) =
        Hostile::endless("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", "hello ").await;
    let error = hostile.read(100_000).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.chain().contains("longer than 100000 bytes"), "{}", error.chain());
    assert!(sent.load(Ordering::Relaxed) < FAR_TOO_MUCH);
}

#[tokio::test]
async fn a_head_without_end_is_given_up() {
    for (head, piece) in [
        ("HTTP/1.1 200 OK\r\n", "x-more: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"),
        ("HTTP/1.1 200 OK\r\nx-long: ", "xxxxxxxxxxxxxxxx"),
        ("HTTP/1.1 200 ", "OK OK OK "),
        ("", "SSH-2.0-OpenSSH_9.9 "),
    ] {
        let (hostile, sent) = Hostile::endless(head, piece).await;
        let error = hostile.send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unknown, "{}", error.chain());
        assert!(error.chain().len() < 500, "{}", error.chain());
        assert!(sent.load(Ordering::Relaxed) < FAR_TOO_MUCH, "{head}");
    }
}

#[tokio::test]
async fn what_stands_around_the_pieces_of_a_body_is_bounded_too() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let cases: [(&'static str, &str); 3] =
        [("2;", "extension;"), ("0\r\n", "x-trailer: xxxxxxxxxxxxxxxxxxxxxxx\r\n"), ("", "1")];
    for (begins, piece) in cases {
        let head: &'static str = Box::leak(format!("{chunked}{begins}").into_boxed_str());
        let piece: &'static str = Box::leak(piece.to_owned().into_boxed_str());
        let (hostile, sent) = Hostile::endless(head, piece).await;
        hostile.read(100_000).await.unwrap_err();
        assert!(sent.load(Ordering::Relaxed) < FAR_TOO_MUCH, "{begins:?}");
    }
}

/// A request carries no deadline of its own: whoever waits for it drops it, and the connection with it.
#[tokio::test]
async fn an_answer_that_drips_costs_no_longer_than_its_reader_waits() {
    for (begun, drip) in
        [("", "HTTP/1.1 100 Continue\r\n\r\n"), ("HTTP/1.1 200 OK\r\nx-slow: ", "x")]
    {
        let gone = Arc::new(tokio::sync::Notify::new());
        let told = Arc::clone(&gone);
        let hostile = Hostile::start(move |mut stream| {
            let told = Arc::clone(&told);
            async move {
                let mut pause = tokio::time::interval(Duration::from_millis(5));
                stream.write_all(begun.as_bytes()).await.unwrap();
                while stream.write_all(drip.as_bytes()).await.is_ok() {
                    pause.tick().await;
                }
                told.notify_one();
            }
        })
        .await;
        let to = green_1();
        let answer = hostile.client.send(&to, get("/"));
        let answer = tokio::time::timeout(Duration::from_millis(100), answer).await;
        assert!(answer.is_err(), "{answer:?}");
        tokio::time::timeout(PATIENCE, gone.notified()).await.expect("the connection is closed");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = elsewhere.local_addr().unwrap();
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let answer = format!(
            "HTTP/1.1 {status}\r\nlocation: http://{address}/\r\nrefresh: 0; url=http://{address}\r\n\
             content-length: 0\r\n\r\n"
        );
        let hostile = Hostile::start(move |mut stream| {
            let answer = answer.clone();
            async move { stream.write_all(answer.as_bytes()).await.unwrap() }
        })
        .await;
        let answer = hostile.send().await.unwrap();
        assert!(answer.status().is_redirection());
        assert!(answer.into_body().collect(10).await.unwrap().is_empty());
    }
    assert!(elsewhere.accept().now_or_never().is_none(), "nobody went there");
}

#[tokio::test]
async fn bytes_that_are_no_text_arrive_as_they_are() {
    let hostile = Hostile::start(|mut stream| async move {
        let answer =
            b"HTTP/1.1 200 \xff\xfe\r\nx-bytes: a\xff\r\ncontent-length: 2\r\n\r\n\xff\x00";
        stream.write_all(answer).await.unwrap();
    })
    .await;
    let answer = hostile.send().await.unwrap();
    assert_eq!(answer.headers()["x-bytes"].as_bytes(), b"a\xff");
    assert_eq!(answer.into_body().collect(10).await.unwrap(), &b"\xff\x00"[..]);
}
