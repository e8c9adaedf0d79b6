//! `App.spec.inputs` as users write it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A value that is taken from the running cluster: one source, and where the value goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// A key of a Secret, made by an operator, by `spec.secrets` or by hand. Its value is never shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<KeyInput>,
    /// A key of a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<KeyInput>,
    /// The address of a Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceInput>,
    /// The nodes that a label selector matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodesInput>,
    /// Paths in the chart's values, as `helm --set-string` writes them, for instance conf.neutron.ovn.ovn_nb_connection. They win over
    /// every other layer. Without one the value is only in inputs.yaml, for the app's kustomization.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// The text around the value, which stands at $(value), for instance tcp:$(value). If left out: the value alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A key of a Secret or ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyInput {
    /// The object's namespace. If left out: the app's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
    /// The key in its data.
    pub key: String,
}

/// The address of a Service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceInput {
    /// The Service's namespace. If left out: the app's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The Service's name.
    pub name: String,
    /// What of it. If left out: clusterIP.
    #[serde(default)]
    pub value: ServiceValue,
}

/// What is taken of a Service.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum ServiceValue {
    /// Its cluster IP; a headless Service has none.
    #[default]
    #[serde(rename = "clusterIP")]
    ClusterIp,
    /// The number of its first port.
    #[serde(rename = "port")]
    Port,
    /// Both, as 10.96.0.12:6641.
    #[serde(rename = "address")]
    Address,
}

impl ServiceValue {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterIp => "clusterIP",
            Self::Port => "port",
            Self::Address => "address",
        }
    }
}

/// The nodes that a label selector matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodesInput {
    /// The label selector, as kubectl takes it: kube-ovn/role=master.
    pub selector: String,
    /// What of them. If left out: addresses.
    #[serde(default)]
    pub value: NodesValue,
}

/// What is taken of nodes.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum NodesValue {
    /// Their internal addresses, in the order of their names, comma separated.
    #[default]
    Addresses,
    /// Their names, sorted, comma separated.
    Names,
    /// How many there are: a number, unless text is given.
    Count,
}

impl NodesValue {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Addresses => "addresses",
            Self::Names => "names",
            Self::Count => "count",
        }
    }
}
