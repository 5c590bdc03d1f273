"""Who uses what: the usage log, and the metrics by class, feature and model."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from loadtest.gateway.usage_log import UsageLog
from sim.gateway.chain import Call
from tests.loadtest.gateway.fakes import failing, fine, gateway, scenario

pytestmark = pytest.mark.sockets


def metrics_after(provider, *texts: str) -> str:
    async def run() -> str:
        async with gateway(scenario(), provider) as front:
            for text in texts:
                await front.ask(text)
            async with front.session.get(front.url + "/metrics") as answer:
                return await answer.text()

    return asyncio.run(run())


def value(metrics: str, name: str, **labels: str) -> float:
    """Of the one sample with this name and, among others, these labels."""
    found = [
        line for line in metrics.splitlines()
        if line.startswith(name + "{") and all(f'{label}="{text}"' in line for label, text in labels.items())
    ]  # fmt: skip
    assert len(found) == 1, found
    return float(found[0].rsplit(" ", 1)[1])


def test_tokens_and_cost_are_counted_by_model_and_feature() -> None:
    metrics = metrics_after(fine, "one", "two")
    labels = {"provider": "p0", "model": "m"}
    assert value(metrics, "tenfold_input_tokens_total", **labels) == 14
    assert value(metrics, "tenfold_billed_output_tokens_total", **labels) == 6
    assert value(metrics, "tenfold_cost_usd_total", **labels) == pytest.approx(2 * (7 * 1 + 3 * 2) / 1e6)


def test_attempts_have_the_names_of_opentelemetry() -> None:
    genai = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "p0", "gen_ai_request_model": "m"}
    metrics = metrics_after(fine, "one")
    assert value(metrics, "gen_ai_client_operation_duration_seconds_count", **genai, error_type="") == 1
    assert value(metrics, "gen_ai_client_token_usage_sum", **genai, gen_ai_token_type="input") == 7
    assert value(metrics, "gen_ai_client_token_usage_sum", **genai, gen_ai_token_type="output") == 3
    assert value(metrics_after(failing, "one"), "gen_ai_client_operation_duration_seconds_count", error_type="500") == 1


def call(**fields):
    c = Call()
    for name, said in {"kind": 0, "target": 0, "attempts": 1, "outcome": 0, **fields}.items():
        setattr(c, name, said)
    return c


def test_the_usage_log_says_who_used_what_and_nothing_of_the_prompt(tmp_path: Path) -> None:
    log = UsageLog(str(tmp_path / "usage.jsonl"), scenario())
    log.call_ended(call(user=7, input_tokens=30, output_tokens=5, cost_usd=0.25, arrival_s=2.0), t0=100.0)
    log.call_ended(call(user=8, target=-1, attempts=0, outcome=11, input_tokens=30), t0=100.0)
    log.close()
    first, second = map(json.loads, (tmp_path / "usage.jsonl").read_text().splitlines())
    assert (first["user"], first["provider"], first["model"], first["cost_usd"], first["at"]) == (7, "p0", "m", 0.25, 102.0)
    assert (first["input_tokens"], first["output_tokens"]) == (30, 5)
    assert (second["model"], second["outcome"], second["input_tokens"]) == (None, "rate_limited", 0)
    assert not {"prompt", "text", "messages"} & first.keys()


def test_the_usage_log_is_bounded(tmp_path: Path) -> None:
    log = UsageLog(str(tmp_path / "usage.jsonl"), scenario(), most_bytes=2000)
    for number in range(100):
        log.call_ended(call(request=number), t0=0.0)
    log.close()
    assert {path.name for path in tmp_path.iterdir()} == {"usage.jsonl", "usage.jsonl.1"}
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4000
    assert json.loads((tmp_path / "usage.jsonl").read_text().splitlines()[-1])["request"] == 99


def test_a_gateway_writes_its_usage_log(tmp_path: Path) -> None:
    async def run() -> None:
        async with gateway(scenario(), fine) as front:
            front.server.usage_log = UsageLog(str(tmp_path / "usage.jsonl"), front.server.scenario)
            await front.ask("a secret", user="u12")

    asyncio.run(run())
    written = (tmp_path / "usage.jsonl").read_text()
    assert json.loads(written)["user"] == 12
    assert "secret" not in written
