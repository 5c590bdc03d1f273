"""What a stage may ask of the others, without knowing which of them there are. Compiled, these become comparisons of numbers.

``permits``, ``stale``, ``load``, ``busy_s`` and ``resized`` are hooks like ``enter`` and ``leave``: any stage may have them.
"""

from __future__ import annotations

from copy import copy
from typing import Any

from sim.kernel.containers import NOBODY

WAITING, WAITED, SPENDING = range(3)
"""Signals of load: calls that wait in line, seconds that the first of them has waited, share of the budget of all that is spent."""


def permits(g: Any, target: int, now_s: float) -> bool:
    """Whether every stage that watches the targets' health would let a call through to this one. Changes nothing."""
    for hook in g.path.permits:  # noqa: SIM110 (no generator: this is asked for every target of every call)
        if not hook(g, target, now_s):
            return False
    return True


def stale(g: Any, c: Any, now_s: float) -> bool:
    """Whether some cache has an answer to this prompt, however old."""
    for hook in g.path.stale:  # noqa: SIM110
        if hook(g, c, now_s):
            return True
    return False


def nearest(g: Any, c: Any, now_s: float) -> Any:
    """The prompt with a usable answer that is most like the call's, NOBODY if there is none; ``c.similarity`` says how much. The model goes
    by the semantic cache's law; a real gateway compares embeddings of the texts.
    """
    return g.path.nearest(g, c, now_s)


def load(g: Any, signal: int, now_s: float) -> float:
    """How much there is of what ``signal`` counts; every stage adds what it knows of. Changes nothing."""
    level = 0.0
    for hook in g.path.load:
        level += hook(g, signal, now_s)
    return level


def busy_s(g: Any, number: int, now_s: float) -> float:
    """Seconds that a worker has been busy, until now."""
    seconds = 0.0
    for hook in g.path.busy_s:
        seconds += hook(g, number, now_s)
    return seconds


def trip_s(g: Any, c: Any, target: int) -> float:
    """Seconds of the round trip between the call's gateway and a target, where regions are told apart."""
    seconds = 0.0
    for hook in g.path.trip_s:
        seconds += hook(g, c, target)
    return seconds


def resized(g: Any, workers: int, now_s: float) -> None:
    """So many workers are ready from now on: every stage that goes by their number is told."""
    for hook in g.path.resized:
        hook(g, workers, now_s)


def ask(g: Any, c: Any, shelf: int, now_s: float) -> int:
    """Ask Redis for what it keeps of a call: WAIT. The model goes by the law of a round trip; a real gateway asks a real Redis."""
    return int(g.path.ask(g, c, shelf, now_s))


def take_slot(g: Any) -> int:
    """A free place in ``g.calls``."""
    if g.free:
        return g.free.pop()
    g.calls.append(None)
    return len(g.calls) - 1


def free_slot(g: Any, slot: int) -> None:
    g.free.append(slot)


def fork(g: Any, c: Any) -> Any:
    """A copy of the call in a place of its own."""
    twin = copy(c)
    twin.slot = take_slot(g)
    g.calls[twin.slot] = twin
    return twin


def whole(g: Any, c: Any) -> Any:
    """The call itself, of which a fork is an attempt."""
    return c if c.parent == NOBODY else g.calls[c.parent]


def note(g: Any, now_s: float, kind: int, subject: int, value: int) -> None:
    """Something happened that belongs in events.jsonl: ``kind`` is a code of ``sim.gateway.events``."""
    g.events.append((now_s, kind, subject, value))
