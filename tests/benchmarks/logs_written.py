"""Logs of any length as gateways write them, quickly: rows are formatted by the block from drawn columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

BLOCK = 50_000
T0_S = datetime(2026, 11, 2, tzinfo=UTC).timestamp()
RATE_RPS = 60.0
PRICES = np.array([[0.15e-6, 0.6e-6], [1e-6, 5e-6]])
MODELS = (("gpt-4o-mini", "openai"), ("claude-haiku-4-5", "anthropic"))
MOST_PROMPTS = 3_000_000


def drawn(rows: int, first: int, seed: int = 5) -> dict[str, Any]:
    """Columns of a block: Poisson arrivals over a day's wave, two models with lognormal laws, 1 % errors, repeated prompts."""
    r = np.random.default_rng((seed, first))
    kind = (r.random(rows) < 0.3).astype(int)
    at = T0_S + (first + np.sort(r.random(rows)) * rows) / RATE_RPS
    into = np.rint(r.lognormal(np.log(np.array([600, 1500])[kind]), 0.7)).clip(1).astype(int)
    out = np.rint(r.lognormal(np.log(np.array([150, 300])[kind]), 0.5)).clip(2).astype(int)
    ttft = r.lognormal(np.log(np.array([0.6, 1.1])[kind]), 0.35)
    took = ttft + r.lognormal(np.log(0.009), 0.25, rows) * (out - 1)
    return {
        "at": at, "kind": kind, "into": into, "out": out, "ttft": ttft, "took": took, "bad": r.random(rows) < 0.01,
        "user": r.integers(0, 200_000, rows), "prompt": r.integers(0, MOST_PROMPTS, rows),
        "cost": (np.stack([into, out], 1) * PRICES[kind]).sum(1),
    }  # fmt: skip


def stamps(at_s: np.ndarray) -> list[str]:
    return [f"{each}Z" for each in (at_s * 1e6).astype("datetime64[us]").astype(str).tolist()]


def litellm(b: dict[str, Any], first: int) -> Iterator[str]:
    """Rows of LiteLLM_SpendLogs as its API gives them, about 1.1 kB each."""
    last = b["at"] + b["took"]
    columns = (stamps(b["at"]), stamps(last), stamps(b["at"] + b["ttft"]), *(b[name].tolist() for name in LITELLM))
    for number, (start, end, token, kind, into, out, bad, user, prompt, cost) in enumerate(zip(*columns, strict=True), first):
        model, provider = MODELS[kind]
        if bad:
            into, out, cost, token = 0, 0, 0.0, end
        yield (
            f'{{"request_id":"chatcmpl-{number:032x}","call_type":"acompletion","api_key":"88dc28d0f030c55ed4ab77ed8faf098196cb1c05df'
            f'778539800c9f1243fe6b4b","spend":{cost:.9g},"total_tokens":{into + out},"prompt_tokens":{into},"completion_tokens":{out},'
            f'"startTime":"{start}","endTime":"{end}","completionStartTime":"{token}","model":"{model}","model_id":"{kind:064x}",'
            f'"model_group":"chat-{kind}","custom_llm_provider":"{provider}","api_base":"https://api.{provider}.com/v1","user":"default",'
            f'"metadata":{{"user_api_key_alias":"app","additional_usage_values":{{"prompt_tokens_details":null}},"error_information":'
            f'{FAILED if bad else "null"},"status":"{"failure" if bad else "success"}"}},"cache_hit":"False","cache_key":"{prompt:064x}",'
            f'"request_tags":["User-Agent: OpenAI"],"team_id":"","organization_id":null,"end_user":"user-{user}",'
            f'"requester_ip_address":"10.0.0.1","messages":{{}},"response":{{}},"session_id":"{number:036x}",'
            f'"status":"{"failure" if bad else "success"}","mcp_namespaced_tool_name":null,"agent_id":null,"proxy_server_request":{{}}}}\n'
        )


LITELLM = ("kind", "into", "out", "bad", "user", "prompt", "cost")
FAILED = '{"error_code":"503","error_class":"ServiceUnavailableError","llm_provider":"openai"}'


def envoy(b: dict[str, Any], first: int) -> Iterator[str]:
    """Envoy AI Gateway's JSON access log."""
    columns = (stamps(b["at"]), *(b[name].tolist() for name in ("kind", "into", "out", "ttft", "took", "bad", "user")))
    for number, (start, kind, into, out, ttft, took, bad, user) in enumerate(zip(*columns, strict=True), first):
        model, provider = MODELS[kind]
        yield (
            f'{{"start_time":"{start[:23]}Z","method":"POST","response_code":{503 if bad else 200},"response_flags":"-",'
            f'"duration":{took * 1e3:.0f},"x-envoy-upstream-service-time":"{ttft * 1e3:.0f}","bytes_sent":4012,"bytes_received":812,'
            f'"upstream_host":"10.1.2.3:443","upstream_cluster":"{provider}","x-request-id":"{number:036x}","x-user-id":"u{user}",'
            f'"gen_ai.request.model":"{model}","gen_ai.response.model":"{model}","gen_ai.provider.name":"{provider}",'
            f'"gen_ai.usage.input_tokens":{into},"gen_ai.usage.output_tokens":{out},"gen_ai.usage.total_tokens":{into + out}}}\n'
        )


def nginx(b: dict[str, Any], _first: int) -> Iterator[str]:
    """Lines of a log_format with upstream times, in the order of their ends."""
    order = np.argsort(b["at"] + b["took"])
    columns = [column[order].tolist() for column in (b["at"] + b["took"], b["took"], b["ttft"], b["bad"], b["user"])]
    for end, took, ttft, bad, user in zip(*columns, strict=True):
        code = 503 if bad else 200
        yield f"{end:.3f} {took:.3f} {took:.3f} {ttft:.3f} 0.001 {code} {code} 10.0.0.{user % 250}:443 - 900 4000\n"


WRITERS: dict[str, Callable[[dict[str, Any], int], Iterator[str]]] = {"litellm": litellm, "envoy": envoy, "nginx": nginx}


def write_log(kind: str, rows: int, place: Path) -> int:
    """Writes the log and returns its size in bytes."""
    with place.open("w", buffering=1 << 22) as file:
        for first in range(0, rows, BLOCK):
            file.writelines(WRITERS[kind](drawn(min(BLOCK, rows - first), first), first))
    return place.stat().st_size
