"""A hint to the processor: what will be needed soon. It changes nothing but the time that it takes."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from sim.compiled.rows import RowsType, row_of

LINE = 64  # bytes that memory hands over at once


def asked_for(context: Any, table: Any, number: Any) -> Any:
    """Ask for record or element ``number`` of a table. Any number will do."""

    def ask(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        table, i32, i64 = signature.args[0], ir.IntType(32), ir.IntType(64)
        if isinstance(table, RowsType):
            size, pointer = table.record.size, row_of(context, builder, table.record(*signature.args), values)
        else:
            array = context.make_array(table)(context, builder, values[0])
            size, pointer = 1, builder.gep(array.data, [values[1]])
        row = builder.bitcast(pointer, cgutils.voidptr_t)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, i32, i32, i32])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [cgutils.voidptr_t], kind)
        for offset in range(0, size, LINE):
            builder.call(prefetch, [builder.gep(row, [i64(offset)]), i32(1), i32(3), i32(1)])  # to write, to be kept, data
        return context.get_dummy_value()

    return types.void(table, types.intp), ask


ask_for: Any = intrinsic(asked_for)
