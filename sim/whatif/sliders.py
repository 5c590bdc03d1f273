"""A scenario's knobs as sliders: what ``plan`` may raise and what else is turned most, with the values that the language allows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from sim.analysis.knobs import KNOBS, Steps
from sim.scenario.errors import ScenarioError, write_path
from sim.scenario.load import Loaded
from sim.whatif.configurations import Load

ANY = "*"
GATEWAY: tuple[Steps, ...] = (
    ("gateway", "queue", "concurrency"),
    ("gateway", "queue", "waiting"),
    ("gateway", "queue", "timeout"),
    ("gateway", "retry", "attempts"),
    ("gateway", "retry", "budget"),
    ("gateway", "cache", ANY, "ttl"),
)
PROVIDERS: tuple[Steps, ...] = (("providers", ANY, "limits", "requests"), ("providers", ANY, "limits", "tokens"))
SCALES = (0.1, 0.2, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 50, 70, 100, 200, 300, 500, 1000)
FACTORS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 1, 1.2, 1.5, 2, 3, 4, 6, 10)
FEW = 8
"""Up to half of this many, counts are turned one by one: attempts, workers, keys."""
FROM_ZERO = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
DIGITS = 3
MEASURED = re.compile(r"(?P<number>\d+(?:\.\d+)?(?:e[-+]?\d+)?)(?P<unit>s|/.+)")
"""A duration or a rate in canonical form."""


class Slider(NamedTuple):
    """``path`` and its ``values`` in rising order, as ``--set`` takes them; ``now`` is the place of the scenario's own."""

    path: str
    values: tuple[str, ...]
    now: int


def sliders_of(loaded: Loaded, load: Load) -> list[Slider]:
    """Those for which the scenario has a number, be it a default; the gateway's before the providers'. ``load`` says which values the
    language allows.
    """
    tree = loaded.tree()
    raised = [tuple(ANY if str(step).startswith("<") else step for step in steps) for _, steps in KNOBS]
    found = dict.fromkeys(steps for pattern in (*GATEWAY, *raised, *PROVIDERS) for steps, _ in matches(tree, pattern))
    made = (slider(steps, value_at(tree, steps), load) for steps in sorted(found, key=group))
    return [each for each in made if each is not None]


def group(steps: Steps) -> str:
    """A provider's sliders stand together."""
    return "" if steps[0] == "gateway" else str(steps[1])


def matches(tree: Any, pattern: Steps, above: Steps = ()) -> Iterator[tuple[Steps, Any]]:
    """The places that a pattern reaches, and what stands there."""
    if not pattern:
        yield above, tree
        return
    step, *rest = pattern
    entries = dict(enumerate(tree)) if isinstance(tree, list) else tree if isinstance(tree, dict) else {}
    for key in entries if step == ANY else [step] if step in entries else []:
        yield from matches(entries[key], tuple(rest), (*above, key))


def value_at(tree: Any, steps: Steps) -> Any:
    for step in steps:
        tree = tree[step]
    return tree


def slider(steps: Steps, value: Any, load: Load) -> Slider | None:
    """None for what is no number, or cannot be turned."""
    values, path = list(ladder(value)), write_path(steps)
    own = text_of(value)

    def refused(text: str) -> bool:
        try:
            load([f"{path}={text}"])
        except ScenarioError:
            return True
        return False

    for end in (-1, 0):
        while values and values[end] != own and refused(values[end]):
            del values[end]
    return Slider(path, tuple(values), values.index(own)) if len(values) > 1 else None


def ladder(value: Any) -> Iterator[str]:
    """Values around one in canonical form, in rising order, itself among them; none around what is no number."""
    if isinstance(value, bool):
        return
    found = MEASURED.fullmatch(str(value))
    if found is None and not isinstance(value, int | float):
        return
    number, unit = (float(found["number"]), found["unit"]) if found else (value, "")
    yield from (f"{each:.12g}{unit}" for each in sorted({number, *around(number, whole=isinstance(value, int))}))


def around(number: float, whole: bool) -> set[float]:
    if number == 0:
        return set(FROM_ZERO)
    if whole and number <= FEW / 2:
        return set(range(1, FEW + 1))
    return {max(1, round(number * factor)) if whole else float(f"{number * factor:.{DIGITS}g}") for factor in FACTORS}


def text_of(value: Any) -> str:
    """As ``ladder`` spells it."""
    found = MEASURED.fullmatch(str(value))
    return f"{float(found['number']):.12g}{found['unit']}" if found else f"{value:.12g}" if isinstance(value, int | float) else str(value)


def scales_with(scale: float) -> tuple[float, ...]:
    """The scales to choose from, in rising order, with the one that is asked for."""
    return tuple(sorted({*SCALES, scale}))
