//! Puts a component together with the access module, and lifts the module's functions into an instance that is
//! exported.

use std::collections::HashMap;
use std::iter::once;

use wasm_encoder::{
    Alias, CanonicalFunctionSection, CanonicalOption, ComponentAliasSection, ComponentExportKind,
    ComponentExportSection, ComponentImportSection, ComponentInstanceSection, ComponentSection,
    ComponentSectionId, ComponentTypeRef, ComponentTypeSection, ComponentValType, Encode as _, ExportKind,
    InstanceSection, ModuleArg, ModuleSection, PrimitiveValType,
};

use crate::ACCESS;
use crate::access::{Access, HOST, Plan, import_name};
use crate::resource::Origin;
use crate::scan::{Counts, Scan};

/// The instrumented component.
pub(crate) fn assemble(component: &[u8], scan: &Scan, plan: &Plan) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(component.len() + (16 << 10));
    let mut copied = 0;
    for module in &scan.modules {
        bytes.extend_from_slice(&component[copied..module.section.start]);
        bytes.push(ComponentSectionId::CoreModule as u8);
        module.rewrite(component).encode(&mut bytes);
        copied = module.section.end;
    }
    bytes.extend_from_slice(&component[copied..]);
    let mut wire = Wire { bytes, next: scan.counts };
    let host = wire.import(scan, plan);
    let instance = wire.instantiate(plan, &host);
    wire.export(plan, instance);
    wire.bytes
}

/// A component that grows at its end.
struct Wire {
    bytes: Vec<u8>,
    /// The next index of each space.
    next: Counts,
}

/// Takes the next index of a space.
fn take(next: &mut u32) -> u32 {
    let index = *next;
    *next += 1;
    index
}

impl Wire {
    fn section(&mut self, section: &impl ComponentSection) {
        section.append_to_component(&mut self.bytes);
    }

    /// Imports what makes the handles of each restorable resource. Returns names and indices of core functions: one
    /// that makes and one that drops a handle, for each.
    fn import(&mut self, scan: &Scan, plan: &Plan) -> Vec<(String, u32)> {
        let mut aliases = ComponentAliasSection::new();
        let mut resources = Vec::new();
        for n in plan.restorable() {
            let found = &scan.resources[n];
            let ty = match found.origin {
                Origin::Type(index) => index,
                Origin::Instance(instance) => {
                    let name = &found.resource.name;
                    aliases.alias(Alias::InstanceExport { instance, kind: ComponentExportKind::Type, name });
                    take(&mut self.next.types)
                }
            };
            resources.push((n, ty, found.resource.import_name()));
        }
        let mut types = ComponentTypeSection::new();
        let mut imports = ComponentImportSection::new();
        let mut canonical = CanonicalFunctionSection::new();
        let mut functions = Vec::new();
        for (n, ty, name) in resources {
            types.defined_type().own(ty);
            let own = ComponentValType::Type(take(&mut self.next.types));
            types.function().params([("rep", U32)]).result(Some(own));
            imports.import(&*name, ComponentTypeRef::Func(take(&mut self.next.types)));
            canonical.lower(take(&mut self.next.functions), []);
            functions.push((Access::Make(n).name(), take(&mut self.next.core_functions)));
            canonical.resource_drop(ty);
            functions.push((Access::Drop(n).name(), take(&mut self.next.core_functions)));
        }
        if !aliases.is_empty() {
            self.section(&aliases);
        }
        if !functions.is_empty() {
            self.section(&types);
            self.section(&imports);
            self.section(&canonical);
        }
        functions
    }

    /// Adds an instance of the access module.
    fn instantiate(&mut self, plan: &Plan, host: &[(String, u32)]) -> u32 {
        let module = plan.module();
        self.section(&ModuleSection(&module));
        let module = take(&mut self.next.modules);

        let mut instances = InstanceSection::new();
        let _ = instances
            .export_items(host.iter().map(|(name, index)| (name.as_str(), ExportKind::Func, *index)));
        let host = take(&mut self.next.core_instances);
        let arguments: Vec<_> = plan
            .instances()
            .into_iter()
            .map(|instance| (import_name(instance), instance))
            .chain(once((HOST.to_owned(), host)))
            .collect();
        instances.instantiate(
            module,
            arguments.iter().map(|(name, instance)| (name.as_str(), ModuleArg::Instance(*instance))),
        );
        self.section(&instances);
        take(&mut self.next.core_instances)
    }

    /// Lifts the functions of the access module, and exports them as an instance.
    fn export(&mut self, plan: &Plan, instance: u32) {
        let mut aliases = ComponentAliasSection::new();
        let mut functions = HashMap::new();
        for function in &plan.functions {
            let name = &function.name();
            aliases.alias(Alias::CoreInstanceExport { instance, kind: ExportKind::Func, name });
            functions.insert(*function, take(&mut self.next.core_functions));
        }
        let mut memories = Vec::new();
        for (instance, name) in &plan.memories {
            aliases.alias(Alias::CoreInstanceExport { instance: *instance, kind: ExportKind::Memory, name });
            memories.push(take(&mut self.next.core_memories));
        }
        self.section(&aliases);

        let mut types = ComponentTypeSection::new();
        types.defined_type().list(PrimitiveValType::U8);
        let bytes = ComponentValType::Type(take(&mut self.next.types));
        let mut canonical = CanonicalFunctionSection::new();
        let mut exports = Vec::new();
        let memory = |k: u32| memories.get(k as usize).map(|index| CanonicalOption::Memory(*index));
        let option = |function| functions.get(&function).copied();
        for function in &plan.functions {
            let Some((params, result)) = lifted(*function, bytes) else { continue };
            types.function().params(params.iter().copied()).result(result);
            let options: Vec<CanonicalOption> = match *function {
                Access::Read(k) => memory(k)
                    .into_iter()
                    .chain(option(Access::PostReturn(k)).map(CanonicalOption::PostReturn))
                    .collect(),
                Access::Write(k) => memory(k)
                    .into_iter()
                    .chain(option(Access::Realloc).map(CanonicalOption::Realloc))
                    .collect(),
                _ => Vec::new(),
            };
            canonical.lift(functions[function], take(&mut self.next.types), options);
            exports.push((function.name(), take(&mut self.next.functions)));
        }
        self.section(&types);
        self.section(&canonical);

        let mut instances = ComponentInstanceSection::new();
        instances.export_items(
            exports.iter().map(|(name, index)| (name.as_str(), ComponentExportKind::Func, *index)),
        );
        self.section(&instances);
        let mut exports = ComponentExportSection::new();
        exports.export(ACCESS, ComponentExportKind::Instance, take(&mut self.next.instances), None);
        self.section(&exports);
    }
}

const U32: ComponentValType = ComponentValType::Primitive(PrimitiveValType::U32);
const S32: ComponentValType = ComponentValType::Primitive(PrimitiveValType::S32);
const U64: ComponentValType = ComponentValType::Primitive(PrimitiveValType::U64);

type Signature = (Vec<(&'static str, ComponentValType)>, Option<ComponentValType>);

/// Type of a function as the host calls it; the host calls neither of the two that the canonical ABI does.
fn lifted(function: Access, bytes: ComponentValType) -> Option<Signature> {
    Some(match function {
        Access::Size(_) => (vec![], Some(U32)),
        Access::Grow(_) => (vec![("n", U32)], Some(S32)),
        Access::Read(_) => (vec![("off", U32), ("len", U32)], Some(bytes)),
        Access::Write(_) => (vec![("data", bytes)], None),
        Access::Seek => (vec![("off", U32)], None),
        Access::Get => (vec![("i", U32)], Some(U64)),
        Access::Set => (vec![("i", U32), ("v", U64)], None),
        Access::Make(_) => (vec![("rep", U32)], Some(U32)),
        Access::Drop(_) => (vec![("handle", U32)], None),
        Access::PostReturn(_) | Access::Realloc => return None,
    })
}
