//! Checkpoints in an object store: packs in, chunks and manifests out.
