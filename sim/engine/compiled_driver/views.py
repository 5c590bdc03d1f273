"""Named tuples of tables as compiled code sees them: one pointer each.

numba passes a named tuple field by field, an array in seven parts: some four hundred arguments at every call, most of what compiling
would take. A View is a list of words in memory, three for each field: an array's address and shape, a record's or another view's address,
or a number. Tables stay where they are while code is running, so what is loaded from a view may be kept.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numba import typeof
from numba.core import cgutils, types
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    lower_getattr_generic,
    models,
    register_model,
    typeof_impl,
    unbox,
)

WORDS = 3  # of each field


class ViewType(types.Type):
    """``fields``: numba's types by name; NoneType for what is not there."""

    def __init__(self, name: str, fields: dict[str, Any]) -> None:
        self.fields = fields
        text = repr([(field, kind.name) for field, kind in fields.items()])
        super().__init__(name=f"{name}_{hashlib.sha256(text.encode()).hexdigest()[:12]}")


@register_model(ViewType)
class ViewModel(models.OpaqueModel):
    pass


class View:
    """Of a named tuple, which it keeps alive. ``address``: of its words; ``kind``: the type that it is known to have."""

    def __init__(self, of: Any, kind: ViewType | None = None) -> None:
        kinds = {} if kind is None else kind.fields
        parts = {name: View(part, kinds.get(name)) if isinstance(part, tuple) else part for name, part in of._asdict().items()}
        self.parts = parts
        self.words = np.zeros(WORDS * len(parts), np.int64)
        self.address = self.words.ctypes.data
        for place, part in enumerate(parts.values()):
            words = words_of(part)
            self.words[WORDS * place : WORDS * place + len(words)] = words
        self.type = kind or ViewType(type(of).__name__, {name: typeof(part) for name, part in parts.items()})


def words_of(part: Any) -> list[int]:
    if part is None:
        return []
    if isinstance(part, View):
        return [part.address]
    if isinstance(part, np.ndarray):
        assert part.flags.c_contiguous
        return [part.ctypes.data, *part.shape]
    if isinstance(part, np.void):
        return [part.__array_interface__["data"][0]]
    return [part]


@typeof_impl.register(View)
def type_of_view(view: View, c: Any) -> ViewType:
    return view.type


@unbox(ViewType)
def unbox_view(kind: ViewType, obj: Any, c: Any) -> NativeValue:
    number = c.pyapi.object_getattr_string(obj, "address")
    address = c.pyapi.long_as_voidptr(number)
    c.pyapi.decref(number)
    return NativeValue(c.builder.bitcast(address, c.context.get_value_type(kind)))


@infer_getattr
class FieldsOfViews(AttributeTemplate):
    key = ViewType

    def generic_resolve(self, view: ViewType, name: str) -> Any:  # type: ignore[override]
        return view.fields.get(name)


@lower_getattr_generic(ViewType)
def load_field(context: Any, builder: Any, view: ViewType, value: Any, name: str) -> Any:
    kind, place = view.fields[name], list(view.fields).index(name)
    if isinstance(kind, types.NoneType):
        return context.get_dummy_value()
    words = builder.bitcast(value, cgutils.intp_t.as_pointer())

    def word(number: int) -> Any:
        loaded = builder.load(builder.gep(words, [context.get_constant(types.intp, WORDS * place + number)], inbounds=True))
        loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
        return loaded

    if isinstance(kind, types.Integer):
        return word(0)
    if not isinstance(kind, types.Array):
        return builder.inttoptr(word(0), context.get_value_type(kind))
    return array_at(context, builder, kind, word)


def array_at(context: Any, builder: Any, kind: Any, word: Any) -> Any:
    array = context.make_array(kind)(context, builder)
    shape = [word(1 + dimension) for dimension in range(kind.ndim)]
    size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides = [size]
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    array.data = builder.inttoptr(word(0), array.data.type)
    array.shape = cgutils.pack_array(builder, shape)
    array.strides = cgutils.pack_array(builder, strides)
    array.itemsize = size
    items = shape[0]
    for length in shape[1:]:
        items = builder.mul(items, length)
    array.nitems = items
    array.meminfo = cgutils.get_null_value(array.meminfo.type)
    array.parent = cgutils.get_null_value(array.parent.type)
    return array._getvalue()
