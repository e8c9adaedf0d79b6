//! kustomize v5.8.1: kustomizations in, resources out, byte for byte.
