//! The definitions of both kinds, by hand: what the server checks and prunes by.

use serde_json::{Value, json};

use super::{GROUP, VERSION};

/// The custom resource definitions, as JSON.
#[must_use]
pub fn definitions() -> Vec<Value> {
    vec![cloudsync_definition(), inventory_definition()]
}

fn text() -> Value {
    json!({"type": "string"})
}
fn count() -> Value {
    json!({"type": "integer", "format": "int64"})
}
fn list(of: &Value) -> Value {
    json!({"type": "array", "items": of})
}

fn cloudsync_definition() -> Value {
    let flag = || json!({"type": "boolean"});
    let adopt = json!({"type": "object", "properties": {"id": text(), "render": text(), "by": text(), "undo": flag(),
        "hooksDone": flag(), "removeReleases": flag()}});
    let spec = json!({"type": "object", "properties": {
        "source": {"type": "object", "properties": {"repo": text(), "branch": text(), "path": text()}},
        "profile": text(), "interval": text(), "suspend": {"type": "boolean"}, "cloud": text(),
        "pin": {"type": "object", "required": ["revision"],
            "properties": {"revision": text(), "reason": text(), "by": text()}},
        "pins": {"type": "object", "additionalProperties": {"type": "object", "required": ["revision"],
            "properties": {"revision": text(), "reason": text(), "by": text()}}},
        "holds": {"type": "object", "additionalProperties": {"type": "object", "required": ["until"], "properties": {
            "until": {"type": "string", "format": "date-time"}, "reason": text(), "by": text(), "notice": text(),
            "then": {"type": "string", "enum": ["resume", "ask"]}}}},
        "approvals": list(&json!({"type": "object", "required": ["digest"], "properties": {
            "digest": {"type": "string", "minLength": 12}, "by": text(), "expires": {"type": "string", "format": "date-time"}}})),
        "request": {"type": "object", "required": ["id"], "properties": {"id": text(), "app": text(), "by": text()}},
        "test": {"type": "object", "required": ["id", "app"], "properties": {"id": text(), "app": text(), "by": text()}},
        "rotate": {"type": "object", "required": ["id", "secret"], "properties": {"id": text(), "secret": text(),
            "keys": list(&text()), "by": text()}},
        "onDelete": {"type": "string", "enum": ["keep", "delete"]}, "adopt": {"type": "object", "additionalProperties": adopt},
        "drift": {"type": "string", "enum": ["correct", "report", "off"]},
        "forceConflicts": {"type": "boolean"}, "auditInterval": text()}});
    let note = json!({"type": "object", "properties": {"app": text(), "object": text(), "message": text()}});
    let unready = json!({"type": "object", "properties": {"object": text(), "message": text()}});
    let mut status = json!({"type": "object", "properties": {
        "observedGeneration": count(), "cluster": text(), "cloudId": text(), "seenRevision": text(), "revision": text(),
        "syncedRevision": text(), "readyRevision": text(), "apps": count(), "readyApps": count(), "objects": count(),
        "ready": text(), "corrections": count(), "handledRequest": text(), "usedApprovals": list(&text()),
        "notReady": list(&json!({"type": "object", "properties": {"name": text(), "state": text(), "message": text(),
            "waitsFor": list(&text()), "objects": list(&unready)}})),
        "pinned": list(&json!({"type": "object", "properties": {"app": text(), "revision": text(), "reason": text()}})),
        "holds": list(&json!({"type": "object", "properties": {"target": text(), "from": text(), "state": text(), "until": text(),
            "reason": text(), "acts": text(), "pending": list(&text())}})),
        "hooks": list(&note), "deleting": list(&note), "leftOut": list(&note),
        "secrets": list(&json!({"type": "object", "properties": {"secret": text(), "app": text(), "state": text(), "message": text()}})),
        "rotation": {"type": "object", "properties": {"id": text(), "secret": text(), "state": text(), "digest": text(),
            "plan": list(&text()), "message": text()}},
        "orphans": list(&json!({"type": "object", "properties": {"object": text(), "app": text()}})),
        "test": {"type": "object", "properties": {"id": text(), "app": text(), "state": text(), "passed": list(&text()),
            "message": text()}},
        "withheld": {"type": "object", "properties": {"digest": text(), "actions": list(&text())}},
        "drift": list(&json!({"type": "object", "properties": {"object": text(), "message": text(), "time": text()}})),
        "conditions": list(&json!({"type": "object", "required": ["type", "status"], "properties": {
            "type": text(), "status": text(), "reason": text(), "message": text(),
            "lastTransitionTime": {"type": "string", "format": "date-time"}, "observedGeneration": count()}}))}});
    // Apart: the macro's depth is bounded.
    status["properties"]["nodes"] =
        list(&json!({"type": "object", "properties": {"name": text(), "state": text(),
        "labels": list(&text()), "annotations": list(&text()), "message": text()}}));
    status["properties"]["inputs"] =
        list(&json!({"type": "object", "properties": {"source": text(), "apps": list(&text()),
        "state": text(), "message": text()}}));
    status["properties"]["reported"] = count();
    status["properties"]["driftedObjects"] = count();
    status["properties"]["adoption"] = list(
        &json!({"type": "object", "properties": {"app": text(), "id": text(), "state": text(), "message": text()}}),
    );
    status["properties"]["drifted"] = list(
        &json!({"type": "object", "properties": {"object": text(), "app": text(), "why": text(), "message": text()}}),
    );
    let fields = json!({"type": "object", "properties": {"object": text(), "fields": list(&text())}});
    status["properties"]["yielded"] = list(&fields);
    status["properties"]["overridden"] = list(&fields);
    status["properties"]["fights"] = list(
        &json!({"type": "object", "properties": {"object": text(), "rival": text(), "corrections": count(), "since": text()}}),
    );
    definition(
        "CloudSync",
        "cloudsyncs",
        "cloudsync",
        &json!({"type": "object", "properties": {"spec": spec, "status": status}}),
        true,
        &json!([
        {"name": "Revision", "type": "string", "jsonPath": ".status.revision"},
        {"name": "Ready", "type": "string", "jsonPath": ".status.ready"},
        {"name": "Synced", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Synced\")].status"},
        {"name": "Message", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Synced\")].message"},
        {"name": "Pin", "type": "string", "jsonPath": ".spec.pin.revision", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]),
    )
}

fn inventory_definition() -> Value {
    // Atomic: the server keeps one owned field per entry instead of seven.
    let entry = json!({"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"uid": text(), "version": text(), "digest": text(), "set": text(),
        "time": count(), "generation": count(), "keep": text()}});
    let spec = json!({"type": "object", "properties": {
        "cloud": text(), "app": text(), "revision": text(), "render": text(), "readyRender": text(),
        "pastRenders": list(&text()), "objects": count(),
        "entries": {"type": "object", "additionalProperties": entry},
        "hooks": {"type": "object", "additionalProperties": text()},
        "secrets": {"type": "object", "additionalProperties": {"type": "object", "x-kubernetes-map-type": "atomic",
            "properties": {"uid": text(), "keys": list(&text())}}},
        "hooksLeft": list(&text()), "deleteHooks": text(), "dependsOn": list(&text()),
        "operation": {"type": "object", "properties": {"number": count(), "kind": text(), "to": text(), "attempt": count(),
            "done": list(&json!({"type": "object", "properties": {"step": text(), "digest": text()}})),
            "started": {"type": "object", "properties": {"step": text(), "mark": text(), "at": count()}},
            "failed": list(&json!({"type": "object", "properties": {"step": text(), "message": text()}})),
            "cleanUp": list(&text())}}}});
    definition(
        "Inventory",
        "inventories",
        "inventory",
        &json!({"type": "object", "properties": {"spec": spec}}),
        false,
        &json!([
        {"name": "Cloud", "type": "string", "jsonPath": ".spec.cloud"},
        {"name": "App", "type": "string", "jsonPath": ".spec.app"},
        {"name": "Objects", "type": "integer", "jsonPath": ".spec.objects"},
        {"name": "Revision", "type": "string", "jsonPath": ".spec.revision"}]),
    )
}

fn definition(
    kind: &str,
    plural: &str,
    singular: &str,
    schema: &Value,
    status: bool,
    columns: &Value,
) -> Value {
    let mut version = json!({"name": VERSION, "served": true, "storage": true,
        "schema": {"openAPIV3Schema": schema}, "additionalPrinterColumns": columns});
    if status {
        version["subresources"] = json!({"status": {}});
    }
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{GROUP}")},
        "spec": {"group": GROUP, "scope": "Namespaced", "versions": [version],
            "names": {"kind": kind, "plural": plural, "singular": singular, "listKind": format!("{kind}List"),
                "categories": ["retune"]}}})
}
