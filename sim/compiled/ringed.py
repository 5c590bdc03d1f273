"""A record and its ring: how compiled code holds a policy's state of which one field is a list of any length.

Records cannot contain arrays of different lengths, so these lie in one array beside the records. To a policy function the two are one
object: ``ring`` is the array, every other attribute a field of the record. It owns nothing and costs nothing to make.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, lower_getattr_generic, lower_setattr_generic, models, register_model


class RingedType(types.Type):
    def __init__(self, record: Any, ring: Any) -> None:
        self.record = record
        self.ring = ring
        super().__init__(name=f"Ringed({record}, {ring})")


@register_model(RingedType)
class RingedModel(models.StructModel):
    def __init__(self, manager: Any, of: RingedType) -> None:
        super().__init__(manager, of, [("record", of.record), ("ring", of.ring)])

    def get_return_type(self) -> Any:
        return self.get_value_type()

    def as_return(self, builder: Any, value: Any) -> Any:
        return value

    def from_return(self, builder: Any, value: Any) -> Any:
        return value


@infer_getattr
class RingedAttributes(AttributeTemplate):
    key = RingedType

    def generic_resolve(self, of: RingedType, name: str) -> Any:  # type: ignore[override]
        if name == "ring":
            return of.ring
        return of.record.typeof(name) if name in of.record.fields else None


@lower_getattr_generic(RingedType)
def get(context: Any, builder: Any, of: RingedType, value: Any, name: str) -> Any:
    both = cgutils.create_struct_proxy(of)(context, builder, value=value)
    if name == "ring":
        return both.ring
    return context.get_getattr(of.record, name)(context, builder, of.record, both.record, name)


@lower_setattr_generic(RingedType)
def put(context: Any, builder: Any, signature: Any, values: Any, name: str) -> Any:
    of, kind = signature.args
    both = cgutils.create_struct_proxy(of)(context, builder, value=values[0])
    return context.get_setattr(name, types.void(of.record, kind))(builder, (both.record, values[1]))


def pair(context: Any, record: Any, ring: Any) -> Any:
    """The record with its ring, a view without an owner."""

    def together(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        both = cgutils.create_struct_proxy(signature.return_type)(context, builder)
        both.record, both.ring = values
        return both._getvalue()

    return RingedType(record, ring)(record, ring), together


ringed: Any = intrinsic(pair)
