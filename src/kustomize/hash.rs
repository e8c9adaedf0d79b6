//! The hash at the end of generated names.
//!
//! SHA-256 over JSON as Go writes it, first ten hex digits, with digits and vowels that could spell words replaced. The
//! original asks for a field named `metadata/name`, which no object has, so the name never enters the hash; absent
//! data enters as an empty text.

use sha2::{Digest, Sha256};

use super::error::Error;
use super::resmap::ResMap;
use crate::yaml::{self, Entry, Mapping, Node, Value};

/// Adds hashes to the names that want one.
pub fn add_to_names(m: &mut ResMap) -> Result<(), Error> {
    for res in m.iter_mut().filter(|r| r.build.needs_hash) {
        let hash = of_object(&res.node).map_err(|e| e.at(&res.file, res.node.pos.line))?;
        res.store_previous_id();
        let name = format!("{}-{hash}", res.name());
        res.set_name(&name);
    }
    Ok(())
}

/// The ten characters for an object.
pub fn of_object(node: &Node) -> Result<String, Error> {
    let kind = node.get("kind").and_then(Node::text).unwrap_or_default();
    let fields: &[(&str, bool)] = match kind {
        "ConfigMap" => &[("binaryData", true), ("data", false)],
        "Secret" => &[("data", false), ("stringData", true), ("type", false)],
        _ => return Ok(digest(&to_json(node)?)),
    };
    let mut map = Mapping::default();
    for (field, only_if_map) in fields {
        match node.get(field).map(|n| (&n.value, n)) {
            Some((Value::Scalar(s), _)) if !only_if_map => map.set(field, Node::str(&*s.text)),
            Some((Value::Scalar(_), _)) => {}
            Some((Value::Mapping(_), n)) => map.set(field, n.clone()),
            // The original fails to read a list as a map and goes on with nothing.
            Some((Value::Sequence(_), _)) if !only_if_map => map.set(field, Node::null()),
            Some((Value::Sequence(_), _)) => {}
            None if !only_if_map => map.set(field, Node::str("")),
            None => {}
        }
    }
    map.entries.push(Entry { key: Node::str("kind"), value: Node::str(kind) });
    map.entries.push(Entry { key: Node::str("name"), value: Node::str("") });
    Ok(digest(&to_json(&Node::from(Value::Mapping(map)))?))
}

fn to_json(node: &Node) -> Result<String, Error> {
    yaml::json::to_json(node, true).map_err(|e| Error::new(e.message.clone()).at_line(e.pos.line))
}

fn digest(json: &str) -> String {
    let sum = Sha256::digest(json.as_bytes());
    let hex: String = sum.iter().take(5).map(|b| format!("{b:02x}")).collect();
    hex.chars()
        .map(|c| match c {
            '0' => 'g',
            '1' => 'h',
            '3' => 'k',
            'a' => 'm',
            'e' => 't',
            c => c,
        })
        .collect()
}
