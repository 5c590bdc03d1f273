"""Prices: the list's, held to what the log says calls cost; or what the logged costs come to."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.importing.calls import Calls
from sim.importing.noted import Evidence
from sim.importing.targets import DIALECTS
from sim.provider.pricing import list_prices

MILLION = 1e6
AGREES = 0.01


def price_of(rows: Calls, provider: str, model: str, path: str) -> tuple[dict[str, Any] | None, np.ndarray, Evidence]:
    """The model's price where the scenario has to say it (None: the list's), what each row cost, and the evidence."""
    path = f"{path}.price"
    listed = list_of(provider, model)
    into, out = np.nan_to_num(rows.input_tokens).astype(np.float64), np.nan_to_num(rows.output_tokens).astype(np.float64)
    cached = np.minimum(np.nan_to_num(rows.cached_tokens), into)
    billed = rows.asked
    paid = np.flatnonzero(billed & np.isfinite(rows.cost_usd) & (rows.cost_usd > 0))
    by_list = None
    if listed is not None:
        of_cached = listed[0] if listed[2] is None else listed[2]
        by_list = np.where(billed, (into - cached) * listed[0] + cached * of_cached + out * listed[1], 0.0)
    if len(paid):
        return from_costs(rows, path, listed, by_list, into, out, cached, paid)
    if by_list is None or listed is None:
        says = "the log has no costs and no list price is known: 0 is an ASSUMPTION; give USD per million tokens"
        return {"input": 0, "output": 0}, np.zeros(len(rows)), Evidence(path, says, weak=True)
    if cached.sum() > 0.01 * into.sum():
        blended = (by_list.sum() - out[billed].sum() * listed[1]) / max(into[billed].sum(), 1.0)
        says = f"list price, with {cached.sum() / into.sum():.0%} of input tokens read from the prompt cache"
        return usd(blended, listed[1]), by_list, Evidence(path, says)
    return (
        None,
        by_list,
        Evidence(path, f"no costs in the log: list price, {listed[0] * MILLION:g} in, {listed[1] * MILLION:g} out per million tokens"),
    )


def list_of(provider: str, model: str) -> tuple[float, float, float | None] | None:
    try:
        found = list_prices(provider, model, DIALECTS.get(provider.split("-")[0], "openai"))
    except LookupError:
        return None
    return found.input, found.output, found.cached_input


def from_costs(
    rows: Calls, path: str, listed: tuple[float, float, float | None] | None, by_list: np.ndarray | None, into: np.ndarray, out: np.ndarray,
    cached: np.ndarray, paid: np.ndarray,
) -> tuple[dict[str, Any] | None, np.ndarray, Evidence]:  # fmt: skip
    cost = np.nan_to_num(rows.cost_usd).astype(np.float64)
    total, n = float(cost[paid].sum()), len(paid)
    if by_list is not None and listed is not None:
        ratio = total / max(float(by_list[paid].sum()), 1e-300)
        if abs(ratio - 1) <= AGREES and cached[paid].sum() < 0.01 * max(into[paid].sum(), 1):
            return None, cost, Evidence(path, f"the list's: {n:,} logged costs come to {ratio:.2%} of it")
    if into[paid].sum() + out[paid].sum() == 0:
        return {"input": 0, "output": 0}, cost, Evidence(path, "costs without tokens: no price per token follows", weak=True)
    each, how = solved(into[paid], out[paid], cost[paid], listed)
    again = into[paid] * each[0] + out[paid] * each[1]
    each = each * (total / float(again.sum()))
    off = np.abs(again * (total / again.sum()) - cost[paid])
    says = f"{how}, n {n:,}; a call's cost is met within {float(np.median(off / cost[paid])):.1%} (median)"
    if by_list is not None:
        says += f"; the log's costs come to {total / max(float(by_list[paid].sum()), 1e-300):.2%} of the list price"
    if cached[paid].sum() > 0:
        says += f"; {cached[paid].sum() / into[paid].sum():.0%} of input tokens came from the prompt cache: input is its mean price"
    return usd(*each), cost, Evidence(path, says)


def solved(into: np.ndarray, out: np.ndarray, cost: np.ndarray, listed: tuple[float, float, float | None] | None) -> tuple[np.ndarray, str]:
    """USD per input and output token by least squares; where tokens do not vary enough, the list's ratio, or one price for both."""
    columns = np.stack([into, out], axis=1)
    weights = 1 / np.maximum(cost, 1e-12)
    found, _, rank, singular = np.linalg.lstsq(columns * weights[:, None], cost * weights, rcond=None)
    if rank == 2 and singular[0] / singular[1] < 1e4 and (found > 0).all() and len(cost) >= 30:
        return found, "fitted to the logged costs"
    if listed is not None:
        return np.array(listed[:2]), "the list's ratio of input to output, at the level of the logged costs"
    return np.array([1.0, 1.0]), "one price for input and output, at the level of the logged costs (they do not tell the two apart)"


def usd(into: float, out: float) -> dict[str, Any]:
    return {"input": float(f"{into * MILLION:.5g}"), "output": float(f"{out * MILLION:.5g}")}
