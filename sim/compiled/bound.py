"""The engine as compiled code sees it: one pointer to views of its arrays, which stay as they are during a call of the loop.

A tuple of so many arrays would be copied at every call. And an array that is taken out of a tuple, or a structref, counts who refers to
it, in steps that lock the bus: more than half of a run's time would go there. A Bound owns nothing and counts nothing.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, lower_getattr_generic, models, register_model

from sim.compiled.cache import compiled
from sim.compiled.dtypes import STAGES, VIEWS
from sim.compiled.rows import RowsType


class BoundType(types.Type):
    """Of a view of ``tables``, a named tuple of arrays. ``bare``: the scenario uses none of STAGES."""

    def __init__(self, tables: Any, bare: bool) -> None:
        self.tables = tables
        self.bare = bare
        super().__init__(name=f"Bound({tables}, {bare})")

    def stored(self, name: str) -> Any:
        return self.tables.types[self.tables.fields.index(name)]

    def seen(self, name: str) -> Any:
        array = self.stored(name)
        return RowsType(array.dtype) if isinstance(array.dtype, types.Record) else array


register_model(BoundType)(models.OpaqueModel)


@infer_getattr
class BoundAttributes(AttributeTemplate):
    key = BoundType

    def generic_resolve(self, bound: BoundType, name: str) -> Any:  # type: ignore[override]
        if name in STAGES:
            return types.boolean
        return bound.seen(name) if name in bound.tables.fields else None


@lower_getattr_generic(BoundType)
def attribute(context: Any, builder: Any, bound: BoundType, pointer: Any, name: str) -> Any:
    """A table, or whether a stage is used: a constant where that is known beforehand, so that what is not used is not compiled."""
    if name not in STAGES:
        return table_of(context, builder, bound, pointer, name)
    if bound.bare:
        return context.get_constant(types.boolean, False)
    worlds = bound.seen("world")
    table = cgutils.create_struct_proxy(worlds)(context, builder, value=table_of(context, builder, bound, pointer, "world"))
    world = builder.bitcast(table.first, context.get_value_type(worlds.record))
    return context.get_getattr(worlds.record, name)(context, builder, worlds.record, world, name)


def table_of(context: Any, builder: Any, bound: BoundType, pointer: Any, name: str) -> Any:
    """The array, without an owner. Its parts are loaded one by one, as optimisers like it, and are said never to change."""
    table = builder.bitcast(pointer, context.get_value_type(bound.tables).as_pointer())
    array = context.make_array(bound.stored(name))(context, builder)
    stored = cgutils.gep_inbounds(builder, table, 0, bound.tables.fields.index(name))
    for number, part in enumerate(array._datamodel._fields):
        if part not in ("meminfo", "parent"):
            setattr(array, part, constant(builder, cgutils.gep_inbounds(builder, stored, 0, number)))
    if not isinstance(bound.seen(name), RowsType):
        return array._getvalue()
    rows = cgutils.create_struct_proxy(bound.seen(name))(context, builder)
    rows.count, rows.first = array.nitems, builder.bitcast(array.data, cgutils.voidptr_t)
    return rows._getvalue()


def constant(builder: Any, address: Any) -> Any:
    """What lies there from before the loop is called until it returns: no store in between can change it, whatever it may look like."""
    load = builder.load(address)
    if load.type.is_pointer or load.type == cgutils.intp_t:  # and not a shape, which is several numbers
        load.set_metadata("invariant.load", builder.module.add_metadata([]))
    return load


def place_of(context: Any, builder: Any, tables: Any, values: Any) -> Any:
    """Where the views of the tables lie: in one of them."""
    number = tables.fields.index("views")
    views = context.make_array(tables.types[number])(context, builder, builder.extract_value(values, number))
    return builder.bitcast(views.data, context.get_value_type(tables).as_pointer())


def keep(context: Any, tables: Any) -> Any:
    """Write views of the tables where a Bound finds them."""

    def write(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        assert context.get_abi_sizeof(context.get_value_type(tables)) <= VIEWS * 8
        builder.store(values[0], place_of(context, builder, tables, values[0]))
        return context.get_dummy_value()

    return types.void(tables), write


def bound_to(context: Any, tables: Any, bare: Any) -> Any:
    """A Bound of tables whose views have been kept, by a call before this one. ``bare`` is True or False, written out."""

    def point(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(place_of(context, builder, tables, values[0]), cgutils.voidptr_t)

    return BoundType(tables, bare.literal_value)(tables, bare), point


kept: Any = intrinsic(keep)
bound: Any = intrinsic(prefer_literal=True)(bound_to)


@compiled
def bind(engine: Any) -> None:
    """To be called before the loop, whenever a table has been replaced."""
    kept(engine)
