"""The engine as compiled code sees it: one pointer to a struct of views of its arrays.

A tuple of so many arrays would be copied at every call; and views that own nothing cost no reference counting.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.experimental import structref
from numba.extending import intrinsic

from sim.compiled.cache import compiled
from sim.compiled.engine import Engine
from sim.compiled.kernel import unliteral


@structref.register
class BoundType(types.StructRef):
    preprocess_fields = staticmethod(unliteral)


class Bound(structref.StructRefProxy):
    """The fields of Engine. Whoever makes one keeps the Engine alive."""

    def __new__(cls, *values: Any) -> Bound:
        return structref.StructRefProxy.__new__(cls, *values)


structref.define_proxy(Bound, BoundType, list(Engine._fields))


def unowned(context: Any, array: Any) -> Any:
    """The same array without its owner."""

    def without_owner(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        struct = context.make_array(signature.args[0])(context, builder, values[0])
        struct.meminfo = cgutils.get_null_value(struct.meminfo.type)
        struct.parent = cgutils.get_null_value(struct.parent.type)
        return struct._getvalue()

    return array(array), without_owner


view: Any = intrinsic(unowned)


@compiled
def bind(e: Any) -> Any:
    return Bound(
        view(e.world), view(e.arrival_s), view(e.kind), view(e.user), view(e.conversation), view(e.turn), view(e.prompt),
        view(e.input_tokens), view(e.output_tokens), view(e.history_start), view(e.history_turns), view(e.history_tokens), view(e.cpu_s),
        view(e.lookup_s), view(e.patience_s), view(e.rows), view(e.inside_s), view(e.attempts), view(e.timeline), view(e.moves),
        view(e.lives), view(e.itineraries), view(e.heads), view(e.tails), view(e.heap_at), view(e.heap_order), view(e.heap_what),
        view(e.kinds), view(e.pools), view(e.pool_sizes), view(e.weights), view(e.targets), e.breakers, view(e.worker_free_s),
        view(e.limits), view(e.buckets), view(e.windows), view(e.logs), view(e.log_times), view(e.cache_expires_s), view(e.cache_before),
        view(e.cache_after), view(e.flights), view(e.session_seen_s), view(e.session_first), view(e.session_before),
        view(e.session_after), view(e.providers), view(e.faults), view(e.laws), view(e.law_numbers), view(e.visits),
    )  # fmt: skip
