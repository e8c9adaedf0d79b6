//! Reading every input once, with the rights of whoever asks: for `diff`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Store, read};
use crate::cloud::inputs::InputSource;
use crate::cluster::client::Client;
use crate::cluster::discovery::Discovery;
use crate::cluster::error::{ApiError, ErrorKind};
use crate::cluster::watch::{self, Digest};

/// Reads them into a store. What may not be read counts as missing, with that reason.
///
/// # Errors
/// When the server does not answer.
pub(in crate::sync) async fn fetch(
    client: &Client,
    discovery: &Discovery,
    sources: &BTreeSet<InputSource>,
    store: &Store,
) -> Result<(), ApiError> {
    for source in sources {
        let found = match one(client, discovery, source).await {
            Ok(found) => found,
            Err(error) if error.kind == ErrorKind::Denied => Err(format!("may not be read: {error}")),
            Err(error) => return Err(error),
        };
        store.set(source, found);
    }
    Ok(())
}

type Found = Result<crate::cloud::inputs::Hidden, String>;

async fn one(client: &Client, discovery: &Discovery, source: &InputSource) -> Result<Found, ApiError> {
    if let InputSource::Nodes { selector, value } = source {
        let Some(resource) = discovery.preferred("", "Node") else { return Ok(Err(read::ABSENT.into())) };
        let digest: Digest<Option<String>> = watches_digest();
        let listed = watch::list_whole(client, resource, selector, &digest).await?;
        let nodes = listed.into_iter().map(|(meta, address)| (meta.name, address.flatten())).collect();
        return Ok(read::nodes(*value, &nodes));
    }
    let Some((kind, namespace, name)) = read::object(source) else { return Ok(Err(read::ABSENT.into())) };
    let Some(resource) = discovery.preferred("", kind) else { return Ok(Err(read::ABSENT.into())) };
    let object: Option<Value> = client.get_opt(&resource.object(namespace, name)).await?;
    Ok(object.map_or_else(|| Err(read::ABSENT.to_owned()), |object| read::value(source, &object)))
}

fn watches_digest() -> Digest<Option<String>> {
    std::sync::Arc::new(|object| {
        serde_json::from_str(object.get()).ok().map(|node: Value| read::address(&node))
    })
}
