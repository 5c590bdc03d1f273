"""The logs of a run become one Run, whose figures are those of whoever knows best."""

from __future__ import annotations

import numpy as np
import pytest

from loadtest.generator.samples import blank_row
from loadtest.measurement.measured_run import measured_run
from loadtest.targets.base import GatewayLog
from mockprovider.delivery.playback import End
from mockprovider.evidence.truth_log import TRUTH
from sim.analysis.window import Window
from sim.data.outcomes import CACHE_HIT, OK
from sim.data.schema import ATTEMPTS, TIMELINE
from sim.data.statuses import CANCELLED, TIMED_OUT
from sim.gateway.contents import Contents
from sim.gateway.rows import REQUESTS
from sim.gateway.stages.admission import FULL
from sim.provider.rate_limits import TOKENS
from sim.scenario.model import Prompts
from sim.scenario.units import Seconds
from tests.loadtest.gateway.fakes import scenario

WHAT = scenario(dialects=("openai", "anthropic"))


def samples(*prompts: int) -> np.ndarray:
    """One served request per prompt, a second apart."""
    rows = np.repeat(blank_row(), len(prompts))
    rows["request"] = np.arange(len(prompts))
    rows["arrival_s"] = rows["sent_s"] = np.arange(len(prompts), dtype=float)
    rows["prompt"] = prompts
    rows["outcome"] = OK
    rows["latency_s"] = 0.5
    rows["first_token_s"], rows["generation_s"] = 0.2, 0.3  # as its client saw it
    rows["output_tokens"] = 9
    return rows


def truth(**columns: object) -> np.ndarray:
    size = max(np.size(values) for values in columns.values())  # type: ignore[arg-type]
    rows = np.zeros(size, TRUTH)
    rows["status"], rows["input_tokens"], rows["output_tokens"], rows["duration_s"], rows["first_token_s"] = 200, 100, 10, 0.4, 0.1
    for name, values in columns.items():
        rows[name] = values
    return rows


def test_attempts_and_cost_are_the_providers_and_latency_is_the_clients() -> None:
    told = {
        "p0": truth(
            request=[0, 1], prompt=[7, 8], started_s=[0.1, 1.1], status=[200, 500], output_tokens=[10, 0], first_token_s=[0.1, np.nan]
        ),
        "p1": truth(request=[1], prompt=[8], started_s=[1.3]),
    }
    run = measured_run(WHAT, 2.0, samples(7, 8), told, None, 3.0)
    assert (run.kind, run.scale, run.replications, run.targets) == ("measurement", 2.0, 1, ("p0/m", "p1/m"))
    assert run.requests["latency_s"].tolist() == [0.5, 0.5]
    assert run.requests["attempts"].tolist() == [1, 2]
    assert run.requests["cost_usd"] == pytest.approx([120e-6, 120e-6])  # 100 in at 1, 10 out at 2 USD per million; the error is free
    assert run.attempts["target"].tolist() == [0, 0, 1]
    assert run.attempts["attempt"].tolist() == [0, 0, 1]
    assert run.attempts["status"].tolist() == [200, 500, 200]
    assert run.attempts["cost_usd"].sum() == pytest.approx(run.requests["cost_usd"].sum())


def test_an_answer_that_nobody_read_to_its_end_is_billed_for_what_was_produced() -> None:
    told = {
        "p0": truth(request=0, end=End.CLIENT_LEFT, output_tokens=4),
        "p1": truth(request=0, end=End.HANG, first_token_s=np.inf, output_tokens=0),
    }
    attempts = measured_run(WHAT, 1.0, samples(7), told, None, 1.0).attempts
    assert attempts["status"].tolist()[0] == TIMED_OUT
    assert attempts["cost_usd"] == pytest.approx([100e-6 + 8e-6, 0.0])


def test_attempts_without_a_request_number_belong_to_the_last_request_of_their_prompt() -> None:
    told = {"p0": truth(request=-1, prompt=[7, 7, 9, 5], started_s=[0.2, 2.5, 1.1, 0.0])}
    run = measured_run(WHAT, 1.0, samples(7, 9, 7), told, None, 1.0)
    by_start = run.attempts[np.argsort(run.attempts["started_s"])]
    assert by_start["request"].tolist() == [-1, 0, 1, 2]  # prompt 5 was never sent by us
    assert run.requests["attempts"].tolist() == [1, 1, 1]


def test_what_only_the_gateway_knows_comes_from_its_log() -> None:
    requests = np.zeros(2, REQUESTS)
    requests["request"], requests["queue_wait_s"], requests["target"], requests["input_tokens"] = [1, 0], [0.3, 0.1], [1, 0], [250, 150]
    requests["latency_s"], requests["refused_by"], requests["first_token_s"] = 99.0, [FULL, 0], 0.2
    attempts = np.zeros(1, ATTEMPTS)
    attempts["request"], attempts["status"] = 1, CANCELLED
    log = GatewayLog(requests, attempts, np.zeros(3, TIMELINE), [{"event": "breaker"}])
    told = {"p0": truth(request=[0, 1], end=[End.COMPLETE, End.CLIENT_LEFT]), "p1": truth(request=np.zeros(0))[:0]}
    run = measured_run(WHAT, 1.0, samples(7, 8), told, log, 1.0)
    assert run.requests["queue_wait_s"].tolist() == [0.1, 0.3]
    assert run.requests["input_tokens"].tolist() == [150, 250]
    assert run.requests["latency_s"].tolist() == [0.5, 0.5]
    assert run.requests["refused_by"].tolist() == [0, FULL]
    assert run.refusals == {FULL: "queue"}
    assert run.requests["first_token_s"].tolist() == [0.2, 0.2], "as it saw them, not as the provider did"
    assert run.attempts["status"].tolist() == [200, CANCELLED]
    assert (len(run.timeline), run.events) == (3, [{"event": "breaker"}])


def test_of_a_gateway_that_says_nothing_the_answers_time_is_the_providers() -> None:
    told = {
        "p0": truth(request=[0, 1], status=[429, 429], first_token_s=np.nan, refused_by=TOKENS, output_tokens=0),
        "p1": truth(request=[0], started_s=[0.2], cached_tokens=60),
    }
    run = measured_run(WHAT, 1.0, samples(7, 8), told, None, 1.0)
    assert run.requests["first_token_s"][0] + run.requests["generation_s"][0] == pytest.approx(0.4)
    assert np.isnan(run.requests["first_token_s"][1]), "no attempt answered"
    assert Window(run).added_latency_s[0] == pytest.approx(0.1)
    assert run.requests["cached_tokens"].tolist() == [60, 0]
    assert run.attempts["refused_by"].tolist().count(TOKENS) == 2
    assert run.refusals == {TOKENS: "provider tokens limit"}


def test_a_run_in_which_no_provider_was_asked_is_a_run() -> None:
    none = {"p0": np.zeros(0, TRUTH), "p1": np.zeros(0, TRUTH)}
    run = measured_run(WHAT, 1.0, samples(7), none, None, 1.0)
    assert run.requests["cost_usd"].tolist() == [0.0]
    assert len(run.attempts) == 0


def test_an_answer_that_tells_the_version_of_its_content_is_outdated_by_that_and_not_by_the_gateways_word() -> None:
    moving = scenario(dialects=("openai", "anthropic"))
    (asked,) = moving.workload.requests
    asked = asked.model_copy(update={"prompts": Prompts(catalog=20, changes=Seconds(1.0))})
    moving = moving.model_copy(update={"workload": moving.workload.model_copy(update={"requests": (asked,)})})
    version = Contents(moving, moving.seed).version(7, 60.0)
    assert version
    rows = samples(7, 7, 7)
    rows["outcome"], rows["ended_s"], rows["version"] = CACHE_HIT, 60.0, [version, version - 1, -1]
    requests = np.zeros(3, REQUESTS)
    requests["request"], requests["cache_layer"], requests["outdated"] = [0, 1, 2], 1, [1, 0, 1]
    log = GatewayLog(requests, np.zeros(0, ATTEMPTS), np.zeros(1, TIMELINE), [])
    run = measured_run(moving, 1.0, rows, {"p0": np.zeros(0, TRUTH), "p1": np.zeros(0, TRUTH)}, log, 1.0)
    assert run.requests["outdated"].tolist() == [0, 1, 1], "the last one does not tell"
