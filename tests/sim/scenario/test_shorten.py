"""A scenario in less time keeps its shape: what comes when is squeezed, what things take is not."""

import pytest

from sim.gateway.language import load
from sim.scenario.budgets import disturbances
from sim.scenario.shorten import shortened


@pytest.mark.parametrize("name", ["provider_blackout", "retry_storm", "reconnect_herd", "fallback_cost_blowup"])
def test_faults_and_spikes_come_at_the_same_share_of_the_time(name: str) -> None:
    whole = load(f"chaos/{name}").scenario
    short = load(f"chaos/{name}", shortened(whole, whole.workload.duration / 4)).scenario
    assert short.workload.duration == whole.workload.duration / 4
    assert short.workload.warmup_s == pytest.approx(whole.workload.warmup_s / 4)
    assert disturbances(short) == [(pytest.approx(start / 4), pytest.approx(end / 4)) for start, end in disturbances(whole)]
    assert short.gateway == whole.gateway
    assert short.providers == whole.providers
    assert [fault.kind for fault in short.faults] == [fault.kind for fault in whole.faults]


def test_it_can_only_get_shorter() -> None:
    with pytest.raises(ValueError, match="which cannot be shortened to 9000 s"):
        shortened(load("chaos/retry_storm").scenario, 9000.0)
