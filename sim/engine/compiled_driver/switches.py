"""What Python finds in tables of functions, compiled: comparisons of numbers. The gateway's type says which stages there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from types import ModuleType
from typing import Any

from sim.engine.compiled_driver.numbing import function_of, is_there, means
from sim.gateway import chain, hooks
from sim.gateway.call import CONTINUE
from sim.gateway.chain import STAGES, hook_of, hooks_of, name_of, stages_passed, timers
from sim.kernel.containers import NOBODY

Hook = Callable[..., Any]


def used_by(g: Any) -> list[ModuleType]:
    """The stages of a gateway of which the type is given."""
    return [stage for stage in STAGES if is_there(g, name_of(stage))]


def switch(number: str, arguments: str, passed: str, cases: Sequence[tuple[int, Hook]], otherwise: str) -> Hook:
    """A function of ``arguments`` that calls the case of ``number`` with ``passed``, or evaluates ``otherwise``."""
    lines = [f"if {number} == {place}: return hook_{place}({passed})" for place, _ in cases]
    names: dict[str, Any] = {f"hook_{place}": hook for place, hook in cases} | {"CONTINUE": CONTINUE, "inf": inf}
    return function_of(arguments, [*lines, f"return {otherwise}"], names)


def cases_of(g: Any, hook: str) -> list[tuple[int, Hook]]:
    """Places on the path of those stages that have the hook."""
    found = ((place, hook_of(stage, hook)) for place, stage in enumerate(stages_passed(used_by(g))))
    return [(place, function) for place, function in found if function is not None]


def chosen_by_stage(name: str, otherwise: str) -> None:
    @means(getattr(chain, name))
    def compiled(g: Any, c: Any, now_s: float) -> Hook:
        return switch("c.stage", "g, c, now_s", "g, c, now_s", cases_of(g, name), otherwise)


chosen_by_stage("enter", "CONTINUE")
chosen_by_stage("woken", "CONTINUE")  # there is one wherever a call can wait
chosen_by_stage("rescue", "c.outcome")
chosen_by_stage("review", "c.outcome")
chosen_by_stage("hold", "c.outcome")
chosen_by_stage("leave", "None")


@means(chain.tick)
def compiled_tick(g: Any, number: int, now_s: float) -> Hook:
    return switch("number", "g, number, now_s", "g, now_s", list(enumerate(timers(used_by(g)))), "inf")


@means(hooks.permits)
def compiled_permits(g: Any, target: int, now_s: float) -> Hook:
    return joined("g, target, now_s", "and", hooks_of(used_by(g), "permits"), "True")


@means(hooks.stale)
def compiled_stale(g: Any, c: Any, now_s: float) -> Hook:
    return joined("g, c, now_s", "or", hooks_of(used_by(g), "stale"), "False")


@means(hooks.load)
def compiled_load(g: Any, signal: int, now_s: float) -> Hook:
    return joined("g, signal, now_s", "+", hooks_of(used_by(g), "load"), "0.0")


@means(hooks.nearest)
def compiled_nearest(g: Any, c: Any, now_s: float) -> Hook:
    return joined("g, c, now_s", "or", hooks_of(used_by(g), "nearest_by_law"), str(NOBODY))


@means(hooks.busy_s)
def compiled_busy_s(g: Any, number: int, now_s: float) -> Hook:
    return joined("g, number, now_s", "+", hooks_of(used_by(g), "busy_s"), "0.0")


@means(hooks.trip_s)
def compiled_trip_s(g: Any, c: Any, target: int) -> Hook:
    return joined("g, c, target", "+", hooks_of(used_by(g), "trip_s"), "0.0")


@means(hooks.resized)
def compiled_resized(g: Any, workers: int, now_s: float) -> Hook:
    told = {f"hook_{place}": hook for place, hook in enumerate(hooks_of(used_by(g), "resized"))}
    return function_of("g, workers, now_s", [*(f"{name}(g, workers, now_s)" for name in told), "return None"], told)


@means(hooks.ask)
def compiled_ask(g: Any, c: Any, shelf: int, now_s: float) -> Hook:
    return joined("g, c, shelf, now_s", "or", hooks_of(used_by(g), "ask_by_law"), str(CONTINUE))


def joined(arguments: str, word: str, hooks: Sequence[Hook], without: str) -> Hook:
    """What the hooks answer, with a word between them."""
    names: dict[str, Any] = {f"hook_{place}": hook for place, hook in enumerate(hooks)}
    said = f" {word} ".join(f"{name}({arguments})" for name in names) or without
    return function_of(arguments, [f"return {said}"], names)
