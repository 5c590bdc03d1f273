"""What a fit says: a piece of the scenario, as plain data, and its evidence for the comment beside it and for the verb's answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sim.importing.laws import Fit
from sim.scenario.distributions import Distribution
from sim.scenario.units import Seconds


@dataclass
class Evidence:
    """One fit of the import, as the answer lists it. ``fit`` has a picture; ``weak``: too little data, or an assumption."""

    path: str
    says: str
    fit: Fit | None = None
    weak: bool = False
    figure: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {"path": self.path, "says": self.says, "weak": bool(self.weak)}
        return told | ({"fit": self.fit.as_dict()} if self.fit is not None else {})


def seconds(value: float) -> str:
    """A duration as a scenario writes it, four digits."""
    if value == 0:
        return "0s"
    return f"{value * 1e3:.4g}ms" if value < 1 else f"{value:.4g}s" if value < 1e4 else f"{value:.0f}s"


def law_data(law: Distribution) -> dict[str, Any]:
    """A law as a scenario writes it."""
    told: dict[str, Any] = {"kind": law.kind}
    for name in type(law).model_fields:
        value = getattr(law, name)
        if name == "kind" or value is None:
            continue
        if name == "parts":
            told[name] = [{"weight": part.weight, "of": law_data(part.of)} for part in value]
        elif name == "values":
            told[name] = [quantity(each) for each in value]
        else:
            told[name] = law_data(value) if name == "of" else quantity(value)
    return told


def quantity(value: float) -> Any:
    if isinstance(value, Seconds):
        return seconds(value)
    return int(value) if float(value).is_integer() else value
