//go:build tools

// Package tools pins the Helm that our renderer is measured against.
package tools

import _ "helm.sh/helm/v4/cmd/helm"
