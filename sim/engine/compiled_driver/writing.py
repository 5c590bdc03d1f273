"""Copying fields between calls and rows: functions made from the lists of columns, so that these stand in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sim.engine.compiled_driver.numbing import function_of, jitable, means
from sim.gateway import chain
from sim.gateway.rows import ATTEMPT_COLUMNS, ATTEMPT_FIELDS


def copier(pairs: Iterable[tuple[str, str]]) -> Callable[..., Any]:
    """A function of (into, taken) that copies fields, named by pairs of identifiers."""
    return jitable(function_of("into, taken", [f"into.{name} = taken.{field}" for name, field in pairs], {}))


write_call = copier((name, name) for name in chain.Request.__slots__)


def write_request(into: Any, taken: Any) -> None:
    raise NotImplementedError


@means(write_request)
def compiled_write_request(into: Any, taken: Any) -> Callable[..., Any]:
    """The columns that the rows have."""
    return function_of("into, taken", [f"into.{name} = taken.{name}" for name in into.fields if name != "replication"], {})


write_attempt = copier(zip((name for name in ATTEMPT_COLUMNS if name != "replication"), ATTEMPT_FIELDS, strict=True))
