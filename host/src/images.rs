//! Images by digest: validated, made suspendable, compiled ahead of time, and ready to be instantiated.
//!
//! Every component is kept in the object store too: an agent that was suspended stays on its digest, also when the host
//! that resumes it offers a newer version under the same name.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Instant,
};

use depot::Depot;
use instrument::{Instrumented, Layout};

use sha2::{Digest as _, Sha256};
use wasmtime::{
    Engine,
    component::{Component, InstancePre, Linker},
};
use wasmtime_wasi::p2::bindings::CommandPre;
use wire::{Digest, image::ImageKind};

use crate::{
    agent::state::AgentState,
    bindings::agent::AgentPre,
    capabilities,
    checkpoints::{access::Access, capture::Base},
};

mod base;
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
    /// It imports what no grant can give, or exports neither `openclaw:agent/handler` nor `wasi:cli/run`.
    #[error("component {name:?} fits neither the world `agent` nor `wasi:cli/command`")]
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

/// How a component's state is reached.
#[derive(Debug)]
pub(crate) struct Suspendable {
    pub(crate) access: Access,
    pub(crate) base: Base,
}

/// What a component is run by.
pub(crate) enum Program {
    /// Its handler gets events.
    Agent(AgentPre<AgentState>),
    /// It runs from its beginning to its end.
    Command(CommandPre<AgentState>),
}

/// A compiled component.
pub(crate) struct Image {
    info: wire::image::Image,
    program: Program,
    suspendable: Option<Suspendable>,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image").field("name", &self.info.name).field("digest", &self.info.digest).finish()
    }
}

impl Image {
    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// What instances are made from, whatever runs them.
    pub(crate) fn instance_pre(&self) -> &InstancePre<AgentState> {
        match &self.program {
            Program::Agent(pre) => pre.instance_pre(),
            Program::Command(pre) => pre.instance_pre(),
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.instance_pre().engine()
    }

    pub(crate) fn info(&self) -> &wire::image::Image {
        &self.info
    }

    /// How its state is reached, when it can be.
    pub(crate) fn suspendable(&self) -> Option<&Suspendable> {
        self.suspendable.as_ref()
    }
}

/// Every image of this host.
pub(crate) struct Images {
    engine: Engine,
    cache: cache::Cache,
    linker: Linker<AgentState>,
    scratch: PathBuf,
    depot: Depot,
    by_digest: RwLock<BTreeMap<Digest, Arc<Image>>>,
    /// What is offered, one for each name: two names may be the same component.
    infos: Vec<wire::image::Image>,
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Images").field("infos", &self.infos).finish_non_exhaustive()
    }
}

/// Where images are kept.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    /// Compiled artefacts.
    pub(crate) cache: &'a Path,
    /// For workspaces of agents that only show what a fresh one is.
    pub(crate) scratch: PathBuf,
    /// Components, for hosts that do not have them.
    pub(crate) depot: Depot,
}

impl Images {
    /// Compiles what is not in the cache; the artefacts are kept there. Blocks, inside a tokio runtime.
    pub(crate) fn open(
        engine: &Engine,
        places: Places<'_>,
        sources: &[ImageSource],
    ) -> Result<Self, ImageError> {
        let linker = capabilities::linker(engine)
            .map_err(|source| ImageError::World { name: "the host itself".to_owned(), source })?;
        let mut images = Self {
            engine: engine.clone(),
            cache: cache::Cache::open(places.cache, engine)?,
            linker,
            scratch: places.scratch,
            depot: places.depot,
            by_digest: RwLock::default(),
            infos: Vec::new(),
        };
        let runtime = tokio::runtime::Handle::current();
        for source in sources {
            let image = images.load(source)?;
            tracing::info!(
                name = %source.name, digest = %image.info.digest, compile_ms = image.info.compile_ms,
                suspendable = image.info.suspendable, "image ready",
            );
            let bytes = bytes::Bytes::copy_from_slice(&source.bytes);
            if let Err(error) = runtime.block_on(images.depot.put_image(&image.info.digest, bytes)) {
                tracing::warn!(name = %source.name, %error, "the object store did not take the component");
            }
            images.infos.push(image.info.clone());
            images.insert(image);
        }
        Ok(images)
    }

    fn insert(&self, image: Image) -> Arc<Image> {
        let image = Arc::new(image);
        let mut images = self.by_digest.write().unwrap_or_else(PoisonError::into_inner);
        images.entry(image.info.digest.clone()).or_insert(image).clone()
    }

    fn present(&self, digest: &Digest) -> Option<Arc<Image>> {
        self.by_digest.read().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    /// An image by its digest: one that is not offered here comes from the object store, and is compiled.
    pub(crate) async fn get(self: &Arc<Self>, digest: &Digest) -> Option<Arc<Image>> {
        if let Some(image) = self.present(digest) {
            return Some(image);
        }
        let bytes = match self.depot.image(digest, MAX_COMPONENT_BYTES).await {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::warn!(%digest, %error, "no such image, here or in the object store");
                return None;
            }
        };
        let (images, digest) = (self.clone(), digest.clone());
        let runtime = tokio::runtime::Handle::current();
        let loaded = tokio::task::spawn_blocking(move || {
            let _entered = runtime.enter();
            let source = ImageSource {
                name: String::new(),
                description: String::new(),
                bytes: Cow::Owned(bytes.to_vec()),
            };
            images.load(&source).map(|image| images.insert(image))
        });
        match loaded.await {
            // What the store gives under a digest must have it.
            Ok(Ok(image)) if image.info.digest == digest => Some(image),
            Ok(Ok(image)) => {
                tracing::error!(%digest, found = %image.info.digest, "the object store holds another component");
                None
            }
            Ok(Err(error)) => {
                tracing::warn!(%digest, error = crate::link::chain(&error), "an image of the store cannot be used");
                None
            }
            Err(_) => None,
        }
    }

    pub(crate) fn list(&self) -> Vec<wire::image::Image> {
        self.infos.clone()
    }

    fn load(&self, source: &ImageSource) -> Result<Image, ImageError> {
        let (name, bytes) = (source.name.clone(), source.bytes.as_ref());
        if bytes.len() > MAX_COMPONENT_BYTES {
            return Err(ImageError::TooLarge { name, bytes: bytes.len() });
        }
        let digest = Digest::from_bytes(Sha256::digest(bytes).into());
        let exported = instrument::exports(bytes);
        let exports = |prefix: &str| exported.iter().any(|name| name.starts_with(prefix));
        let runs = exports(RUN_EXPORT) && !exports(HANDLER_EXPORT);
        let instrumented = if runs {
            Err(RUNS.to_owned())
        } else {
            instrument::instrument(bytes).map_err(|why| why.to_string())
        };
        let (code, layout) = match instrumented {
            Ok(Instrumented { component, layout }) => (Cow::Owned(component), Ok(layout)),
            Err(reason) => (Cow::Borrowed(bytes), Err(reason)),
        };
        let (component, compile_ms) = self.compile(&name, &code)?;
        // Otherwise the first agent pays for it.
        component
            .initialize_copy_on_write_image()
            .map_err(|source| ImageError::Compile { name: name.clone(), source })?;
        let types = component.component_type();
        let ours = |name: &str| name.starts_with(RESTORE_IMPORT);
        let imports = types.imports(&self.engine).map(|(name, _)| name.to_owned());
        let imports = imports.filter(|name| !ours(name)).collect();
        let world = |source| ImageError::World { name: name.clone(), source };
        let pre = self.linker.instantiate_pre(&component).map_err(world)?;
        let (kind, program, suspendable) = if runs {
            let program = Program::Command(CommandPre::new(pre).map_err(world)?);
            (ImageKind::Command, program, Err(RUNS.to_owned()))
        } else {
            let pre = AgentPre::new(pre).map_err(world)?;
            let suspendable = layout.and_then(|layout| self.suspendable(&component, &pre, &layout));
            (ImageKind::Agent, Program::Agent(pre), suspendable)
        };
        let info = wire::image::Image {
            digest,
            name,
            description: source.description.clone(),
            size_bytes: bytes.len() as u64,
            imports,
            kind,
            suspendable: suspendable.is_ok(),
            not_suspendable: suspendable.as_ref().err().cloned(),
            upgradable: exports(UPGRADE_EXPORT),
            compile_ms,
        };
        Ok(Image { info, program, suspendable: suspendable.ok() })
    }

    fn suspendable(
        &self,
        component: &Component,
        pre: &AgentPre<AgentState>,
        layout: &Layout,
    ) -> Result<Suspendable, String> {
        let missing = || "its access module was not found again".to_owned();
        let access = Access::find(component, layout).ok_or_else(missing)?;
        let base = tokio::runtime::Handle::current().block_on(base::take(pre, &access, &self.scratch))?;
        Ok(Suspendable { access, base })
    }

    fn compile(&self, name: &str, code: &[u8]) -> Result<(Component, Option<u64>), ImageError> {
        let key = Digest::from_bytes(Sha256::digest(code).into());
        if let Some(component) = self.cache.load(&self.engine, &key) {
            return Ok((component, None));
        }
        let failed = |source| ImageError::Compile { name: name.to_owned(), source };
        let begun = Instant::now();
        let artefact = self.engine.precompile_component(code).map_err(failed)?;
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.cache.store(&key, &artefact)?;
        let component = match self.cache.load(&self.engine, &key) {
            Some(component) => component,
            None => Component::new(&self.engine, code).map_err(failed)?,
        };
        Ok((component, Some(took)))
    }
}

/// What a command exports.
const RUN_EXPORT: &str = "wasi:cli/run@0.2.";
/// What an agent exports; one that has both is an agent.
const HANDLER_EXPORT: &str = "openclaw:agent/handler@";
/// Why a command cannot be suspended.
const RUNS: &str = "it runs by wasi:cli/run, which blocks: it is never between two events";
/// Imports that the instrumenter added.
const RESTORE_IMPORT: &str = "openclaw-restore-";
/// What a component exports that can hand its state to another version.
const UPGRADE_EXPORT: &str = "openclaw:agent/upgrade@";
