"""Records by number, as compiled code sees an array of them: numbers are never negative, and none of them counts references.

With an array every access would first ask whether its index counts from the end.
"""

from __future__ import annotations

import operator
from typing import Any

from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model


class RowsType(types.Type):
    def __init__(self, record: Any) -> None:
        self.record = record
        super().__init__(name=f"Rows({record})")


@register_model(RowsType)
class RowsModel(models.StructModel):
    def __init__(self, manager: Any, of: RowsType) -> None:
        super().__init__(manager, of, [("count", types.intp), ("first", types.voidptr)])


@infer_global(operator.getitem)
class Row(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        rows, number = args
        if isinstance(rows, RowsType) and isinstance(number, types.Integer):
            return signature(rows.record, rows, types.intp)
        return None


@infer_global(len)
class Count(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(types.intp, *args) if isinstance(args[0], RowsType) else None


@lower_builtin(operator.getitem, RowsType, types.Integer)
def row_of(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    rows = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=values[0])
    size = context.get_constant(types.intp, signature.return_type.size)
    at = builder.gep(rows.first, [builder.mul(values[1], size)], inbounds=True)
    return builder.bitcast(at, context.get_value_type(signature.return_type))


@lower_builtin(len, RowsType)
def count_of(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    return cgutils.create_struct_proxy(signature.args[0])(context, builder, value=values[0]).count
