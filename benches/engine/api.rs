//! The measuring side's own connection to the API server, independent of retune's.

use std::path::Path;
use std::time::Instant;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::sync::mpsc::UnboundedReceiver;

/// A client with the identity of that kubeconfig.
pub(crate) async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("our own kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("a usable kubeconfig");
    Client::try_from(config).expect("a client")
}

/// A ConfigMap's `value` as a watch saw it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) name: String,
    pub(crate) value: Option<String>,
}

/// Watches the ConfigMaps of a namespace from now on; each event is stamped when it arrives.
pub(crate) async fn watch_maps(client: &Client, namespace: &str) -> UnboundedReceiver<Seen> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let version = api
        .list_metadata(&kube::api::ListParams::default().limit(1))
        .await
        .expect("a list")
        .metadata
        .resource_version;
    let params = WatchParams::default().timeout(290);
    let mut stream =
        api.watch(&params, &version.expect("lists have a version")).await.expect("a watch").boxed();
    let (send, receive) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok(Some(event)) = stream.try_next().await {
            let at = Instant::now();
            let (map, gone) = match event {
                WatchEvent::Added(map) | WatchEvent::Modified(map) => (map, false),
                WatchEvent::Deleted(map) => (map, true),
                WatchEvent::Bookmark(_) | WatchEvent::Error(_) => continue,
            };
            let value = if gone { None } else { map.data.and_then(|mut data| data.remove("value")) };
            if send.send(Seen { at, name: map.metadata.name.unwrap_or_default(), value }).is_err() {
                break;
            }
        }
    });
    receive
}

/// Changes a ConfigMap's `value` as another manager would; gives the moment of the response.
pub(crate) async fn intrude(client: &Client, namespace: &str, name: &str, value: &str) -> Instant {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let patch = serde_json::json!({"data": {"value": value}});
    let params = PatchParams { field_manager: Some("intruder".into()), ..PatchParams::default() };
    api.patch(name, &params, &Patch::Merge(&patch)).await.expect("the intruder may write");
    Instant::now()
}

/// A runtime for one measurement.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}
