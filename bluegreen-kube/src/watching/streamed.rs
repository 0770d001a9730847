//! What there is and what comes after it, by one request.

use std::fmt::Debug;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use kube::api::{WatchEvent, WatchParams};
use kube::runtime::watcher::{self, Config, Event, ListSemantic, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

type Events<K> = BoxStream<'static, watcher::Result<Event<K>>>;

/// What the server is asked to end a watch after, in seconds.
pub(super) const LASTS: u32 = 290;
/// A connection on which nothing has come for this long is dead: the server should have ended it.
const SILENCE: Duration = Duration::from_secs(LASTS as u64 + 5);
/// The mark of the bookmark after the objects that there are.
pub(super) const COMPLETE: &str = "k8s.io/initial-events-end";

/// A streaming list, and the usual list and watch once it ends, or where the server has none.
///
/// The watcher of `kube` can ask for streaming lists too, but only from any state that the server
/// still has in its cache. A wait that begins right after a write would then see how it was before.
pub(super) fn events<K>(api: Api<K>, config: Config) -> Events<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let first = State::Begin(Box::new((api.clone(), config.clone())));
    stream::unfold(first, step).filter_map(std::future::ready).chain(watcher(api, config)).boxed()
}

enum State<K> {
    Begin(Box<(Api<K>, Config)>),
    Listing(BoxStream<'static, kube::Result<WatchEvent<K>>>),
    Watching(BoxStream<'static, kube::Result<WatchEvent<K>>>),
    End,
}

async fn step<K>(state: State<K>) -> Option<(Option<watcher::Result<Event<K>>>, State<K>)>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let (mut source, is_listing) = match state {
        State::Begin(wanted) => return Some(begin(&wanted.0, &wanted.1).await),
        State::Listing(source) => (source, true),
        State::Watching(source) => (source, false),
        State::End => return None,
    };
    let Ok(Some(next)) = tokio::time::timeout(SILENCE, source.next()).await else {
        return None;
    };
    let event = match next {
        Ok(WatchEvent::Bookmark(mark)) if is_listing => {
            if !mark.metadata.annotations.contains_key(COMPLETE) {
                return Some((None, State::Listing(source)));
            }
            return Some((Some(Ok(Event::InitDone)), State::Watching(source)));
        }
        Ok(WatchEvent::Bookmark(_)) => None,
        Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) if is_listing => {
            Some(Ok(Event::InitApply(object)))
        }
        Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
            Some(Ok(Event::Apply(object)))
        }
        Ok(WatchEvent::Deleted(object)) => Some(Ok(Event::Delete(object))),
        Ok(WatchEvent::Error(status)) => {
            return Some((Some(Err(watcher::Error::WatchError(status.boxed()))), State::End));
        }
        Err(error) => return Some((Some(Err(watcher::Error::WatchFailed(error))), State::End)),
    };
    Some((event, if is_listing { State::Listing(source) } else { State::Watching(source) }))
}

async fn begin<K>(api: &Api<K>, config: &Config) -> (Option<watcher::Result<Event<K>>>, State<K>)
where
    K: Clone + Debug + DeserializeOwned + Send + 'static,
{
    let params = WatchParams {
        label_selector: config.label_selector.clone(),
        field_selector: config.field_selector.clone(),
        timeout: Some(LASTS),
        bookmarks: true,
        send_initial_events: true,
    };
    let version = match config.list_semantic {
        ListSemantic::Any => "0",
        ListSemantic::MostRecent => "",
    };
    match api.watch(&params, version).await {
        Ok(source) => (Some(Ok(Event::Init)), State::Listing(source.boxed())),
        // What a server says that has no streaming lists, or that has them switched off.
        Err(kube::Error::Api(status)) if status.code == 422 => (None, State::End),
        Err(error) => (Some(Err(watcher::Error::WatchStartFailed(error))), State::End),
    }
}
