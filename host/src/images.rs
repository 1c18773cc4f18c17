//! Images by digest: validated, compiled ahead of time, and ready to be instantiated.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, component::Component};
use wire::Digest;

use crate::{agent::state::AgentState, bindings::agent::AgentPre, capabilities};

mod cache;

/// Largest component, bytes.
pub(crate) const MAX_COMPONENT_BYTES: usize = 64 << 20;

/// A component to offer under a name.
#[derive(Clone)]
pub struct ImageSource {
    /// What it is spawned by.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// The component.
    pub bytes: Cow<'static, [u8]>,
}

impl fmt::Debug for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageSource").field("name", &self.name).field("bytes", &self.bytes.len()).finish()
    }
}

/// Why a component is not an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Over 64 MiB.
    #[error("component {name:?} has {bytes} bytes; at most {MAX_COMPONENT_BYTES} are taken")]
    TooLarge {
        /// Which.
        name: String,
        /// Its size.
        bytes: usize,
    },
    /// Not a component, or one the compiler refuses.
    #[error("component {name:?} cannot be compiled")]
    Compile {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: wasmtime::Error,
    },
    /// It imports what no grant can give, or does not export `openclaw:agent/handler`.
    #[error("component {name:?} does not fit the world `agent`")]
    World {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: wasmtime::Error,
    },
    /// The cache of compiled artefacts cannot be used.
    #[error("cannot use the cache of compiled images at {}", path.display())]
    Cache {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A compiled component.
pub(crate) struct Image {
    info: wire::image::Image,
    component: AgentPre<AgentState>,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image").field("name", &self.info.name).field("digest", &self.info.digest).finish()
    }
}

impl Image {
    pub(crate) fn component(&self) -> &AgentPre<AgentState> {
        &self.component
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.component.engine()
    }
}

/// Every image of this host.
#[derive(Debug)]
pub(crate) struct Images {
    by_digest: BTreeMap<Digest, Arc<Image>>,
    /// One for each name: two names may be the same component.
    infos: Vec<wire::image::Image>,
}

impl Images {
    /// Compiles what is not in the cache; the artefacts are kept there.
    pub(crate) fn open(engine: &Engine, cache: &Path, sources: &[ImageSource]) -> Result<Self, ImageError> {
        let cache = cache::Cache::open(cache, engine)?;
        let linker = capabilities::linker(engine)
            .map_err(|source| ImageError::World { name: "the host itself".to_owned(), source })?;
        let (mut by_digest, mut infos) = (BTreeMap::new(), Vec::new());
        for source in sources {
            let image = load(engine, &cache, &linker, source)?;
            tracing::info!(name = %source.name, digest = %image.info.digest, compile_ms = image.info.compile_ms, "image ready");
            infos.push(image.info.clone());
            by_digest.insert(image.info.digest.clone(), Arc::new(image));
        }
        Ok(Self { by_digest, infos })
    }

    pub(crate) fn get(&self, digest: &Digest) -> Option<Arc<Image>> {
        self.by_digest.get(digest).cloned()
    }

    pub(crate) fn list(&self) -> Vec<wire::image::Image> {
        self.infos.clone()
    }
}

fn load(
    engine: &Engine,
    cache: &cache::Cache,
    linker: &wasmtime::component::Linker<AgentState>,
    source: &ImageSource,
) -> Result<Image, ImageError> {
    let (name, bytes) = (source.name.clone(), source.bytes.as_ref());
    if bytes.len() > MAX_COMPONENT_BYTES {
        return Err(ImageError::TooLarge { name, bytes: bytes.len() });
    }
    let digest = Digest::from_bytes(Sha256::digest(bytes).into());
    let (component, compile_ms) = match cache.load(engine, &digest) {
        Some(component) => (component, None),
        None => {
            let begun = Instant::now();
            let artefact = engine
                .precompile_component(bytes)
                .map_err(|source| ImageError::Compile { name: name.clone(), source })?;
            let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            cache.store(&digest, &artefact)?;
            let component = match cache.load(engine, &digest) {
                Some(component) => component,
                None => Component::new(engine, bytes)
                    .map_err(|source| ImageError::Compile { name: name.clone(), source })?,
            };
            (component, Some(took))
        }
    };
    // Otherwise the first agent pays for it.
    component
        .initialize_copy_on_write_image()
        .map_err(|source| ImageError::Compile { name: name.clone(), source })?;
    let imports = component.component_type().imports(engine).map(|(name, _)| name.to_owned()).collect();
    let component = linker
        .instantiate_pre(&component)
        .and_then(AgentPre::new)
        .map_err(|source| ImageError::World { name: name.clone(), source })?;
    let info = wire::image::Image {
        digest,
        name,
        description: source.description.clone(),
        size_bytes: bytes.len() as u64,
        imports,
        // Until components are instrumented, none can be checkpointed.
        kind: wire::image::ImageKind::Agent,
        suspendable: false,
        not_suspendable: None,
        upgradable: false,
        compile_ms,
    };
    Ok(Image { info, component })
}
