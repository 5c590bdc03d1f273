"""A run whose load was not what the schedule says is invalid, and the certificate says why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loadtest.generator.certificate import certify, index_of_dispersion
from loadtest.generator.samples import blank_row

REPORT: dict[str, Any] = {"planned": 10_000, "cpu": 0.2, "cpu_peak": 0.3}


def planned(n: int = 10_000, rate_rps: float = 100.0) -> np.ndarray:
    return np.cumsum(np.random.default_rng(1).exponential(1 / rate_rps, n))


def sent(planned_s: np.ndarray, sent_s: np.ndarray) -> np.ndarray:
    rows = np.repeat(blank_row(), len(planned_s))
    rows["request"] = np.arange(len(planned_s))
    rows["arrival_s"] = planned_s
    rows["sent_s"] = sent_s
    return rows


def test_a_faithful_run_is_valid() -> None:
    at = planned()
    certificate = certify(at, sent(at, at + 0.0003), [REPORT])
    assert certificate.valid, certificate.reasons
    assert certificate.lag_p50_s == pytest.approx(0.0003)
    assert certificate.idc == pytest.approx(certificate.expected_idc, abs=0.01)
    assert certificate.document()["valid"]


def test_the_index_of_dispersion_is_one_for_poisson_and_zero_for_clockwork() -> None:
    at = planned()
    assert index_of_dispersion(at, 0.1, int(at[-1] / 0.1)) == pytest.approx(1.0, abs=0.1)
    clockwork = (np.arange(10_000) + 0.5) / 100
    assert index_of_dispersion(clockwork, 0.1, 1000) == pytest.approx(0.0, abs=0.01)


def broken(case: str) -> tuple[np.ndarray, np.ndarray, list[dict[str, Any]]]:
    """(planned, samples, reports) of a run with one thing wrong."""
    at = planned()
    rows, reports = sent(at, at.copy()), [dict(REPORT)]
    if case == "never sent":
        rows["sent_s"][:50], rows["dropped"][:50] = np.nan, 1
    elif case == "off the schedule":
        rows = rows[:-50]
    elif case == "burstiness":  # all requests of a second in one burst at its beginning, as spawn-per-second generators do
        rows["sent_s"] = np.floor(at)
    elif case == "send lag P50":
        rows["sent_s"] = at + 0.002
    elif case == "send lag P99":
        rows["sent_s"][::50] += 0.030
    elif case == "CPU":
        reports[0]["cpu"] = 0.95
    elif case == "to the end":
        reports = []
    return at, rows, reports


@pytest.mark.parametrize("case", ["never sent", "off the schedule", "burstiness", "send lag P50", "send lag P99", "CPU", "to the end"])
def test_each_bound_that_is_broken_is_named(case: str) -> None:
    certificate = certify(*broken(case))
    assert not certificate.valid
    assert any(case in reason for reason in certificate.reasons), certificate.reasons


def test_a_stretched_run_is_off_its_rate() -> None:
    at = planned()
    certificate = certify(at, sent(at, at * 1.01), [REPORT])
    assert certificate.delivered_rate_error == pytest.approx(0.01, rel=0.01)


def test_bursts_that_take_some_milliseconds_to_send_are_no_other_burstiness() -> None:
    at = np.repeat(planned(300, 5.0), 32)
    certificate = certify(at, sent(at, at + np.tile(np.arange(32) * 50e-6, 300)), [{**REPORT, "planned": len(at)}])
    assert certificate.expected_idc == pytest.approx(32, rel=0.3)
    assert certificate.idc != certificate.expected_idc, "some burst was cut in two by a window's edge"
    assert certificate.valid, certificate.reasons


def test_a_run_too_short_for_burstiness_is_not_judged_by_it() -> None:
    at = planned(20)
    certificate = certify(at, sent(at, at), [{**REPORT, "planned": 20}])
    assert certificate.idc is None
    assert certificate.valid


def test_several_generators_are_judged_together_by_the_busiest() -> None:
    at = planned()
    reports = [{"planned": 5000, "cpu": 0.1, "cpu_peak": 0.2}, {"planned": 5000, "cpu": 0.6, "cpu_peak": 0.7}]
    certificate = certify(at, sent(at, at), reports)
    assert certificate.valid
    assert (certificate.cpu, certificate.cpu_peak) == (0.6, 0.7)
