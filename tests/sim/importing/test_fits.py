"""Arrivals, latencies, prices, errors, outages and prompts of a known truth are found again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadtest.cli.back_test import compare
from loadtest.cli.importing import predict
from sim.gateway.language import load
from sim.importing.arrivals import fit_arrivals
from sim.importing.assemble import Draft, draft
from sim.importing.litellm_config import read_config
from sim.importing.outages import find_outages
from sim.importing.read import read
from sim.importing.skipped import Skipped
from sim.importing.write import write_scenario
from tests.sim.importing import logs


def imported(tmp_path: Path, truth: logs.Truth, change: Any = lambda row: row) -> dict[str, Any]:
    rows = [change(logs.litellm(each, number)) for number, each in enumerate(truth.rows())]
    calls, _ = read("litellm", [logs.write_lines(tmp_path / "spend.jsonl", rows)], {}, Skipped())
    return draft(calls, None, "mine", Skipped(), "spend.jsonl", "fit").data


def in_ms(text: str) -> float:
    return float(text.removesuffix("ms")) if text.endswith("ms") else 1000 * float(text.removesuffix("s"))


def test_a_spend_log_gives_its_parameters_back(tmp_path: Path) -> None:
    """Within: rate 5 %, shares and error rate 1 point, medians 3 %, spreads 6 %, effect of the prompt's length 25 %, prices 1 %."""
    found = imported(tmp_path, logs.truth(6000))
    arrivals = found["workload"]["arrivals"]
    assert arrivals["kind"] == "poisson"
    assert float(arrivals["rate"].removesuffix("/s")) == pytest.approx(4.0, rel=0.05)
    assert found["workload"]["users"]["count"] == 200
    small = next(each for each in found["workload"]["requests"] if each["name"] == "chat-gpt")
    assert small["share"] == pytest.approx(0.7, abs=0.015)
    assert small["tokens"]["input"]["kind"] == "lognormal"
    assert small["tokens"]["input"]["median"] == pytest.approx(600, rel=0.04)
    assert small["tokens"]["output"]["sigma"] == pytest.approx(0.6, rel=0.06)
    model = found["providers"]["openai"]["models"]["gpt-4o-mini"]
    assert in_ms(model["ttft"]["median"]) == pytest.approx(600, rel=0.03)
    assert model["ttft"]["sigma"] == pytest.approx(0.3, rel=0.06)
    assert in_ms(model["ttft_per_1k"]) == pytest.approx(50, rel=0.25)
    assert in_ms(model["per_token"]["median"]) == pytest.approx(9.5, rel=0.03)
    assert model["per_token"]["sigma"] == pytest.approx(0.25, rel=0.06)
    assert "price" not in model  # the list's, to within a per cent
    other = found["providers"]["anthropic"]["models"]["claude-haiku-4-5"]
    assert in_ms(other["ttft"]["median"]) == pytest.approx(1100, rel=0.04)
    assert "ttft_per_1k" not in other
    errors = found["providers"]["openai"]["errors"]
    assert errors["rate"] == pytest.approx(0.02, abs=0.006)
    assert errors["status"] == 503
    assert "faults" not in found


def test_prices_that_are_not_the_lists_are_found(tmp_path: Path) -> None:
    found = imported(tmp_path, logs.truth(800), lambda row: row | {"spend": row["prompt_tokens"] * 2e-6 + row["completion_tokens"] * 9e-6})
    price = found["providers"]["openai"]["models"]["gpt-4o-mini"]["price"]
    assert (price["input"], price["output"]) == (pytest.approx(2, rel=0.01), pytest.approx(9, rel=0.01))


def test_repeated_prompts_become_a_catalog(tmp_path: Path) -> None:
    found = imported(tmp_path, logs.truth(4000, repeated=True))
    prompts = found["workload"]["requests"][0]["prompts"]
    assert prompts["catalog"] == pytest.approx(300, rel=0.3)
    assert prompts["zipf"] == pytest.approx(1.0, abs=0.15)


def test_an_outage_is_a_fault_at_its_time(tmp_path: Path) -> None:
    truth = logs.truth(4000, error=0.0)
    at = truth.start - truth.start[0]
    truth.status[(at > 300) & (at < 390) & (truth.model == "gpt-4o-mini")] = 503
    (fault,) = imported(tmp_path, truth)["faults"]
    assert fault["kind"] == "outage"
    assert fault["provider"] == "openai"
    assert float(fault["at"][:-1]) == pytest.approx(300, abs=5)
    assert float(fault["for"][:-1]) == pytest.approx(90, abs=8)


def availability(tmp_path: Path, config: str, change: Any = lambda row: row) -> tuple[float, float, Draft]:
    """(the log's, the prediction's, the draft)."""
    rows = [change(logs.litellm(each, number)) for number, each in enumerate(logs.truth(3000, error=0.05).rows())]
    calls, _ = read("litellm", [logs.write_lines(tmp_path / "spend.jsonl", rows)], {}, Skipped())
    (tmp_path / "config.yaml").write_text(config)
    drafted = draft(calls, read_config(tmp_path / "config.yaml"), "mine", Skipped(), "spend.jsonl", "fit")
    place = tmp_path / "mine.yaml"
    place.write_text(write_scenario(drafted, place, []))
    found = compare(load(place), drafted.calls, drafted.log_cost_usd, predict).figures["availability"]
    return found.log, found.predicted, drafted


MODELS = """
model_list:
  - {model_name: chat-gpt, litellm_params: {model: openai/gpt-4o-mini}}
  - {model_name: chat-cla, litellm_params: {model: anthropic/claude-haiku-4-5}}
"""


@pytest.mark.parametrize("settings", ["", "litellm_settings: {fallbacks: [{chat-gpt: [chat-cla]}, {chat-cla: [chat-gpt]}]}"])
def test_failed_calls_of_a_spend_log_are_not_healed_by_the_retries_that_they_have_had(tmp_path: Path, settings: str) -> None:
    logged, predicted, drafted = availability(tmp_path, MODELS + settings)
    assert logged == pytest.approx(0.95, abs=0.01)
    assert predicted == pytest.approx(logged, abs=0.005)
    assert drafted.data["gateway"]["retry"]["attempts"] == 3
    assert any("failed after all" in each.says and "ASSUMPTION" in each.says for each in drafted.evidence if each.weak)


def test_failures_before_a_provider_was_asked_are_those_of_no_provider(tmp_path: Path) -> None:
    def nameless(row: dict[str, Any]) -> dict[str, Any]:
        return row if row["status"] == "success" else row | {"model": "", "custom_llm_provider": "", "model_group": ""}

    logged, predicted, drafted = availability(tmp_path, MODELS, nameless)
    assert predicted == pytest.approx(logged, abs=0.005)
    assert drafted.data["gateway"]["validation"]["malformed"] == pytest.approx(1 - logged, abs=1e-3)


def test_attempts_that_a_retry_healed_are_errors_and_the_others_last(tmp_path: Path) -> None:
    """Of 1000 calls 100 fail once and are answered at the second attempt; 20 fail three times."""
    rows: list[dict[str, Any]] = []
    for number, row in enumerate(logs.truth(1000, error=0.0).rows()):
        fails = 3 if number % 50 == 0 else 1 if number % 10 == 1 else 0
        for attempt in range(fails + (fails < 3)):
            one = logs.payload(
                row | {"start": row["start"] + attempt * 1e-3, "status": 503 if attempt < fails else 200, "model": "gpt-4o-mini"}, number
            )
            rows.append(one | {"id": f"{number}-{attempt}"})
    calls, _ = read("litellm", [logs.write_lines(tmp_path / "payload.jsonl", rows)], {}, Skipped())
    found = draft(calls, None, "mine", Skipped(), "payload.jsonl", "fit").data
    assert found["gateway"]["retry"]["attempts"] == 3
    assert found["providers"]["openai"]["errors"]["rate"] == pytest.approx(20 / 1100, rel=0.01)
    assert found["providers"]["openai"]["errors"]["status"] == 400
    (healed,) = found["faults"]
    assert (healed["status"], healed["share"]) == (503, pytest.approx(100 / 1100, rel=0.01))


def test_scattered_errors_are_no_outage() -> None:
    random = np.random.default_rng(3)
    assert find_outages(np.arange(5000.0), np.where(random.random(5000) < 0.1, 500, 200)) == []


@pytest.mark.parametrize("attempts", [5, 6, 7, 8])
def test_a_provider_of_fewer_attempts_than_a_window_has_errors_and_no_outage(attempts: int) -> None:
    assert find_outages(np.arange(float(attempts)), np.full(attempts, 503)) == []


def test_sessions_become_conversations_and_agents_wait(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    rows, at = [], 0.0
    for session in range(250):
        at += random.exponential(20)
        then = logs.T0 + at
        for _ in range(random.geometric(1 / 4)):
            row = {
                "start": then,
                "ttft": 0.3,
                "duration": 2.0,
                "model": "gpt-4o-mini",
                "into": 500,
                "out": 50,
                "status": 200,
                "user": session,
            }
            rows.append(logs.litellm(row | {"prompt": len(rows), "hit": False}, len(rows)) | {"session_id": f"s{session}"})
            then += 2.0 + random.lognormal(np.log(0.4), 0.5)
    calls, _ = read("litellm", [logs.write_lines(tmp_path / "spend.jsonl", rows)], {}, Skipped())
    talks = draft(calls, None, "mine", Skipped(), "log").data["workload"]["conversations"]
    assert talks["turns"]["kind"] == "geometric"
    assert talks["turns"]["mean"] == pytest.approx(4, rel=0.12)
    assert talks["after"] == "answer"
    assert in_ms(talks["think"]["median"]) == pytest.approx(400, rel=0.1)


def test_bursts_are_a_cv_and_a_day_is_a_profile() -> None:
    random = np.random.default_rng(4)
    bursty = fit_arrivals(np.cumsum(random.gamma(0.25, 4.0, 8000)), None)
    assert bursty.data["kind"] == "gamma"
    assert bursty.data["cv"] == pytest.approx(2.0, rel=0.08)
    hours = np.arange(72 * 60) / 60
    wave = 1 + 0.6 * np.cos(2 * np.pi * (hours - 14) / 24)
    at = np.sort(np.repeat(hours, random.poisson(6 * wave)) * 3600 + random.random(1) * 1e-3)
    at = np.sort(at + random.random(len(at)) * 60) + logs.T0 - 9 * 3600
    day = fit_arrivals(at, 500.0)
    assert day.data["kind"] == "users"
    assert day.data["daily_active"] == 500
    assert day.data["daily_active"] * day.data["calls_per_day"] == pytest.approx(6 * 1440, rel=0.03)
    assert max(day.data["profile"]) == pytest.approx(1.6, abs=0.1)


def test_a_rate_that_changes_is_stages() -> None:
    random = np.random.default_rng(4)
    at = np.concatenate([np.sort(random.uniform(0, 600, 1200)), np.sort(random.uniform(600, 900, 3000))])
    stages = fit_arrivals(at, None).data["stages"]
    assert 2 <= len(stages) <= 4
    assert float(stages[0]["rate"][:-2]) == pytest.approx(2, rel=0.1)
    assert float(stages[-1]["rate"][:-2]) == pytest.approx(10, rel=0.1)


def test_times_that_mean_nothing_make_no_claim() -> None:
    assert fit_arrivals(np.arange(100.0), None, timed=False).evidence.weak
