"""Where the time went: the parts of the latency of requests around a percentile."""

from __future__ import annotations

import numpy as np

from sim.analysis.window import Window
from sim.gateway.rows import PARTS

OTHER = "other"
NEIGHBOURHOOD = {0.5: 0.05, 0.95: 0.01, 0.99: 0.005}
LEAST_NEIGHBOURS = 5


def where_time_went(window: Window, quantile: float = 0.99) -> dict[str, float]:
    """Mean seconds of each part over the answered requests whose latency lies around ``quantile`` (P99: between P98.5 and P99.5).

    ``other`` is what no part accounts for: the network, the client, a gateway that does not say. Empty with fewer than five such requests.
    """
    latency_s = window.requests["latency_s"]  # to the answer, also of jobs
    answered = window.available & ~np.isnan(latency_s)
    if not answered.any():
        return {}
    reach = NEIGHBOURHOOD[quantile]
    low, high = np.quantile(latency_s[answered], (quantile - reach, quantile + reach))
    near = answered & (latency_s >= low) & (latency_s <= high)
    if np.count_nonzero(near) < LEAST_NEIGHBOURS:
        return {}
    parts = {words: float(np.nan_to_num(window[column][near]).mean()) for column, words in PARTS.items()}
    parts[OTHER] = max(0.0, float(latency_s[near].mean()) - sum(parts.values()))
    return parts
