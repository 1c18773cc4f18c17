//! The resource types that a component imports.

use std::collections::HashSet;

use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType, ResourceId};
use wasmparser::types::TypesRef;
use wasmparser::{ComponentImportSectionReader, ComponentTypeRef};

use crate::{MAX_RESOURCES, RESTORABLE, RESTORE, Resource, Unsuspendable};

/// A resource type that is imported.
#[derive(Debug)]
pub(crate) struct Imported {
    pub(crate) resource: Resource,
    pub(crate) origin: Origin,
}

/// Where the type is found.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin {
    /// An export of this instance.
    Instance(u32),
    /// This type.
    Type(u32),
}

/// Those found so far.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    pub(crate) found: Vec<Imported>,
    seen: HashSet<ResourceId>,
}

/// Number of instances and types there were before a section.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before {
    pub(crate) instances: u32,
    pub(crate) types: u32,
}

impl Resources {
    /// Takes note of a section of imports of the outermost component; `types` are those after it.
    pub(crate) fn read(
        &mut self,
        section: &ComponentImportSectionReader<'_>,
        before: Before,
        types: TypesRef<'_>,
    ) -> Result<(), Unsuspendable> {
        let Before { mut instances, types: mut type_count } = before;
        for import in section.clone() {
            let import = import.map_err(|error| Unsuspendable::invalid(&error))?;
            let name = import.name.name;
            match import.ty {
                ComponentTypeRef::Instance(_) => {
                    self.interface(name, instances, types)?;
                    instances += 1;
                }
                ComponentTypeRef::Type(_) => {
                    let any = types.component_any_type_at(type_count);
                    self.add(any, "", name, Origin::Type(type_count))?;
                    type_count += 1;
                }
                ComponentTypeRef::Module(_) => return Err(Unsuspendable::ModuleImport),
                ComponentTypeRef::Component(_) => return Err(Unsuspendable::ComponentImport),
                ComponentTypeRef::Func(_) | ComponentTypeRef::Value(_) => {}
            }
        }
        Ok(())
    }

    fn interface(&mut self, interface: &str, index: u32, types: TypesRef<'_>) -> Result<(), Unsuspendable> {
        for (name, item) in &types[types.component_instance_at(index)].exports {
            match item.ty {
                ComponentEntityType::Type { created, .. } => {
                    self.add(created, interface, name, Origin::Instance(index))?;
                }
                ComponentEntityType::Func(_) | ComponentEntityType::Value(_) => {}
                ComponentEntityType::Module(_)
                | ComponentEntityType::Instance(_)
                | ComponentEntityType::Component(_) => {
                    return Err(Unsuspendable::NestedInterface { interface: interface.to_owned() });
                }
            }
        }
        Ok(())
    }

    /// Adds a type if it is a resource that was not seen under another name.
    fn add(
        &mut self,
        any: ComponentAnyTypeId,
        interface: &str,
        name: &str,
        origin: Origin,
    ) -> Result<(), Unsuspendable> {
        let ComponentAnyTypeId::Resource(id) = any else { return Ok(()) };
        if !self.seen.insert(id.resource()) {
            return Ok(());
        }
        if self.found.len() == MAX_RESOURCES {
            return Err(Unsuspendable::TooLarge { what: "imported resource types", limit: MAX_RESOURCES });
        }
        let restorable =
            RESTORABLE.contains(&name) && !self.found.iter().any(|other| other.resource.name == name);
        let resource = Resource { interface: interface.to_owned(), name: name.to_owned(), restorable };
        self.found.push(Imported { resource, origin });
        Ok(())
    }
}

impl Resource {
    /// Name of the import that makes handles of it.
    pub(crate) fn import_name(&self) -> String {
        format!("{RESTORE}{}", self.name)
    }
}
