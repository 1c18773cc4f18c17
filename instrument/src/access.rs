//! The access module: a core module that imports every memory and mutable global, and has a function for all that
//! is done with them.

mod body;

use wasm_encoder::{
    CodeSection, ConstExpr, EntityType, ExportKind, ExportSection, Function, FunctionSection, GlobalSection,
    GlobalType, ImportSection, MemoryType, Module, TypeSection, ValType,
};
use wasmparser::ValType as Parsed;

use crate::module::{global_name, memory_name};
use crate::scan::Scan;
use crate::{Layout, MAX_GLOBALS, MAX_MEMORIES, Resource, Unsuspendable};

/// Name that the functions of the host are imported under.
pub(crate) const HOST: &str = "host";

/// What the access module gives access to, in its order.
#[derive(Debug)]
pub(crate) struct Plan {
    /// By instance and name of its export.
    pub(crate) memories: Vec<(u32, String)>,
    globals: Vec<Global>,
    parts: Vec<Part>,
    resources: Vec<Resource>,
    pub(crate) functions: Vec<Access>,
}

/// A mutable global.
#[derive(Debug)]
struct Global {
    instance: u32,
    name: String,
    ty: ValType,
}

/// 64 bits of a mutable global.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// Which global.
    global: u32,
    ty: ValType,
    /// Which lane of a vector.
    lane: u8,
}

/// A function of the access module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Access {
    Size(u32),
    Grow(u32),
    Read(u32),
    PostReturn(u32),
    Write(u32),
    Seek,
    Realloc,
    Get,
    Set,
    /// By index of the resource.
    Make(usize),
    /// By index of the resource.
    Drop(usize),
}

impl Access {
    /// Name of its export.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Size(k) => format!("size{k}"),
            Self::Grow(k) => format!("grow{k}"),
            Self::Read(k) => format!("read{k}"),
            Self::PostReturn(k) => format!("done{k}"),
            Self::Write(k) => format!("write{k}"),
            Self::Seek => "seek".to_owned(),
            Self::Realloc => "realloc".to_owned(),
            Self::Get => "gget".to_owned(),
            Self::Set => "gset".to_owned(),
            Self::Make(n) => format!("make{n}"),
            Self::Drop(n) => format!("drop{n}"),
        }
    }

    /// Its parameters and results.
    fn signature(self) -> (&'static [ValType], &'static [ValType]) {
        use ValType::{I32, I64};
        match self {
            Self::Size(_) => (&[], &[I32]),
            Self::Grow(_) | Self::Make(_) => (&[I32], &[I32]),
            Self::Read(_) => (&[I32, I32], &[I32]),
            Self::PostReturn(_) | Self::Seek | Self::Drop(_) => (&[I32], &[]),
            Self::Write(_) => (&[I32, I32], &[]),
            Self::Realloc => (&[I32, I32, I32, I32], &[I32]),
            Self::Get => (&[I32], &[I64]),
            Self::Set => (&[I32, I64], &[]),
        }
    }
}

impl Plan {
    /// What to give access to: the state of every instance, in the order they are instantiated.
    pub(crate) fn of(scan: &Scan) -> Result<Self, Unsuspendable> {
        let (mut memories, mut globals, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        for (instance, module) in &scan.instances {
            let Some(module) = scan.modules.get(*module) else { continue };
            memories.extend((0..module.memories.len()).map(|n| (*instance, memory_name(n))));
            for (n, (_, ty)) in module.globals.iter().enumerate() {
                let Some(ty) = value_type(*ty) else { continue };
                let global = u32::try_from(globals.len()).unwrap_or(u32::MAX);
                parts.push(Part { global, ty, lane: 0 });
                if ty == ValType::V128 {
                    parts.push(Part { global, ty, lane: 1 });
                }
                globals.push(Global { instance: *instance, name: global_name(n), ty });
            }
            // here, so that neither grows further than one module takes it
            if memories.len() > MAX_MEMORIES {
                return Err(Unsuspendable::TooLarge { what: "linear memories", limit: MAX_MEMORIES });
            }
            if parts.len() > MAX_GLOBALS {
                return Err(Unsuspendable::TooLarge { what: "mutable globals", limit: MAX_GLOBALS });
            }
        }
        let resources: Vec<Resource> = scan.resources.iter().map(|found| found.resource.clone()).collect();

        let mut functions = Vec::new();
        for k in (0u32..).take(memories.len()) {
            functions.extend([
                Access::Size(k),
                Access::Grow(k),
                Access::Read(k),
                Access::PostReturn(k),
                Access::Write(k),
            ]);
        }
        functions.extend([Access::Seek, Access::Realloc, Access::Get, Access::Set]);
        for n in restorable(&resources) {
            functions.extend([Access::Make(n), Access::Drop(n)]);
        }
        Ok(Self { memories, globals, parts, resources, functions })
    }

    /// As the host sees it.
    pub(crate) fn layout(&self) -> Layout {
        Layout {
            // both are bounded far below
            memories: u32::try_from(self.memories.len()).unwrap_or(u32::MAX),
            globals: u32::try_from(self.parts.len()).unwrap_or(u32::MAX),
            resources: self.resources.clone(),
        }
    }

    /// Instances it imports from, each once.
    pub(crate) fn instances(&self) -> Vec<u32> {
        let memories = self.memories.iter().map(|(instance, _)| *instance);
        let mut instances: Vec<u32> =
            memories.chain(self.globals.iter().map(|global| global.instance)).collect();
        instances.sort_unstable();
        instances.dedup();
        instances
    }

    /// Names and indices of the resources that are restorable.
    pub(crate) fn restorable(&self) -> impl Iterator<Item = usize> {
        restorable(&self.resources)
    }

    /// Functions that the access module imports from [`HOST`]: for each restorable resource one that makes a handle,
    /// then one that drops it.
    fn imports(&self) -> Vec<Access> {
        self.restorable().flat_map(|n| [Access::Make(n), Access::Drop(n)]).collect()
    }

    /// The access module.
    pub(crate) fn module(&self) -> Module {
        let mut types = TypeSection::new();
        let mut imports = ImportSection::new();
        for (instance, name) in &self.memories {
            // any size matches: what the memory's own type says holds
            let ty = MemoryType {
                minimum: 0,
                maximum: None,
                memory64: false,
                shared: false,
                page_size_log2: None,
            };
            imports.import(&import_name(*instance), name, EntityType::Memory(ty));
        }
        for Global { instance, name, ty } in &self.globals {
            imports.import(&import_name(*instance), name, EntityType::Global(variable(*ty)));
        }
        let mut type_count = 0;
        let mut type_of = |function: Access| {
            let (params, results) = function.signature();
            types.ty().function(params.iter().copied(), results.iter().copied());
            type_count += 1;
            type_count - 1
        };
        let host = self.imports();
        for function in &host {
            imports.import(HOST, &function.name(), EntityType::Function(type_of(*function)));
        }

        let own = u32::try_from(self.globals.len()).unwrap_or(u32::MAX);
        let mut variables = GlobalSection::new();
        variables.global(variable(ValType::I32), &ConstExpr::i32_const(0));
        variables.global(variable(ValType::I64), &ConstExpr::i64_const(0));
        let scratch = body::Scratch { target: own, saved: own + 1 };

        let (mut functions, mut exports, mut code) =
            (FunctionSection::new(), ExportSection::new(), CodeSection::new());
        let imported = u32::try_from(host.len()).unwrap_or(u32::MAX);
        for (index, function) in (imported..).zip(&self.functions) {
            functions.function(type_of(*function));
            exports.export(&function.name(), ExportKind::Func, index);
            let called = host.iter().position(|other| other == function);
            code.function(&self.body(*function, scratch, called));
        }
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&functions).section(&variables);
        module.section(&exports).section(&code);
        module
    }

    fn body(&self, function: Access, scratch: body::Scratch, called: Option<usize>) -> Function {
        match function {
            Access::Size(k) => body::size(k),
            Access::Grow(k) => body::grow(k),
            Access::Read(k) => body::read(k, scratch),
            Access::PostReturn(k) => body::post_return(k, scratch),
            // the bytes are in place: `realloc` said where
            Access::Write(_) => body::nothing(),
            Access::Seek => body::seek(scratch),
            Access::Realloc => body::realloc(scratch),
            Access::Get => body::get(&self.parts),
            Access::Set => body::set(&self.parts),
            Access::Make(_) | Access::Drop(_) => body::forward(called),
        }
    }
}

/// Indices of the resources that are restorable.
fn restorable(resources: &[Resource]) -> impl Iterator<Item = usize> {
    resources.iter().enumerate().filter(|(_, resource)| resource.restorable).map(|(n, _)| n)
}

/// Name that what an instance exports is imported under.
pub(crate) fn import_name(instance: u32) -> String {
    format!("i{instance}")
}

fn variable(val_type: ValType) -> GlobalType {
    GlobalType { val_type, mutable: true, shared: false }
}

/// The type, but for references, which a scan refuses.
fn value_type(ty: Parsed) -> Option<ValType> {
    match ty {
        Parsed::I32 => Some(ValType::I32),
        Parsed::I64 => Some(ValType::I64),
        Parsed::F32 => Some(ValType::F32),
        Parsed::F64 => Some(ValType::F64),
        Parsed::V128 => Some(ValType::V128),
        Parsed::Ref(_) => None,
    }
}
