//! The value of an input in the objects it is read from. Pure.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::Value;

use crate::cloud::inputs::spec::{NodesValue, ServiceValue};
use crate::cloud::inputs::{Hidden, InputSource, MAX_VALUE};

/// What is said of an object that is not there.
pub(in crate::sync) const ABSENT: &str = "does not exist";

/// The kind, namespace and name of the object that an input is read from; `None` for nodes.
pub(in crate::sync) fn object(source: &InputSource) -> Option<(&'static str, &str, &str)> {
    match source {
        InputSource::Secret(k) => Some(("Secret", &k.namespace, &k.name)),
        InputSource::ConfigMap(k) => Some(("ConfigMap", &k.namespace, &k.name)),
        InputSource::Service { namespace, name, .. } => Some(("Service", namespace, name)),
        InputSource::Nodes { .. } => None,
    }
}

/// The value in the object, or why it has none.
pub(in crate::sync) fn value(source: &InputSource, object: &Value) -> Result<Hidden, String> {
    let text = match source {
        InputSource::Secret(k) => {
            let data = object["data"][&k.key].as_str().ok_or_else(|| format!("has no key {}", k.key))?;
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(data)
                .map_err(|_| format!("has a key {} that is not base64", k.key))?;
            String::from_utf8(bytes).map_err(|_| format!("has a key {} that is not UTF-8 text", k.key))?
        }
        InputSource::ConfigMap(k) => {
            let data = object["data"][&k.key].as_str();
            data.ok_or_else(|| format!("has no key {}", k.key))?.to_owned()
        }
        InputSource::Service { value, .. } => service(*value, &object["spec"])?,
        InputSource::Nodes { .. } => return Err("is no object".to_owned()),
    };
    checked(text)
}

fn checked(text: String) -> Result<Hidden, String> {
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if text.len() > MAX_VALUE {
        return Err(format!("is longer than {MAX_VALUE} bytes"));
    }
    Ok(Hidden(text.into()))
}

fn service(value: ServiceValue, spec: &Value) -> Result<String, String> {
    let ip = || match spec["clusterIP"].as_str().unwrap_or_default() {
        "" => Err("has no cluster IP yet".to_owned()),
        "None" => Err("is headless: it has no cluster IP".to_owned()),
        ip => Ok(ip.to_owned()),
    };
    let port = || spec["ports"][0]["port"].as_u64().ok_or_else(|| "has no port".to_owned());
    Ok(match value {
        ServiceValue::ClusterIp => ip()?,
        ServiceValue::Port => port()?.to_string(),
        ServiceValue::Address => match ip()? {
            v6 if v6.contains(':') => format!("[{v6}]:{}", port()?),
            v4 => format!("{v4}:{}", port()?),
        },
    })
}

/// A node's first internal address.
pub(in crate::sync) fn address(node: &Value) -> Option<String> {
    let addresses = node["status"]["addresses"].as_array()?;
    let internal = addresses.iter().find(|a| a["type"] == "InternalIP")?;
    internal["address"].as_str().filter(|a| !a.is_empty()).map(str::to_owned)
}

/// The value of nodes, by name with their addresses.
pub(in crate::sync) fn nodes(
    value: NodesValue,
    nodes: &BTreeMap<String, Option<String>>,
) -> Result<Hidden, String> {
    if nodes.is_empty() {
        return Err("there is no such node".to_owned());
    }
    checked(match value {
        NodesValue::Count => nodes.len().to_string(),
        NodesValue::Names => nodes.keys().map(String::as_str).collect::<Vec<_>>().join(","),
        NodesValue::Addresses => {
            if let Some((name, _)) = nodes.iter().find(|(_, address)| address.is_none()) {
                return Err(format!("node {name} has no internal address yet"));
            }
            nodes.values().flatten().map(String::as_str).collect::<Vec<_>>().join(",")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::inputs::ObjectKey;
    use serde_json::json;

    #[test]
    fn a_secret_gives_its_text_and_says_what_is_missing() {
        let key = |key: &str| ObjectKey { namespace: "n".into(), name: "s".into(), key: key.into() };
        let secret = |name: &str| InputSource::Secret(key(name));
        let object = json!({"data": {"a": "cHc=", "b": "/w==", "c": ""}});
        assert_eq!(value(&secret("a"), &object), Ok(Hidden("pw".into())));
        assert_eq!(value(&secret("b"), &object), Err("has a key b that is not UTF-8 text".into()));
        assert_eq!(value(&secret("c"), &object), Err("is empty".into()));
        assert_eq!(value(&secret("d"), &object), Err("has no key d".into()));
        assert_eq!(
            value(&InputSource::ConfigMap(key("a")), &json!({"data": {"a": "x"}})),
            Ok(Hidden("x".into()))
        );
    }

    #[test]
    fn a_service_gives_its_address_unless_it_is_headless() {
        let of = |value: ServiceValue, ip: &str| {
            service(value, &json!({"clusterIP": ip, "ports": [{"port": 6641}]}))
        };
        assert_eq!(of(ServiceValue::ClusterIp, "10.0.0.1").unwrap(), "10.0.0.1");
        assert_eq!(of(ServiceValue::Address, "10.0.0.1").unwrap(), "10.0.0.1:6641");
        assert_eq!(of(ServiceValue::Address, "fd00::1").unwrap(), "[fd00::1]:6641");
        assert_eq!(of(ServiceValue::Port, "None").unwrap(), "6641");
        assert!(of(ServiceValue::ClusterIp, "None").unwrap_err().contains("headless"));
    }

    #[test]
    fn nodes_are_told_in_the_order_of_their_names_once_all_have_an_address() {
        let mut known: BTreeMap<String, Option<String>> = BTreeMap::new();
        assert!(nodes(NodesValue::Count, &known).is_err());
        known.insert("b".into(), Some("10.0.0.2".into()));
        known.insert("a".into(), None);
        assert_eq!(nodes(NodesValue::Addresses, &known), Err("node a has no internal address yet".into()));
        assert_eq!(nodes(NodesValue::Count, &known), Ok(Hidden("2".into())));
        known.insert("a".into(), address(&json!({"status": {"addresses": [{"type": "Hostname", "address": "a"}, {"type": "InternalIP", "address": "10.0.0.9"}]}})));
        assert_eq!(nodes(NodesValue::Addresses, &known), Ok(Hidden("10.0.0.9,10.0.0.2".into())));
        assert_eq!(nodes(NodesValue::Names, &known), Ok(Hidden("a,b".into())));
    }
}
