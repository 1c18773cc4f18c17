//! Reads a component: validates it, finds its state, and refuses what cannot be captured.

use wasmparser::{
    CanonicalFunction, ComponentAlias, ComponentExternalKind, ComponentOuterAliasKind, ComponentType,
    ComponentTypeRef, Encoding, FuncValidatorAllocations, Instance, Parser, Payload, ValidPayload, Validator,
    WasmFeatures,
};

use crate::module::Module;
use crate::resource::{Before, Imported, Resources};
use crate::{ACCESS, MAX_COMPONENT_BYTES, MAX_INSTANCES, MAX_MODULES, RESTORE, Unsuspendable};

/// How every component begins.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// What was found in a component.
#[derive(Debug)]
pub(crate) struct Scan {
    /// Its core modules, in the order of their indices.
    pub(crate) modules: Vec<Module>,
    /// Instances of core modules: index of the instance, and of the module.
    pub(crate) instances: Vec<(u32, usize)>,
    pub(crate) resources: Vec<Imported>,
    pub(crate) counts: Counts,
}

/// Sizes of the index spaces of a component: the next index of each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) modules: u32,
    pub(crate) core_instances: u32,
    pub(crate) core_functions: u32,
    pub(crate) core_memories: u32,
    pub(crate) types: u32,
    pub(crate) functions: u32,
    pub(crate) instances: u32,
}

/// What a component may use: what keeps no state but in memories and globals, and what has a reason of its own to be
/// refused.
fn features() -> WasmFeatures {
    WasmFeatures::default().difference(WasmFeatures::GC | WasmFeatures::CM_ASYNC)
}

/// Checks that bytes are a component that uses nothing else than [`features`].
pub(crate) fn validate(component: &[u8]) -> Result<(), wasmparser::BinaryReaderError> {
    Validator::new_with_features(features()).validate_all(component).map(|_| ())
}

/// Reads a component.
pub(crate) fn scan(component: &[u8]) -> Result<Scan, Unsuspendable> {
    if component.len() > MAX_COMPONENT_BYTES {
        return Err(Unsuspendable::TooLarge { what: "bytes", limit: MAX_COMPONENT_BYTES });
    }
    if !component.starts_with(COMPONENT) {
        return Err(Unsuspendable::NotAComponent);
    }
    match walk(component) {
        Err(Unsuspendable::Invalid { message })
            if validate(component).is_err()
                && Validator::new_with_features(WasmFeatures::all()).validate_all(component).is_ok() =>
        {
            Err(Unsuspendable::Proposal { message })
        }
        result => result,
    }
}

fn walk(component: &[u8]) -> Result<Scan, Unsuspendable> {
    let invalid = |error| Unsuspendable::invalid(&error);
    let mut validator = Validator::new_with_features(features());
    let mut allocations = FuncValidatorAllocations::default();
    let mut walk = Walk::default();
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(invalid)?;
        let before = validator.types(0).map(|types| Before {
            instances: types.component_instance_count(),
            types: types.component_type_count(),
        });
        match validator.payload(&payload).map_err(invalid)? {
            ValidPayload::Func(function, body) => {
                let mut function = function.into_validator(allocations);
                function.validate(&body).map_err(invalid)?;
                allocations = function.into_allocations();
            }
            ValidPayload::End(types) if walk.levels.len() == 1 => {
                let types = types.as_ref();
                walk.counts = Some(Counts {
                    modules: types.module_count(),
                    core_instances: types.core_instance_count(),
                    core_functions: types.function_count(),
                    core_memories: types.memory_count(),
                    types: types.component_type_count(),
                    functions: types.component_function_count(),
                    instances: types.component_instance_count(),
                });
            }
            _ => {}
        }
        walk.read(&payload, component)?;
        if let (Payload::ComponentImportSection(section), [Level::Component], Some(before), Some(types)) =
            (&payload, &walk.levels[..], before, validator.types(0))
        {
            walk.resources.read(section, before, types)?;
        }
    }
    let counts = walk
        .counts
        .ok_or_else(|| Unsuspendable::Invalid { message: "the component does not end".to_owned() })?;
    Ok(Scan { modules: walk.modules, instances: walk.instances, resources: walk.resources.found, counts })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Component,
    Module,
}

#[derive(Debug, Default)]
struct Walk {
    /// What is being read, the outermost first.
    levels: Vec<Level>,
    /// End of the last section of the outermost component.
    cursor: usize,
    modules: Vec<Module>,
    core_instances: u32,
    instances: Vec<(u32, usize)>,
    resources: Resources,
    counts: Option<Counts>,
}

impl Walk {
    /// Takes note of the next part, which is valid.
    fn read(&mut self, payload: &Payload<'_>, component: &[u8]) -> Result<(), Unsuspendable> {
        match payload {
            Payload::Version { encoding, range, .. } => {
                self.levels.push(match encoding {
                    Encoding::Component => Level::Component,
                    Encoding::Module => Level::Module,
                });
                if self.levels.len() == 1 {
                    self.cursor = range.end;
                }
            }
            Payload::End(_) => {
                self.levels.pop();
                return Ok(());
            }
            _ => {}
        }
        match (self.levels.last(), self.modules.last_mut()) {
            (Some(Level::Module), Some(module)) => module.read(payload, component),
            _ => self.component(payload, component),
        }
    }

    /// A part of a component, the outermost or one within.
    fn component(&mut self, payload: &Payload<'_>, component: &[u8]) -> Result<(), Unsuspendable> {
        let invalid = |error| Unsuspendable::invalid(&error);
        let outermost = self.levels.len() == 1;
        // a parser takes what ends between two sections within for whole
        if let Payload::ModuleSection { unchecked_range: range, .. }
        | Payload::ComponentSection { unchecked_range: range, .. } = payload
            && range.end > component.len()
        {
            return Err(Unsuspendable::Invalid { message: "the component is cut off".to_owned() });
        }
        let start = self.cursor;
        if let (true, Some((_, range))) = (outermost, payload.as_section()) {
            self.cursor = range.end;
        }
        match payload {
            Payload::ModuleSection { unchecked_range: range, .. } => {
                if !outermost {
                    return Err(Unsuspendable::NestedModule);
                }
                if self.modules.len() == MAX_MODULES {
                    return Err(Unsuspendable::TooLarge { what: "core modules", limit: MAX_MODULES });
                }
                self.modules.push(Module::new(self.modules.len(), start..range.end, range.clone()));
            }
            // a nested component cannot instantiate one: it has none, and takes none
            Payload::InstanceSection(section) if outermost => {
                for instance in section.clone() {
                    if let Instance::Instantiate { module_index, .. } = instance.map_err(invalid)? {
                        self.instantiated(module_index as usize)?;
                    }
                    self.core_instances += 1;
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section.clone() {
                    match alias.map_err(invalid)? {
                        ComponentAlias::InstanceExport { kind: ComponentExternalKind::Module, .. }
                        | ComponentAlias::Outer { kind: ComponentOuterAliasKind::CoreModule, .. } => {
                            return Err(Unsuspendable::ModuleImport);
                        }
                        ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => {
                            return Err(Unsuspendable::ComponentImport);
                        }
                        _ => {}
                    }
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section.clone() {
                    let import = import.map_err(invalid)?;
                    if matches!(import.ty, ComponentTypeRef::Module(_)) {
                        return Err(Unsuspendable::ModuleImport);
                    }
                    if outermost {
                        reserved(import.name.name)?;
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone() {
                    let export = export.map_err(invalid)?;
                    if export.kind == ComponentExternalKind::Module {
                        return Err(Unsuspendable::ModuleImport);
                    }
                    if outermost {
                        reserved(export.name.name)?;
                    }
                }
            }
            Payload::ComponentTypeSection(section) => {
                for ty in section.clone() {
                    if let ComponentType::Resource { .. } = ty.map_err(invalid)? {
                        return Err(Unsuspendable::ExportedResource);
                    }
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                for function in section.clone() {
                    match function.map_err(invalid)? {
                        CanonicalFunction::Lift { .. }
                        | CanonicalFunction::Lower { .. }
                        | CanonicalFunction::ResourceDrop { .. } => {}
                        CanonicalFunction::ResourceNew { .. } | CanonicalFunction::ResourceRep { .. } => {
                            return Err(Unsuspendable::ExportedResource);
                        }
                        // of async functions and threads, which `features` leaves out
                        other => {
                            return Err(Unsuspendable::Proposal {
                                message: format!("canonical function {other:?}"),
                            });
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn instantiated(&mut self, module: usize) -> Result<(), Unsuspendable> {
        if self.instances.len() == MAX_INSTANCES {
            return Err(Unsuspendable::TooLarge { what: "instances of core modules", limit: MAX_INSTANCES });
        }
        let has_state = self.modules.get(module).is_some_and(Module::has_state);
        if has_state && self.instances.iter().any(|(_, other)| *other == module) {
            return Err(Unsuspendable::MultipleInstantiation { module });
        }
        self.instances.push((self.core_instances, module));
        Ok(())
    }
}

/// Refuses names that are added. Names that differ in case alone count as the same.
fn reserved(name: &str) -> Result<(), Unsuspendable> {
    let lower = name.to_ascii_lowercase();
    if lower.starts_with(RESTORE) || lower.starts_with(ACCESS) {
        return Err(Unsuspendable::ReservedName { name: name.to_owned() });
    }
    Ok(())
}
