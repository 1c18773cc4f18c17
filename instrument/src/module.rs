//! A core module: what state it has, and its bytes with exports that reach it.

use std::ops::Range;

use wasm_encoder::{Encode as _, ExportKind};
use wasmparser::{BinaryReader, FunctionBody, GlobalType, MemoryType, Operator, Payload, TypeRef, ValType};

use crate::Unsuspendable;

/// What the names of exports begin with that are added to core modules.
const PREFIX: &str = "__openclaw_";

/// Name of the export of memory `n` of those a module defines.
pub(crate) fn memory_name(n: usize) -> String {
    format!("{PREFIX}m{n}")
}

/// Name of the export of mutable global `n` of those a module defines.
pub(crate) fn global_name(n: usize) -> String {
    format!("{PREFIX}g{n}")
}

/// A core module, as far as it was read.
#[derive(Debug)]
pub(crate) struct Module {
    /// Which of the component's.
    number: usize,
    /// Its section in the component, from the section's id on.
    pub(crate) section: Range<usize>,
    /// Its bytes in the component.
    range: Range<usize>,
    /// End of the last section that was read.
    cursor: usize,
    memory_count: u32,
    global_count: u32,
    /// Indices of the memories it defines.
    pub(crate) memories: Vec<u32>,
    /// Indices and types of the mutable globals it defines.
    pub(crate) globals: Vec<(u32, ValType)>,
    exports: Exports,
}

/// Where the exports of a module are.
#[derive(Debug)]
enum Exports {
    /// Nowhere yet: a section of them would go to the end.
    Unseen,
    /// There are none; a section of them goes here.
    Absent(usize),
    /// In a section.
    Present { section: Range<usize>, count: u32, entries: Range<usize> },
}

impl Module {
    pub(crate) fn new(number: usize, section: Range<usize>, range: Range<usize>) -> Self {
        Self {
            number,
            section,
            cursor: range.start,
            range,
            memory_count: 0,
            global_count: 0,
            memories: Vec::new(),
            globals: Vec::new(),
            exports: Exports::Unseen,
        }
    }

    /// Whether an instance of it has state that is captured.
    pub(crate) fn has_state(&self) -> bool {
        !self.memories.is_empty() || !self.globals.is_empty()
    }

    /// Takes note of the next part of it, which is valid.
    pub(crate) fn read(&mut self, payload: &Payload<'_>, component: &[u8]) -> Result<(), Unsuspendable> {
        let start = self.cursor;
        if let Payload::Version { range, .. } = payload {
            self.cursor = range.end;
        } else if let Some((id, range)) = payload.as_section() {
            self.cursor = range.end;
            // start, elements, count of data, code, data: exports come before all of them
            if matches!(self.exports, Exports::Unseen) && matches!(id, 8..=12) {
                self.exports = Exports::Absent(start);
            }
        }
        match payload {
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports() {
                    match import.map_err(|error| Unsuspendable::invalid(&error))?.ty {
                        TypeRef::Memory(ty) => self.memory(ty, false)?,
                        TypeRef::Global(ty) => self.global(ty, false)?,
                        TypeRef::Func(_) | TypeRef::FuncExact(_) | TypeRef::Table(_) | TypeRef::Tag(_) => {}
                    }
                }
            }
            Payload::MemorySection(section) => {
                for ty in section.clone() {
                    self.memory(ty.map_err(|error| Unsuspendable::invalid(&error))?, true)?;
                }
            }
            Payload::GlobalSection(section) => {
                for global in section.clone() {
                    self.global(global.map_err(|error| Unsuspendable::invalid(&error))?.ty, true)?;
                }
            }
            Payload::ExportSection(section) => {
                for export in section.clone() {
                    let name = export.map_err(|error| Unsuspendable::invalid(&error))?.name;
                    if name.starts_with(PREFIX) {
                        return Err(Unsuspendable::ReservedName { name: name.to_owned() });
                    }
                }
                let content = section.range();
                let mut count = BinaryReader::new(&component[content.clone()], content.start);
                let _ = count.read_var_u32().map_err(|error| Unsuspendable::invalid(&error))?;
                self.exports = Exports::Present {
                    section: start..content.end,
                    count: section.count(),
                    entries: count.original_position()..content.end,
                };
            }
            Payload::CodeSectionEntry(body) => self.code(body)?,
            _ => {}
        }
        Ok(())
    }

    fn memory(&mut self, ty: MemoryType, defined: bool) -> Result<(), Unsuspendable> {
        if ty.shared {
            return Err(Unsuspendable::SharedMemory { module: self.number });
        }
        if ty.memory64 {
            return Err(Unsuspendable::Memory64 { module: self.number });
        }
        if defined {
            self.memories.push(self.memory_count);
        }
        self.memory_count += 1;
        Ok(())
    }

    fn global(&mut self, ty: GlobalType, defined: bool) -> Result<(), Unsuspendable> {
        if ty.mutable && matches!(ty.content_type, ValType::Ref(_)) {
            return Err(Unsuspendable::ReferenceGlobal { module: self.number });
        }
        if ty.mutable && defined {
            self.globals.push((self.global_count, ty.content_type));
        }
        self.global_count += 1;
        Ok(())
    }

    /// Looks for what changes a table. `data.drop` may stay: whether a segment was dropped is state that is not
    /// captured, but a component that could tell afterwards would have trapped before, in `memory.init`.
    fn code(&self, body: &FunctionBody<'_>) -> Result<(), Unsuspendable> {
        let mut operators = body.get_operators_reader().map_err(|error| Unsuspendable::invalid(&error))?;
        while !operators.eof() {
            let operator = match operators.read().map_err(|error| Unsuspendable::invalid(&error))? {
                Operator::TableSet { .. } => "table.set",
                Operator::TableGrow { .. } => "table.grow",
                Operator::TableFill { .. } => "table.fill",
                Operator::TableCopy { .. } => "table.copy",
                Operator::TableInit { .. } => "table.init",
                Operator::ElemDrop { .. } => "elem.drop",
                _ => continue,
            };
            return Err(Unsuspendable::TableMutation { module: self.number, operator });
        }
        Ok(())
    }

    /// Its bytes, with an export for each memory and mutable global it defines; everything else stays as it is.
    pub(crate) fn rewrite(&self, component: &[u8]) -> Vec<u8> {
        let mut added = Vec::new();
        let memories =
            self.memories.iter().enumerate().map(|(n, at)| (memory_name(n), ExportKind::Memory, *at));
        let globals =
            self.globals.iter().enumerate().map(|(n, (at, _))| (global_name(n), ExportKind::Global, *at));
        let mut more = 0;
        for (name, kind, index) in memories.chain(globals) {
            name.encode(&mut added);
            kind.encode(&mut added);
            index.encode(&mut added);
            more += 1;
        }
        if more == 0 {
            return component[self.range.clone()].to_vec();
        }
        let (old, count, entries) = match &self.exports {
            Exports::Unseen => (self.range.end..self.range.end, 0, 0..0),
            Exports::Absent(at) => (*at..*at, 0, 0..0),
            Exports::Present { section, count, entries } => (section.clone(), *count, entries.clone()),
        };
        let mut content = Vec::with_capacity(entries.len() + added.len() + 5);
        (count + more).encode(&mut content);
        content.extend_from_slice(&component[entries]);
        content.append(&mut added);

        let mut module = Vec::with_capacity(self.range.len() + content.len() + 16);
        module.extend_from_slice(&component[self.range.start..old.start]);
        module.push(wasm_encoder::SectionId::Export as u8);
        content.encode(&mut module);
        module.extend_from_slice(&component[old.end..self.range.end]);
        module
    }
}
