"""What a check finds."""

from __future__ import annotations

from typing import NamedTuple

from sim.scenario.tree import Steps


class Finding(NamedTuple):
    """Something that does not hold at ``path``. A ``warning`` is told, and the scenario runs."""

    path: Steps
    message: str
    hint: str = ""
    warning: bool = False
