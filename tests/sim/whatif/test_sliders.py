"""Which sliders a scenario has, and where they can stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sim.gateway.language import load
from sim.scenario.load import Loaded
from sim.scenario.shipped import shipped_folder
from sim.whatif.sliders import SCALES, Slider, ladder, scales_with, sliders_of
from tests.sim.whatif.documents import SCENARIO


def sliders(path: Path) -> dict[str, Slider]:
    def load_with(changes: Sequence[str]) -> Loaded:
        return load(path, changes)

    return {each.path: each for each in sliders_of(load(path), load_with)}


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., dict[str, Slider]]:
    def of(*changes: tuple[str, str]) -> dict[str, Slider]:
        text = SCENARIO
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "small.yaml").write_text(text)
        return sliders(tmp_path / "small.yaml")

    return of


def test_launch_has_sliders_for_its_queue_retries_cache_limits_workers_and_providers() -> None:
    found = sliders(shipped_folder() / "launch.yaml")
    assert list(found) == [
        "gateway.queue.concurrency",
        "gateway.queue.waiting",
        "gateway.queue.timeout",
        "gateway.retry.attempts",
        "gateway.retry.budget",
        "gateway.cache[0].ttl",
        "gateway.limits.global.requests",
        "gateway.limits.per_user.requests",
        "gateway.workers",
        "providers.anthropic.keys",
        "providers.anthropic.limits.requests",
        "providers.openai.keys",
        "providers.openai.limits.requests",
        "providers.openai.limits.tokens",
    ]
    own = [each.values[each.now] for each in found.values()]
    assert own[:9] == ["64", "200", "10s", "3", "0.2", "900s", "100/s", "30/min", "1"]


def test_a_scenario_has_sliders_for_its_own_knobs_and_its_defaults_alone(written) -> None:
    always = {"gateway.retry.attempts", "gateway.workers", "providers.server.keys"}
    assert set(written()) == {"gateway.queue.concurrency", "gateway.queue.waiting", *always}
    assert set(written(("  queue: {concurrency: 64, waiting: 0, timeout: null}\n", ""))) == always


def test_a_provider_or_model_whose_name_holds_a_dot_is_reached(written) -> None:
    batching = "job: {ttft: 100ms, per_token: 10ms, batching: {slots: 8, parallel: 4}, price: {input: 1, output: 1}}"
    model = "job: {latency: {kind: exponential, mean: 200ms}, price: {input: 1, output: 1}}"
    found = written((model, batching.replace("job", "j-4.1")), ("server/job", "server/j-4.1"))
    slots = found['providers.server.models["j-4.1"].batching.slots']
    assert slots.values[slots.now] == "8"


def test_values_rise_and_hold_the_scenarios_own() -> None:
    for value, own in ((64, "64"), (0.2, "0.2"), ("10s", "10s"), ("5000/min", "5000/min"), (3, "3"), (0, "0"), ("20/10s", "20/10s")):
        values = list(ladder(value))
        numbers = [float(text.partition("/")[0].removesuffix("s")) for text in values]
        assert own in values
        assert numbers == sorted(set(numbers))
        assert len(values) >= 8


def test_few_are_turned_one_by_one() -> None:
    assert list(ladder(3)) == ["1", "2", "3", "4", "5", "6", "7", "8"]


@pytest.mark.parametrize("value", [None, True, "unlimited", {"kind": "constant"}, [1, 2]])
def test_what_is_no_number_has_no_values(value: object) -> None:
    assert list(ladder(value)) == []


def test_a_slider_ends_where_the_language_does(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(SCENARIO)

    def no_more_than_100(changes: Sequence[str]) -> Loaded:
        name, _, value = changes[0].partition("=")
        return load(path, [f"{name}=-1" if name.endswith("concurrency") and int(value) > 100 else changes[0]])

    (found,) = (each for each in sliders_of(load(path), no_more_than_100) if each.path.endswith("concurrency"))
    assert (found.values[-1], found.values[found.now]) == ("96", "64")


def test_the_scale_that_is_asked_for_can_be_chosen() -> None:
    assert scales_with(2) == SCALES
    assert 7.5 in scales_with(7.5)
    assert list(scales_with(7.5)) == sorted(scales_with(7.5))
