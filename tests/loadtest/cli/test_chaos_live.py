"""chaos --target: a storm of retries over real sockets ends as the model says, whether it recovers or not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtest.cli import exit_codes
from loadtest.cli.main import run

STORM = """
extends: retry_storm.yaml
name: storm
workload: {arrivals: {kind: poisson, rate: 12.5/s}, duration: 34s, warmup: 2s}
providers: {server: {models: {job: {latency: {kind: constant, value: 40ms}}}}}
faults: [{kind: outage, provider: server, at: 6s, for: 4s, mode: hang}]
assertions: null
"""


@pytest.mark.slow
@pytest.mark.sockets
@pytest.mark.parametrize(("cancels", "recovers"), [("true", True), ("false", False)])
def test_a_retry_storm_recovers_for_real_where_the_model_says_so(
    cancels: str, recovers: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A capacity of 25/s, less than three sendings of 12.5/s: it recovers only where the work of clients that left is cancelled."""
    shipped = Path(__file__).parents[3] / "scenarios" / "chaos" / "retry_storm.yaml"
    (tmp_path / "retry_storm.yaml").write_text(shipped.read_text())
    (tmp_path / "storm.yaml").write_text(STORM)
    code = run(
        ["chaos", str(tmp_path / "storm.yaml"), "--target", "reference", "--set", f"gateway.cancel_on_disconnect={cancels}", "--json", "-q"]
    )
    document = json.loads(capsys.readouterr().out)
    assert code != exit_codes.INTERNAL
    assert [document[side]["recovered"] for side in ("prediction", "measurement")] == [recovers] * 2
    assert document["measurement"]["phases"]["after"]["client"]["availability"]["value"] == pytest.approx(
        document["prediction"]["phases"]["after"]["client"]["availability"]["value"], abs=0.1
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["all", "--target", "reference"], "--target plays one scenario at a time"),
        (["retry_storm", "--duration", "9h"], "cannot be shortened to 32400 s"),
        (["retry_storm", "--duration", "60"], "expected a duration"),
        (["cache_flush_herd", "--on", "launch", "--target", "reference"], "run it without --on"),
    ],
)
def test_what_cannot_be_played_is_refused_before_it_runs(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["chaos", *arguments]) == exit_codes.USAGE
    assert message in capsys.readouterr().err


def test_a_scenario_is_squeezed_in_the_model_too(capsys: pytest.CaptureFixture[str]) -> None:
    run(["chaos", "retry_storm", "--duration", "60s", "--replications", "1", "--set", "assertions=null", "-q", "--json"])
    assert json.loads(capsys.readouterr().out)["recovery"]["observed_s"] == pytest.approx(60 * 195 / 240)
