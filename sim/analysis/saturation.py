"""Past saturation, *which* request finds the queue full hangs on milliseconds: outcomes are compared by shares, not request by request."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.analysis.estimators import Estimate, share_estimate
from sim.analysis.utilization import PER_USER
from sim.analysis.window import Window
from sim.data.outcomes import NAMES, RATE_LIMITED, REJECTED, name_of

FULL_LOAD = 1.0
REFUSED = 0.01
"""Share of requests refused for want of room, or beyond a rate limit, from which on a run is past saturation, if only for a while."""
SHARE = "share."
"""Names of checks: ``share.rejected``."""


@dataclass(frozen=True)
class Share:
    """How many of all requests ended in one way; each side with its 95 % interval (Clopper and Pearson)."""

    predicted: Estimate
    measured: Estimate

    @property
    def difference(self) -> float:
        """Predicted − measured."""
        return (self.predicted.value or 0.0) - (self.measured.value or 0.0)

    def tolerance(self, least: float, most: float) -> float:
        """How far the prediction may lie from the measured share: to the end of that one's interval, between ``least`` and ``most``."""
        value, low, high = (part or 0.0 for part in self.measured)
        return min(most, max(least, high - value if self.difference > 0 else value - low))


def past_saturation(predicted: Window, measured: Window) -> str:
    """Why either run is past saturation, in words; empty if none is.

    A limit's load is read from the prediction alone: of a gateway that does not tell, time in service includes the wait before it. A limit
    of each user is no saturation of the whole.
    """
    limits = [row for row in predicted.run.usage if row["load"] is not None and not row["limit"].startswith(PER_USER)]
    fullest = max(limits, key=lambda row: row["load"], default=None)
    if fullest is not None and fullest["load"] > FULL_LOAD:
        return f"{fullest['limit']}: demand is {fullest['load']:.2f} times its capacity"
    for words, window in (("predicted", predicted), ("measured", measured)):
        refused = float(np.isin(window["outcome"], (REJECTED, RATE_LIMITED)).mean()) if len(window) else 0.0
        if refused > REFUSED:
            return f"{refused:.1%} of requests are refused for want of room or by a rate limit ({words})"
    return ""


def outcome_shares(predicted: Window, measured: Window) -> dict[str, Share]:
    """Of every outcome that either side has, by its name."""
    sides = [dict(zip(*np.unique(window["outcome"], return_counts=True), strict=True)) for window in (predicted, measured)]
    codes = sorted({*sides[0], *sides[1]}, key=lambda code: (code not in NAMES, code))
    return {
        name_of(int(code)): Share(
            *(share_estimate([side.get(code, 0)], [len(window)]) for side, window in zip(sides, (predicted, measured), strict=True))
        )
        for code in codes
    }
