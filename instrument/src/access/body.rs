//! Bodies of the access module's functions.

use wasm_encoder::{BlockType, Function, InstructionSink, MemArg, ValType};

use super::Part;

/// Where [`read`] leaves its result: clear of address 0, which some programs keep null, in the first page.
const RESULT: i32 = 8;

/// Globals of the access module itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scratch {
    /// Where the next write goes.
    pub(super) target: u32,
    /// What was at [`RESULT`].
    pub(super) saved: u32,
}

pub(super) fn size(memory: u32) -> Function {
    function(|code| {
        code.memory_size(memory);
    })
}

pub(super) fn grow(memory: u32) -> Function {
    function(|code| {
        code.local_get(0).memory_grow(memory);
    })
}

/// Answers where a list is described: its offset and length, as they were asked for.
pub(super) fn read(memory: u32, scratch: Scratch) -> Function {
    let at = |offset, align| MemArg { offset, align, memory_index: memory };
    function(|code| {
        code.i32_const(RESULT).i64_load(at(0, 3)).global_set(scratch.saved);
        code.i32_const(RESULT).local_get(0).i32_store(at(0, 2));
        code.i32_const(RESULT).local_get(1).i32_store(at(4, 2));
        code.i32_const(RESULT);
    })
}

/// Puts back what [`read`] wrote over.
pub(super) fn post_return(memory: u32, scratch: Scratch) -> Function {
    function(|code| {
        code.i32_const(RESULT);
        code.global_get(scratch.saved).i64_store(MemArg { offset: 0, align: 3, memory_index: memory });
    })
}

pub(super) fn nothing() -> Function {
    function(|_| {})
}

pub(super) fn seek(scratch: Scratch) -> Function {
    function(|code| {
        code.local_get(0).global_set(scratch.target);
    })
}

/// Answers where the next write goes, whatever is asked for.
pub(super) fn realloc(scratch: Scratch) -> Function {
    function(|code| {
        code.global_get(scratch.target);
    })
}

/// Calls an imported function with the one argument; traps if there is none.
pub(super) fn forward(called: Option<usize>) -> Function {
    function(|code| match called.and_then(|index| u32::try_from(index).ok()) {
        Some(index) => {
            code.local_get(0).call(index);
        }
        None => {
            code.unreachable();
        }
    })
}

pub(super) fn get(parts: &[Part]) -> Function {
    function(|code| {
        select(code, parts, |code, part| {
            code.global_get(part.global);
            match part.ty {
                ValType::I32 => code.i64_extend_i32_u(),
                // by its bits: a conversion could change those of a NaN
                ValType::F32 => code.i32_reinterpret_f32().i64_extend_i32_u(),
                ValType::F64 => code.i64_reinterpret_f64(),
                ValType::V128 => code.i64x2_extract_lane(part.lane),
                ValType::I64 | ValType::Ref(_) => code,
            };
        });
    })
}

pub(super) fn set(parts: &[Part]) -> Function {
    function(|code| {
        select(code, parts, |code, part| {
            if part.ty == ValType::V128 {
                code.global_get(part.global);
            }
            code.local_get(1);
            match part.ty {
                ValType::I32 => code.i32_wrap_i64(),
                ValType::F32 => code.i32_wrap_i64().f32_reinterpret_i32(),
                ValType::F64 => code.f64_reinterpret_i64(),
                ValType::V128 => code.i64x2_replace_lane(part.lane),
                ValType::I64 | ValType::Ref(_) => code,
            };
            code.global_set(part.global);
        });
    })
}

/// Does what belongs to the part that the first argument says, and returns; traps when there is no such part.
fn select(code: &mut InstructionSink<'_>, parts: &[Part], each: impl Fn(&mut InstructionSink<'_>, &Part)) {
    let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    // the innermost block is left for part 0, the outermost for none
    for _ in 0..=count {
        code.block(BlockType::Empty);
    }
    code.local_get(0).br_table(0..count, count).end();
    for part in parts {
        each(code, part);
        code.return_().end();
    }
    code.unreachable();
}

fn function(body: impl FnOnce(&mut InstructionSink<'_>)) -> Function {
    let mut function = Function::new([]);
    let mut code = function.instructions();
    body(&mut code);
    code.end();
    function
}
