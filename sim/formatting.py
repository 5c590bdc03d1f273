"""How seconds, shares, dollars, intervals and names of metrics are printed. Milliseconds exist only here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NOT_KNOWN = "–"
Document = Mapping[str, Any]


def seconds(value: float | None) -> str:
    """``0.4 ms``, ``250 ms``, ``1.89 s``, ``12.4 s``, ``3 m 20 s``."""
    if value is None:
        return NOT_KNOWN
    size = abs(value)
    if size == 0:
        return "0 s"
    if size < 0.9995:
        return f"{value * 1000:.3g} ms"
    if size < 599.5:
        return f"{value:.2f} s" if size < 9.995 else f"{value:.1f} s" if size < 99.95 else f"{value:.0f} s"
    minutes, rest = divmod(round(size), 60)
    hours, minutes = divmod(minutes, 60)
    return ("-" if value < 0 else "") + (f"{hours:,} h {minutes} m" if hours else f"{minutes} m {rest} s")


def percent(value: float | None) -> str:
    """``99.5 %``; near 0 and near 100 % with as many digits as tell it from them."""
    if value is None:
        return NOT_KNOWN
    if value in (0.0, 1.0):
        return f"{value * 100:.0f} %"
    if 0 < value < 5e-6:
        return "< 0.001 %"
    if 1 > value > 1 - 5e-6:
        return "> 99.999 %"
    edge = min(abs(value), abs(1 - value)) * 100
    digits = 1 if edge >= 9.95 else 2 if edge >= 0.095 else 3
    return f"{value * 100:.{digits}f} %"


def dollars(value: float | None) -> str:
    """``$0.00036``, ``$1.24``, ``$12,600``."""
    if value is None:
        return NOT_KNOWN
    if value == 0:
        return "$0"
    size = abs(value)
    shown = f"{size:,.0f}" if size >= 1000 else f"{size:,.2f}" if size >= 1 else f"{size:.3g}" if size >= 1e-4 else f"{size:.6f}"
    return f"-${shown}" if value < 0 else f"${shown}"


def number(value: float | None) -> str:
    if value is None:
        return NOT_KNOWN
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"


def say(value: float | None, unit: str) -> str:
    """A value of a metric with its unit, as metrics.Unit names it."""
    if unit == "s":
        return seconds(value)
    if unit == "share":
        return percent(value)
    if unit == "USD":
        return dollars(value)
    return number(value) + ("/s" if unit == "/s" and value is not None else "")


def interval(estimate: Document, unit: str) -> str:
    """``1.87 s … 1.91 s``; empty where there are no bounds or nothing lies between them."""
    low, high = estimate["low"], estimate["high"]
    if low is None or high is None:
        return ""
    shown = say(low, unit), say(high, unit)
    return "" if shown[0] == shown[1] else " … ".join(shown)


def times(scale: float) -> str:
    return f"{scale:g}x"


def listed(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""


WORDS = {
    "latency_s": "latency",
    "batch_latency_s": "batch latency",
    "batch_availability": "whole batches",
    "ttft_s": "first token",
    "added_latency_s": "added latency",
    "throughput_rps": "throughput",
    "cache_hit_rate": "cache hits",
    "degraded_rate": "degraded",
    "attempts_per_request": "attempts per request",
    "cost_usd": "cost",
    "goodput_rps": "goodput",
    "queue_depth": "queue depth",
    "open_breakers": "open breakers",
}


def metric_words(name: str) -> str:
    """``latency_s.p50`` → ``latency P50``."""
    family, _, figure = name.partition(".")
    is_quantile = figure[:1] == "p" and figure[1:].isdigit()
    return f"{WORDS.get(family, family)} {figure.upper() if is_quantile else figure.replace('_', ' ')}".strip()
