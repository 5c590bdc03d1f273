"""Did the load generator deliver what the schedule says? Outside these bounds a measurement is invalid: neither a pass nor a failure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

MAX_RATE_ERROR = 1e-3
MAX_IDC_ERROR = 0.25  # of a Poisson schedule, whose index is 1; of a burstier one in proportion: a window's edge may cut through a burst
MAX_LAG_P50_S = 1e-3
# P99 of the send lag: what one full garbage collection or one scheduler slice (CFS: 4-10 ms) of a neighbour on the same core costs.
# A generator within it distorts a latency by less than the few hundred milliseconds that the fastest hosted model takes, by a factor of 20.
MAX_LAG_P99_S = 20e-3
MAX_CPU = 0.9
COUNTS_PER_WINDOW = 5.0  # windows of the dispersion hold that many requests on average, but are no shorter than MIN_WINDOW_S
MIN_WINDOW_S = 0.1
MIN_WINDOWS = 10
LEAST_FOR_SLOPE = 20


@dataclass(frozen=True)
class Certificate:
    """``reasons`` says why the run is invalid, in words with numbers; empty: valid. Figures as the verify document prints them."""

    planned: int
    sent: int
    dropped: int
    delivered_rate_error: float
    idc: float | None
    expected_idc: float | None
    lag_p50_s: float
    lag_p99_s: float
    cpu: float
    cpu_peak: float
    reasons: tuple[str, ...] = field(default=())

    @property
    def valid(self) -> bool:
        return not self.reasons

    def document(self) -> dict[str, Any]:
        return {
            "valid": self.valid, "reasons": list(self.reasons), "planned": self.planned, "sent": self.sent, "dropped": self.dropped,
            "delivered_rate_error": self.delivered_rate_error, "idc": {"delivered": self.idc, "scheduled": self.expected_idc},
            "send_lag_s": {"p50": self.lag_p50_s, "p99": self.lag_p99_s}, "cpu": self.cpu, "cpu_peak": self.cpu_peak,
        }  # fmt: skip


def index_of_dispersion(times_s: np.ndarray, window_s: float, windows: int) -> float:
    """Variance over mean of the counts in ``windows`` consecutive windows from time 0: 1 for Poisson, 0 for clockwork, more for bursts."""
    counts = np.bincount(np.clip((times_s / window_s).astype(np.int64), 0, windows - 1), minlength=windows)
    return float(counts.var() / counts.mean()) if counts.mean() else 0.0


def dispersions(planned_s: np.ndarray, sent_s: np.ndarray) -> tuple[float | None, float | None]:
    """(delivered, scheduled) in the same windows; (None, None) when there are too few windows to say."""
    if len(planned_s) < 2:
        return None, None
    span_s = float(planned_s[-1])
    window_s = max(MIN_WINDOW_S, COUNTS_PER_WINDOW * span_s / len(planned_s))
    windows = int(span_s / window_s)
    if windows < MIN_WINDOWS:
        return None, None
    within = window_s * windows
    return (
        index_of_dispersion(sent_s[sent_s < within], window_s, windows),
        index_of_dispersion(planned_s[planned_s < within], window_s, windows),
    )


def certify(planned_s: np.ndarray, samples: np.ndarray, reports: list[dict[str, Any]]) -> Certificate:
    """Judge an open-loop run. ``planned_s``: the schedule's sorted arrival times; ``reports``: the closing report of every engine.

    The rate error is the larger of the share of requests not sent and the relative stretch of the send times against the schedule.
    """
    was_sent = samples["sent_s"] > -np.inf
    sent_s = np.sort(samples["sent_s"][was_sent])
    lag_s = (samples["sent_s"] - samples["arrival_s"])[was_sent]
    p50, p99 = (float(np.quantile(lag_s, q)) for q in (0.5, 0.99)) if len(lag_s) else (float("inf"), float("inf"))
    idc, expected = dispersions(planned_s, sent_s)
    bare = Certificate(
        planned=len(planned_s), sent=len(sent_s), dropped=int(samples["dropped"].sum()),
        delivered_rate_error=_rate_error(planned_s, samples[was_sent]), idc=idc, expected_idc=expected, lag_p50_s=p50, lag_p99_s=p99,
        cpu=max((report["cpu"] for report in reports), default=0.0), cpu_peak=max((report["cpu_peak"] for report in reports), default=0.0),
    )  # fmt: skip
    return Certificate(**{**bare.__dict__, "reasons": tuple(_reasons(bare, reports))})


def certify_closed(samples: np.ndarray, reports: list[dict[str, Any]]) -> Certificate:
    """Judge a closed run: there the schedule is made by the answers, so lag, drops and CPU are all there is to hold against it."""
    planned_s = np.sort(samples["arrival_s"])
    return certify(planned_s, samples, [{**report, "planned": report["sent"] + report["dropped"]} for report in reports])


def _rate_error(planned_s: np.ndarray, samples: np.ndarray) -> float:
    """``samples``: those that were sent. The slope is that of a least-squares line, which one late request at an end cannot tilt."""
    if not len(planned_s):
        return 0.0
    missing = abs(len(samples) / len(planned_s) - 1.0)
    if len(samples) < LEAST_FOR_SLOPE:
        return missing
    meant_s = samples["arrival_s"] - samples["arrival_s"].mean()
    slope = float(meant_s @ samples["sent_s"] / (meant_s @ meant_s)) if meant_s.any() else 1.0
    return max(missing, abs(slope - 1.0))


def _reasons(seen: Certificate, reports: list[dict[str, Any]]) -> list[str]:
    reasons = []
    if not reports or sum(report["planned"] for report in reports) != seen.planned:
        reasons.append("a load generator did not play its part to the end")
    if seen.dropped:
        reasons.append(f"{seen.dropped} requests were never sent: the generator had no room for them")
    if seen.delivered_rate_error > MAX_RATE_ERROR:
        reasons.append(f"delivered rate is {seen.delivered_rate_error:.2%} off the schedule, more than {MAX_RATE_ERROR:.1%}")
    idc, expected = seen.idc, seen.expected_idc
    if idc is not None and expected is not None and abs(idc - expected) > MAX_IDC_ERROR * max(1.0, expected):
        reasons.append(f"burstiness (index of dispersion) {idc:.2f} instead of the schedule's {expected:.2f}")
    if seen.lag_p50_s > MAX_LAG_P50_S:
        reasons.append(f"send lag P50 {seen.lag_p50_s * 1e3:.2f} ms, more than {MAX_LAG_P50_S * 1e3:.0f} ms")
    if seen.lag_p99_s > MAX_LAG_P99_S:
        reasons.append(f"send lag P99 {seen.lag_p99_s * 1e3:.1f} ms, more than {MAX_LAG_P99_S * 1e3:.0f} ms")
    if seen.cpu >= MAX_CPU:
        reasons.append(f"the load generator used {seen.cpu:.0%} of its CPU, {MAX_CPU:.0%} is the most it may")
    return reasons
