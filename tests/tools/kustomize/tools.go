//go:build tools

// Package tools pins the kustomize that our renderer is measured against.
package tools

import _ "sigs.k8s.io/kustomize/kustomize/v5"
