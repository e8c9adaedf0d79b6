//! The built-in `IAMPolicyGenerator`: a service account bound to one of Google's.

use super::decode::decodes;
use super::error::Error;
use crate::yaml::{self, Limits, Node};

/// The plugin's configuration.
#[derive(Debug, Clone, Default)]
pub struct IamPolicy {
    cloud: String,
    kubernetes: KubernetesService,
    account: ServiceAccount,
}

#[derive(Debug, Clone, Default)]
struct KubernetesService {
    name: String,
    namespace: String,
}

#[derive(Debug, Clone, Default)]
struct ServiceAccount {
    name: String,
    project: String,
}

decodes!(KubernetesService, "a service", { "name" => name, "namespace" => namespace });
decodes!(ServiceAccount, "a service account", { "name" => name, "projectId" => project });
decodes!(IamPolicy, "an IAM policy", {
    "cloud" => cloud, "kubernetesService" => kubernetes, "serviceAccount" => account,
});

impl IamPolicy {
    /// The objects.
    pub fn generate(&self) -> Result<Vec<Node>, Error> {
        if self.cloud != "gke" {
            return Err(Error::new(format!("cloud provider {} not supported yet", self.cloud)));
        }
        let mut text = format!(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  annotations:\n    \
             iam.gke.io/gcp-service-account: {}@{}.iam.gserviceaccount.com\n  name: {}\n",
            self.account.name, self.account.project, self.kubernetes.name
        );
        if !self.kubernetes.namespace.is_empty() {
            text.push_str(&format!("  namespace: {}\n", self.kubernetes.namespace));
        }
        yaml::read_v3(&text, &Limits::default()).map_err(|e| super::kustomization::from_yaml(&e))
    }
}
