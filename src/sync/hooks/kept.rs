//! Delete hooks in the inventory: once Git has an app no more, its texts are gone with it.
//!
//! They are kept compressed and sealed with a key derived from the per-cloud key, because a hook may be a Secret or
//! carry one in its environment, and who may read inventories may not be one who may read Secrets.

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cloud::{Hook, HookDeletePolicy, HookEvent, Interner, Object, Origin};
use crate::ledger::seal::Seal;

/// The largest sealed text; an object of the API server holds 1.5 MiB.
const MAX_SEALED: usize = 512 << 10;
/// The largest text that is unpacked.
const MAX_TEXT: usize = 8 << 20;

#[derive(Serialize, Deserialize)]
struct Kept {
    events: Vec<HookEvent>,
    weight: i64,
    policies: Vec<HookDeletePolicy>,
    namespace: Option<String>,
    origin: String,
    object: Value,
}

/// The hooks as the inventory keeps them; `None` when they are too large.
pub(super) fn seal(hooks: &[Hook], key: &[u8; 32]) -> Option<String> {
    let kept: Vec<Kept> = hooks
        .iter()
        .map(|h| Kept {
            events: h.events.clone(),
            weight: h.weight,
            policies: h.delete_policies.clone(),
            namespace: h.object.id.namespace.as_deref().map(str::to_owned),
            origin: h.object.origin.file.to_string(),
            object: h.object.json(),
        })
        .collect();
    let text = serde_json::to_vec(&kept).ok()?;
    let packed = zstd::bulk::compress(&text, 3).ok()?;
    let sealed = Seal::of_inventory(key)?.seal(&packed)?;
    let text = base64::engine::general_purpose::STANDARD.encode(sealed);
    (text.len() <= MAX_SEALED).then_some(text)
}

/// Reads [`seal`]; `None` when the text is not whole, or was sealed with another key.
pub(super) fn open(text: &str, key: &[u8; 32]) -> Option<Vec<Hook>> {
    let sealed = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    let packed = Seal::of_inventory(key)?.open(&sealed)?;
    let text = zstd::bulk::decompress(&packed, MAX_TEXT).ok()?;
    let kept: Vec<Kept> = serde_json::from_slice(&text).ok()?;
    let mut names = Interner::default();
    kept.into_iter()
        .map(|k| {
            let origin = Origin { file: k.origin.into(), line: 1 };
            let object = Object::build(k.object, k.namespace.as_deref(), origin, &mut names).ok()?;
            Some(Hook { events: k.events, weight: k.weight, delete_policies: k.policies, object })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn delete_hooks_are_read_back_with_their_key_only() {
        let origin = Origin { file: "chart/templates/bye.yaml".into(), line: 3 };
        let body = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "bye"}, "spec": {}});
        let object = Object::build(body, Some("n"), origin, &mut Interner::default()).unwrap();
        let hook = Hook {
            events: vec![HookEvent::PreDelete],
            weight: -5,
            delete_policies: vec![HookDeletePolicy::HookSucceeded],
            object,
        };
        let sealed = seal(std::slice::from_ref(&hook), &[7; 32]).unwrap();
        assert!(!sealed.contains("bye"));
        let back = open(&sealed, &[7; 32]).unwrap();
        assert_eq!(back[0].object.digest, hook.object.digest);
        assert_eq!(back[0].object.id, hook.object.id);
        assert_eq!((back[0].weight, &back[0].events), (-5, &hook.events));
        assert!(open(&sealed, &[8; 32]).is_none());
    }
}
