"""Tables handed on by their address.

A named tuple of arrays is some 300 numbers, and numba passes each of them in every call: most of what it compiled was that. Here the
entry point keeps the tuple in its own memory, and all others take one pointer to it and read its fields by name, as they would the tuple's.
"""

from __future__ import annotations

import hashlib
from typing import Any

from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, lower_getattr_generic, models, register_model


class Shared(types.Type):
    """The address of a named tuple. Its name is short, because the names of functions contain those of their arguments' types."""

    def __init__(self, named: Any) -> None:
        self.named, self.fields, self.types = named, named.fields, named.types
        super().__init__(f"Shared({hashlib.sha256(named.name.encode()).hexdigest()[:16]})")


@register_model(Shared)
class SharedModel(models.PrimitiveModel):
    def __init__(self, manager: Any, shared: Shared) -> None:
        super().__init__(manager, shared, manager.lookup(shared.named).get_value_type().as_pointer())


@infer_getattr
class SharedFields(AttributeTemplate):
    key = Shared

    def generic_resolve(self, shared: Shared, name: str) -> Any:  # type: ignore[override]
        return shared.types[shared.fields.index(name)] if name in shared.fields else None


@lower_getattr_generic(Shared)
def load_field(context: Any, builder: Any, shared: Shared, address: Any, name: str) -> Any:
    return builder.load(cgutils.gep_inbounds(builder, address, 0, shared.fields.index(name)))


def kept(typing_context: Any, named: Any) -> Any:
    """Its address, valid until the calling function returns. The tuple does not change; what its arrays hold may."""

    def keep(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return cgutils.alloca_once_value(builder, arguments[0])

    return Shared(named)(named), keep


shared: Any = intrinsic(kept)
