//! The kind Rules: `rules/*.yaml`. The published JSON Schema (`retune schema rules`) is generated from these types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cloud::spec::{ApiVersion, Metadata, Selector};

/// `kind: Rules`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RulesKind {
    /// The only value.
    Rules,
}

/// Rules that the cloud's objects must keep. The files are `rules/*.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleFile {
    /// Always retune.dev/v1alpha1.
    pub api_version: ApiVersion,
    /// Always Rules.
    pub kind: RulesKind,
    /// The name of this set of rules.
    pub metadata: Metadata,
    /// The rules.
    pub spec: RulesSpec,
}

/// The rules of a file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RulesSpec {
    /// Each is checked by itself.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// One rule. It has one or more of `require`, `text` and `refersTo`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// What the rule says, as a name: it stands in every finding.
    pub name: String,
    /// What to do about a finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The objects that it is about. If left out: all.
    #[serde(default)]
    pub objects: Vec<Selector>,
    /// Objects that it is not about after all.
    #[serde(default)]
    pub except: Vec<Selector>,
    /// What fields must be.
    #[serde(default)]
    pub require: Vec<Requirement>,
    /// What text inside of fields must say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<TextRule>,
    /// Names in fields of objects that must exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refers_to: Option<Reference>,
}

/// What a field must be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requirement {
    /// A JSON pointer in which `*` is any key or index and `**` any number of them. A path without them must lead to something.
    pub path: String,
    /// The values it may have. If left out: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<Value>>")]
    pub one_of: Option<Vec<Value>>,
    /// A regular expression that its text must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<String>,
}

/// What text inside of fields must say: in all `data` of ConfigMaps and Secrets (decoded), unless `paths` says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TextRule {
    /// Where the text stands; see `require`.
    #[serde(default)]
    pub paths: Vec<String>,
    /// A regular expression with a group named `value`.
    pub find: String,
    /// What the group may be, everywhere the expression is found; `*` is any text. If left out: anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<String>>,
    /// What the group must not be; `*` is any text. It is shown in findings, so say whole placeholders here, no parts of secrets.
    #[serde(default)]
    pub none_of: Vec<String>,
}

/// Names in fields of objects that must exist.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reference {
    /// The kind meant, of the core group unless `group` says otherwise. If left out: what stands beside the name as `kind` and `apiVersion`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The group of `kind`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Where the names stand; see `require`. A name with `optional: true` beside it may be missing.
    pub names: Vec<String>,
    /// Objects that make such an object when they are in the cluster.
    #[serde(default)]
    pub made_by: Vec<Maker>,
    /// Objects that come from elsewhere: namespace/name, `*` is any text.
    #[serde(default)]
    pub external: Vec<String>,
}

/// An object that makes another one of its namespace.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Maker {
    /// The makers.
    pub objects: Selector,
    /// Where the maker must have something, for instance an annotation; see `require`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Where the made object's name stands; see `require`.
    pub path: String,
    /// Text after that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
}
