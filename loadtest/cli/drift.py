"""Does a log drift? Its first part against the rest, column by column, by the two-sample test of Kolmogorov and Smirnov.

No fit of the first part can know what changes afterwards, so a hold-out that comes out wrong is the log's doing where this finds a change,
and the model's where it finds none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sim.importing.calls import Calls

SURE = 1e-4
"""Probability under no change, below which one is reported. Small, because calls that follow each other resemble each other."""
MATTERS = 0.05
"""Smallest distance between the two distributions that is worth a word."""
FEWEST, MOST = 100, 20_000
COLUMNS = {"duration_s": "latency", "ttft_s": "time to first token", "input_tokens": "input tokens", "output_tokens": "output tokens"}


def drift(first: Calls, rest: Calls) -> list[str]:
    """``input tokens: median -7 %, P99 +12 % (KS 0.09, p 1e-20)``, for each column that changed; shares of models and errors."""
    from scipy.stats import ks_2samp

    found = []
    for column, name in COLUMNS.items():
        before, after = (sample(getattr(part, column), part.asked) for part in (first, rest))
        if min(len(before), len(after)) < FEWEST:
            continue
        test = ks_2samp(before, after)
        if test.pvalue < SURE and test.statistic > MATTERS:
            moves = ", ".join(f"{word} {change(before, after, q):+.0f} %" for word, q in (("median", 0.5), ("P99", 0.99)))
            found.append(f"{name}: {moves} (KS {test.statistic:.2f}, p {test.pvalue:.1g})")
    return found + shares(first, rest)


def sample(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    known = values[rows & np.isfinite(values)].astype(np.float64)
    return known[:: max(1, len(known) // MOST)]


def change(before: np.ndarray, after: np.ndarray, quantile: float) -> float:
    return float(np.quantile(after, quantile) / max(np.quantile(before, quantile), 1e-12) - 1) * 100


def shares(first: Calls, rest: Calls) -> list[str]:
    """Of errors, and of each model: where they differ by two points and four standard errors."""
    parts = {"errors": (~first.served, ~rest.served)}
    for number, model in enumerate(first.names["model"]):
        parts[model] = tuple(part.texts["model"] == number for part in (first, rest))
    found = []
    for name, (before, after) in parts.items():
        p, q = float(before.mean()), float(after.mean())
        mean = (p * len(before) + q * len(after)) / (len(before) + len(after))
        error = np.sqrt(mean * (1 - mean) * (1 / len(before) + 1 / len(after)))
        if abs(p - q) > max(0.02, 4 * error):
            found.append(f"share of {name}: {p:.1%} before, {q:.1%} after")
    return found
