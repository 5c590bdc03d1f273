"""A scenario beside itself changed: the same luck, quick enough, and what is shown can be had again."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from loadtest.cli import exit_codes
from loadtest.cli.main import run
from sim.gateway.language import load
from sim.scenario.errors import ScenarioError
from sim.scenario.shipped import shipped_folder
from sim.scenario.size import expected_requests
from sim.whatif.side_by_side import AT_ONCE, MOST_REPLICATIONS, SHOWN, Pair, SideBySide, amount_for, difference_of
from tests.sim.whatif.documents import SCENARIO

NARROWER = (("gateway.queue.concurrency", "4"),)


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SCENARIO)
    return "small.yaml"


def compared(path: str, *overrides: str, settings=(), scale: float = 1.0, **more) -> Pair:
    return SideBySide(path, overrides, lambda changes: load(path, changes), engine="simpy", **more).compare(settings, scale)


def values(pair: Pair, side: str) -> dict[str, float]:
    return {name: getattr(pair, side)["figures"][name]["value"] for name in SHOWN}


def test_with_every_slider_where_it_was_nothing_differs(scenario: str) -> None:
    pair = compared(scenario)
    assert pair.before == pair.after
    assert {change.joint.value for change in pair.changes.values()} == {0.0}
    assert pair.commands[0] == pair.commands[1]


def test_what_a_slider_changes_is_seen_on_its_side_alone(scenario: str) -> None:
    plain, pair = compared(scenario), compared(scenario, settings=NARROWER)
    assert values(pair, "before") == values(plain, "before")
    assert values(pair, "after")["availability"] < values(pair, "before")["availability"]
    change = pair.changes["availability"].joint
    assert change.high is not None
    assert change.high < 0, "the same random numbers tell it from chance"
    assert "the gateway's concurrency binds" in pair.after["binding"]


@pytest.mark.parametrize("scale", [1.0, 40.0])
def test_the_command_lines_say_the_same_figures_again(scenario: str, scale: float, capsys: pytest.CaptureFixture[str]) -> None:
    pair = compared(scenario, "gateway.workers=2", settings=NARROWER, scale=scale, seed=11)
    for command, side in zip(pair.commands, ("before", "after"), strict=True):
        assert run([*shlex.split(command)[1:], "--json", "-q"]) == exit_codes.OK
        (predicted,) = json.loads(capsys.readouterr().out)["runs"]
        assert predicted["requests"] == getattr(pair, side)["requests"]
        again = [predicted["latency_s"][name]["value"] for name in ("p50", "p99")]
        again += [predicted["availability"]["value"], predicted["cost_usd"]["per_month"]["value"]]
        assert again == list(values(pair, side).values())


@pytest.mark.parametrize(
    ("name", "overrides", "settings"),
    [
        ("launch", (), (("gateway.cache[0].ttl", "90s"), ("providers.openai.keys", "4"))),
        (
            "launch",
            ("gateway.routing={kind: fastest, models: [openai/gpt-4o]}", "faults=[]", "gateway.breaker=null"),
            (("gateway.retry.attempts", "1"),),
        ),
        ("starter", (), ()),
    ],
)
def test_the_overlay_beside_the_scenario_loads_as_what_is_shown(name: str, overrides, settings, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.yaml"
    path.write_text((shipped_folder() / f"{name}.yaml").read_text())
    pair = compared(str(path), *overrides, settings=settings, scale=8)
    (tmp_path / "changed.yaml").write_text(pair.overlay)
    changes = [f"{place}={value}" for place, value in settings]
    assert load(tmp_path / "changed.yaml").sha256 == load(path, [*overrides, *changes, *pair.amount.shortening]).sha256


def test_values_that_do_not_go_together_are_refused(scenario: str) -> None:
    with pytest.raises(ScenarioError, match=r"gateway\.queue\.concurrency"):
        compared(scenario, settings=(("gateway.queue.concurrency", "-1"),))


# ---- how much stands behind an answer ---------------------------------------------------------------------------------
@pytest.mark.parametrize("engine", ["simpy", "compiled"])
@pytest.mark.parametrize("scale", [0.01, 1, 4, 10, 1000])
def test_an_answer_stands_on_no_more_requests_than_are_had_at_once(scale: float, engine: str) -> None:
    path = shipped_folder() / "launch.yaml"
    how = amount_for(load(path).scenario, scale, engine)
    taken = how.replications * expected_requests(load(path, how.shortening).scenario, scale)
    assert taken <= 1.05 * AT_ONCE[engine]
    assert taken >= 0.4 * AT_ONCE[engine] or how.replications == MOST_REPLICATIONS


def test_a_squeezed_run_keeps_its_faults() -> None:
    path = shipped_folder() / "launch.yaml"
    how = amount_for(load(path).scenario, 100, "simpy")
    assert "squeezed" in how.words
    (fault,) = load(path, how.shortening).scenario.faults
    assert fault.for_ / load(path, how.shortening).scenario.workload.duration == pytest.approx(0.15)


def test_clients_that_send_again_are_no_reason_to_wait_for_the_whole_run() -> None:
    storm = load("retry_storm").scenario
    assert amount_for(storm, 10, "simpy").shortening
    assert amount_for(storm, 10, "simpy").words.endswith("(a shorter fault may do less)")


def test_closed_clients_run_whole(scenario: str) -> None:
    closed = load(scenario, ["workload.arrivals={kind: closed, clients: 5, think: 1s}"]).scenario
    assert amount_for(closed, 1000, "simpy")[:3] == ("simpy", 1, ())


def test_a_mapping_that_states_its_kind_is_replaced_whole_but_for_the_gateway() -> None:
    old = {"gateway": {"kind": "reference", "workers": 1, "law": {"kind": "a", "x": 1}, "gone": 1}}
    new = {"gateway": {"kind": "reference", "workers": 2, "law": {"kind": "a", "x": 2}}}
    assert difference_of(old, new) == {"gateway": {"gone": None, "workers": 2, "law": {"kind": "a", "x": 2}}}
