"""What a call costs a gateway, estimated from made-up measurements of known truth."""

from __future__ import annotations

import numpy as np
import pytest

from loadtest.calibration import costs, saturation
from loadtest.calibration.bench import Attempt, Probe
from loadtest.calibration.figure import FOUND, NONE, UNKNOWN, Figure, unknown
from sim.scenario.units import parse_duration
from tests.loadtest.calibration.figures import by_name

ALIKE = unknown("CPU among others", costs.PATH_CROWDED, "not asked")


def passed_on(count: int, before_s: float, after_s: float, cpu_s: float, tokens_s: float = 0.0) -> costs.Phase:
    """Calls 25 ms apart that a provider takes 50 ms for, with that work before and after it (medians, spread by a tenth)."""
    rng = np.random.default_rng(3)
    work_s = np.array([[before_s], [after_s]]) * rng.gamma(100.0, 0.01, (2, count))
    probes, attempts = [], {}
    for n, (mine_s, theirs_s) in enumerate(work_s.T.tolist()):
        started_s = n / 40 + mine_s
        probes.append(Probe(n, sent_s=n / 40, ended_s=started_s + 0.05 + theirs_s, ok=True))
        attempts[n] = [Attempt(n, "p/m", started_s, started_s + 0.05, 200)]
    return costs.Phase(probes, attempts, count * (cpu_s + tokens_s), count / 40)


def mean_s(figure: Figure) -> float:
    law = figure.value
    return parse_duration(law.get("mean") or law.get("value") or law["median"])


def test_work_for_a_call_is_told_apart_before_the_provider_after_it_and_in_the_background() -> None:
    instrument = passed_on(100, 2e-4, 1e-4, 0.0)
    busy = passed_on(200, 3.2e-3, 1.1e-3, 0.008)
    found = by_name(costs.demand(instrument, busy, busy, 0.0, ALIKE))
    parts = [found[name] for name in ("CPU for a call", "CPU after the provider", "CPU in the background")]
    assert [each.path for each in parts] == ["gateway.cpu_per_request", "gateway.cpu_after", "gateway.cpu_background"]
    assert [mean_s(each) for each in parts] == pytest.approx([3e-3, 1e-3, 4e-3], rel=0.05)


def test_work_that_answers_wait_for_is_never_more_than_the_processes_do() -> None:
    busy = passed_on(200, 3.2e-3, 1.1e-3, 0.002)
    found = by_name(costs.demand(passed_on(100, 2e-4, 1e-4, 0.0), busy, busy, 0.0, ALIKE))
    assert found["CPU in the background"].state == NONE
    parts = [mean_s(found[name]) for name in ("CPU for a call", "CPU after the provider")]
    assert parts == pytest.approx([0.75 * 0.002, 0.25 * 0.002], rel=0.05)


def test_work_follows_the_cpu_at_the_higher_rate() -> None:
    low, high = passed_on(200, 3.2e-3, 1.1e-3, 0.008), passed_on(200, 3.2e-3, 1.1e-3, 0.006)
    found = by_name(costs.demand(passed_on(100, 2e-4, 1e-4, 0.0), low, high, 0.0, ALIKE))
    assert mean_s(found["CPU for a call"]) == pytest.approx(0.75 * 3e-3, rel=0.05)


def test_without_its_cpu_the_work_is_what_latency_says() -> None:
    unseen = passed_on(200, 3.2e-3, 1.1e-3, 0.0)._replace(cpu_s=None)
    found = by_name(costs.demand(passed_on(100, 2e-4, 1e-4, 0.0), unseen, unseen, 0.0, ALIKE))
    assert found["CPU for a call"].low == pytest.approx(3e-3, rel=0.03)
    assert found["CPU after the provider"].low == pytest.approx(1e-3, rel=0.03)
    assert "CPU in the background" not in found


def test_work_that_is_all_before_the_provider_is_one_law() -> None:
    early = passed_on(200, 4.2e-3, 1e-4, 0.004)
    found = by_name(costs.demand(passed_on(100, 2e-4, 1e-4, 0.0), early, early, 0.0, ALIKE))
    assert found["CPU after the provider"].state == NONE
    assert mean_s(found["CPU for a call"]) == pytest.approx(0.004, rel=0.05)


def burst(work_s: float, slice_s: float) -> costs.Phase:
    """Calls that come at once to one worker, each of that work, in slices in turn."""
    left_s, now_s, started_s = [work_s] * costs.BURST, 0.0, {}
    while len(started_s) < costs.BURST:
        for n in range(costs.BURST):
            if n not in started_s:
                done_s = min(slice_s, left_s[n])
                now_s, left_s[n] = now_s + done_s, left_s[n] - done_s
                if left_s[n] <= 1e-12:
                    started_s[n] = now_s
    probes = [Probe(n, sent_s=0.0, ended_s=at_s + 0.1, ok=True) for n, at_s in started_s.items()]
    return costs.Phase(probes, {n: [Attempt(n, "p/m", at_s, at_s + 0.05, 200)] for n, at_s in started_s.items()}, None, 0.0)


def test_slices_are_seen_in_calls_that_come_at_once() -> None:
    shared = costs.slices([burst(0.012, 0.001)] * costs.BURSTS)
    assert (shared.path, shared.value) == ("gateway.cpu_slice", "1ms")
    assert costs.slices([burst(0.012, 0.012)] * costs.BURSTS).state == NONE
    assert costs.slices([burst(0.012, 0.001)]).state == UNKNOWN


def test_work_for_a_streamed_token_is_laid_over() -> None:
    whole, streams = passed_on(200, 3e-3, 1e-3, 0.008), passed_on(200, 3e-3, 1e-3, 0.008, costs.TOKENS * 0.0002)
    figure = costs.chunk_work(whole, streams, 0.0)
    assert (figure.path, figure.value) == ("gateway.cpu_per_token", {"kind": "constant", "value": "0.2ms"})


def crowd(clients: int, served: int, cpu_s: float, cores: float = 1.0) -> saturation.Crowd:
    """That got a call done every 20 ms."""
    out_s = np.arange(2 * served) * 0.01
    probes = [Probe(n, ok=True) for n in range(served)]
    return saturation.Crowd(clients, probes, out_s.tolist(), served * 0.02, [cores], cpu_s, 0.1)


def test_work_among_others_is_what_a_saturated_gateway_takes_for_a_call_beside_one_alone() -> None:
    low = passed_on(200, 3e-3, 1e-3, 0.030)
    quiet = crowd(4, 200, 4.0)
    figure = costs.among_others(low, quiet, crowd(64, 400, 400 * 0.024), 0.0)
    assert (figure.path, figure.value) == ("gateway.cpu_crowded", pytest.approx(0.8, rel=0.01))
    assert costs.among_others(low, quiet, crowd(64, 400, 400 * 0.030), 0.0).value == 1.0
    assert costs.among_others(low, quiet, crowd(64, 400, 400 * 0.024, cores=0.5), 0.0).state == UNKNOWN


def test_stalls_are_not_counted_as_work_among_others() -> None:
    low = passed_on(200, 3e-3, 1e-3, 0.030)
    stalled = crowd(4, 200, 4.0)
    stalled = stalled._replace(out_s=[at_s + (0.5 if number > 200 else 0.0) for number, at_s in enumerate(stalled.out_s)])
    figure = costs.among_others(low, stalled, crowd(64, 400, 400 * (0.024 + 0.51 / 200)), 0.0)
    assert figure.value == pytest.approx(0.8, rel=0.01)


def test_work_for_a_call_is_that_of_one_alone_where_it_is_less_among_others() -> None:
    low, high = passed_on(200, 3.2e-3, 1.1e-3, 0.008), passed_on(200, 3.2e-3, 1.1e-3, 0.006)
    crowded = costs.among_others(low, crowd(4, 200, 4.0), crowd(64, 400, 400 * 0.004), 0.0)
    found = by_name(costs.demand(passed_on(100, 2e-4, 1e-4, 0.0), low, high, 0.0, crowded))
    assert mean_s(found["CPU for a call"]) == pytest.approx(3e-3, rel=0.05)


def test_stalls_are_pauses_of_all_work_by_the_calls_between_them() -> None:
    def held_up(*at: int) -> Figure:
        """A call done every 20 ms, 200 in all, but 0.5 s after those ``at``."""
        gaps_s = [0.52 if number in at else 0.02 for number in range(200)]
        return saturation.stalls(saturation.pauses(np.cumsum(gaps_s).tolist(), 4), "…")

    assert held_up().state == NONE
    often = held_up(40, 80, 120, 160)
    assert (often.path, often.warning) == ("gateway.stalls", None)
    assert often.value == {"calls": 40, "for": "520ms", "spacing": "even"}
    assert held_up(10, 20, 120, 160).value == {"calls": 50, "for": "520ms", "spacing": "random"}
    assert "seen 1 times only" in (held_up(100).warning or "")


def test_the_yardstick_is_laid_over() -> None:
    figure = costs.machine_speed([0.002] * 10)
    assert (figure.path, figure.value) == ("gateway.cpu_yardstick", "2ms")
    assert costs.machine_speed([0.002]).state == UNKNOWN


def test_cpu_that_is_known_but_little_is_not_said_to_be_unknown() -> None:
    idle = [saturation.limit_of_throughput(350, [], 0.5, "350 answers a second"), saturation.workers([], "350 answers a second")]
    assert {figure.state for figure in idle} == {UNKNOWN}
    assert "is not saturated" in idle[0].evidence
    assert idle[1].evidence == "350 answers a second: too little to tell which of its processes work"
    unseen = [saturation.limit_of_throughput(350, None, 0.5, "350 answers a second"), saturation.workers(None, "350 answers a second")]
    assert "its CPU would tell" in unseen[0].evidence
    assert "is not known here" in unseen[1].evidence
    assert saturation.limit_of_throughput(350, [0.97], 0.5, "").state == FOUND
