"""Logs of a known truth, written in each format's own words."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

T0 = datetime(2026, 11, 2, 9, 0, tzinfo=UTC).timestamp()
PRICES = {"gpt-4o-mini": (0.15e-6, 0.6e-6), "claude-haiku-4-5": (1e-6, 5e-6)}
SECRET = "sk-very-secret-key"
PROMPT = "what is the meaning of"


@dataclass
class Truth:
    """Columns over calls: what a log of them says."""

    start: np.ndarray
    ttft: np.ndarray
    duration: np.ndarray
    model: np.ndarray
    into: np.ndarray
    out: np.ndarray
    status: np.ndarray
    user: np.ndarray
    prompt: np.ndarray
    hit: np.ndarray

    def __len__(self) -> int:
        return len(self.start)

    def rows(self) -> list[dict[str, Any]]:
        return [{name: column[i].item() for name, column in vars(self).items()} for i in range(len(self))]


def truth(n: int = 4000, rate: float = 4.0, seed: int = 7, error: float = 0.02, repeated: bool = False) -> Truth:
    """Poisson arrivals; two models, 70:30, with lognormal laws; prompts of 50 ms a 1000 tokens for the first model."""
    r = np.random.default_rng(seed)
    cheap = r.random(n) < 0.7
    into = np.rint(np.where(cheap, r.lognormal(np.log(600), 0.8, n), r.lognormal(np.log(1500), 0.5, n))).clip(1)
    out = np.rint(np.where(cheap, r.lognormal(np.log(150), 0.6, n), r.lognormal(np.log(300), 0.4, n))).clip(2)
    ttft = np.where(cheap, r.lognormal(np.log(0.6), 0.3, n) + 0.05 * into / 1000, r.lognormal(np.log(1.1), 0.4, n))
    pace = np.where(cheap, r.lognormal(np.log(0.0095), 0.25, n), r.lognormal(np.log(0.008), 0.2, n))
    prompt = np.arange(n)
    if repeated:
        weight = np.arange(1, 301) ** -1.0
        prompt = r.choice(300, n, p=weight / weight.sum())
        _, first = np.unique(prompt, return_index=True)
        source = dict(zip(prompt[first].tolist(), first.tolist(), strict=True))
        place = np.array([source[each] for each in prompt.tolist()])
        into, out = into[place], out[place]
    status = np.where(r.random(n) < error, 503, 200)
    return Truth(
        T0 + np.cumsum(r.exponential(1 / rate, n)), ttft, ttft + pace * (out - 1), np.where(cheap, "gpt-4o-mini", "claude-haiku-4-5"),
        into, out,
        status, r.integers(0, 200, n), prompt, np.zeros(n, bool),
    )  # fmt: skip


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def provider(model: str) -> str:
    return "openai" if model.startswith("gpt") else "anthropic"


def cost(row: dict[str, Any]) -> float:
    into, out = PRICES[row["model"]]
    return row["into"] * into + row["out"] * out if row["status"] == 200 and not row["hit"] else 0.0


def litellm(row: dict[str, Any], number: int) -> dict[str, Any]:
    """A row of LiteLLM_SpendLogs as the proxy's API gives it."""
    good = row["status"] == 200
    end = row["start"] + (row["duration"] if good else 0.2)
    return {
        "request_id": f"chatcmpl-{number}", "call_type": "acompletion",
        "api_key": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
        "spend": cost(row), "total_tokens": int(row["into"] + row["out"]) if good else 0, "prompt_tokens": int(row["into"]) if good else 0,
        "completion_tokens": int(row["out"]) if good else 0, "startTime": iso(row["start"]), "endTime": iso(end),
        "completionStartTime": iso(row["start"] + row["ttft"]) if good else iso(end), "model": row["model"], "model_id": "d" * 64,
        "model_group": "chat-" + row["model"][:3], "custom_llm_provider": provider(row["model"]), "api_base": "https://api.example.com/v1",
        "user": "default_user_id", "metadata": {"user_api_key_alias": SECRET}, "cache_hit": "True" if row["hit"] else "False",
        "cache_key": f"key-{row['prompt']}", "request_tags": [], "team_id": "", "end_user": f"user-{row['user']}",
        "requester_ip_address": "10.0.0.1", "messages": {}, "response": {}, "session_id": None, "status": "success" if good else "failure",
    } | ({} if good else {"metadata": {"error_information": {"error_code": str(row["status"]),
    "error_class": "ServiceUnavailableError"}}})  # fmt: skip


def payload(row: dict[str, Any], number: int) -> dict[str, Any]:
    """A StandardLoggingPayload."""
    good = row["status"] == 200
    return {
        "id": f"chatcmpl-{number}", "trace_id": f"trace-{number}", "call_type": "acompletion", "stream": True, "response_cost": cost(row),
        "status": "success" if good else "failure", "custom_llm_provider": provider(row["model"]), "prompt_tokens": int(row["into"]),
        "completion_tokens": int(row["out"]) if good else 0, "startTime": row["start"], "endTime": row["start"] + row["duration"],
        "completionStartTime": row["start"] + row["ttft"], "model": row["model"], "model_group": "chat-" + row["model"][:3],
        "end_user": f"user-{row['user']}", "messages": [{"role": "user", "content": f"{PROMPT} {row['prompt']}"}], "cache_hit": row["hit"],
        "error_information": None if good else {"error_code": str(row["status"])}, "metadata": {"user_api_key_hash": SECRET},
    }  # fmt: skip


def span(row: dict[str, Any], number: int, old: bool = False) -> dict[str, Any]:
    """A GenAI span a line; ``old``: by the deprecated names."""
    names = ("gen_ai.system", "gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens", "gen_ai.server.ttft")
    names = (
        names
        if old
        else ("gen_ai.provider.name", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.response.time_to_first_chunk")
    )
    told = dict(zip(names, (provider(row["model"]), int(row["into"]), int(row["out"]), row["ttft"]), strict=True))
    told |= {"gen_ai.operation.name": "chat", "gen_ai.request.model": row["model"], "user.id": f"user-{row['user']}"}
    if row["status"] != 200:
        told["error.type"] = str(row["status"])
    return {
        "trace_id": f"{number:032x}", "span_id": f"{number:016x}", "name": f"chat {row['model']}", "start_time": iso(row["start"]),
        "end_time": iso(row["start"] + row["duration"]), "attributes": told,
        "status": {"status_code": "UNSET" if row["status"] == 200 else "ERROR"},
    }  # fmt: skip


def otlp(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One export request, with a tool's span among the calls."""

    def wrapped(value: Any) -> dict[str, Any]:
        return (
            {"intValue": str(value)}
            if isinstance(value, int)
            else {"doubleValue": value}
            if isinstance(value, float)
            else {"stringValue": value}
        )

    spans = []
    for number, row in enumerate(rows):
        one = span(row, number)
        spans.append(
            {
                "traceId": one["trace_id"], "spanId": one["span_id"], "name": one["name"],
                "startTimeUnixNano": str(round(row["start"] * 1e9)),
                "endTimeUnixNano": str(round((row["start"] + row["duration"]) * 1e9)),
                "attributes": [{"key": key, "value": wrapped(value)} for key, value in one["attributes"].items()],
                "status": {} if row["status"] == 200 else {"code": 2},
            }
        )  # fmt: skip
    tool = {
        "spanId": "ff",
        "startTimeUnixNano": "1",
        "attributes": [{"key": "gen_ai.operation.name", "value": {"stringValue": "execute_tool"}}],
    }
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": [*spans, tool]}]}]}


def langfuse(row: dict[str, Any], number: int) -> dict[str, Any]:
    good = row["status"] == 200
    stamp = iso(row["start"]).replace("T", " ").removesuffix("Z")
    return {
        "id": f"obs-{number}", "trace_id": f"t{number}", "type": "GENERATION", "start_time": stamp,
        "end_time": iso(row["start"] + row["duration"]).replace("T", " ").removesuffix("Z"), "level": "DEFAULT" if good else "ERROR",
        "provided_model_name": row["model"], "usage_details": {"input": int(row["into"]), "output": int(row["out"])},
        "total_cost": cost(row),
        "latency": row["duration"], "time_to_first_token": row["ttft"], "user_id": f"user-{row['user']}",
    }  # fmt: skip


def helicone(row: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        "request_id": f"h{number}", "request_created_at": iso(row["start"]), "response_created_at": iso(row["start"] + row["duration"]),
        "response_status": row["status"], "request_model": row["model"], "provider": provider(row["model"]).upper(),
        "request_user_id": f"user-{row['user']}", "delay_ms": row["duration"] * 1e3, "time_to_first_token": row["ttft"] * 1e3,
        "prompt_tokens": int(row["into"]), "completion_tokens": int(row["out"]), "costUSD": cost(row),
    }  # fmt: skip


def portkey(row: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        "id": f"p{number}", "trace_id": f"pt{number}", "created_at": iso(row["start"]), "ai_org": provider(row["model"]),
        "ai_model": row["model"],
        "req_units": int(row["into"]), "res_units": int(row["out"]), "cost": cost(row) * 100, "cost_currency": "USD",
        "response_time": row["duration"] * 1e3, "response_status_code": row["status"], "metadata": {"_user": f"user-{row['user']}"},
    }  # fmt: skip


def dynamo(row: dict[str, Any], number: int) -> dict[str, Any]:
    request = {
        "request_id": f"r{number}", "model": row["model"], "request_received_ms": round(row["start"] * 1e3),
        "total_time_ms": row["duration"] * 1e3,
        "input_tokens": int(row["into"]), "output_tokens": int(row["out"]), "cached_tokens": 0, "ttft_ms": row["ttft"] * 1e3,
    }  # fmt: skip
    return {
        "schema": "dynamo.request.trace.v1", "event_type": "request_end", "agent_context": {"session_id": f"s{row['user']}"},
        "request": request,
        "event_time_unix_ms": round((row["start"] + row["duration"]) * 1e3),
    }  # fmt: skip


def mooncake(row: dict[str, Any], _number: int) -> dict[str, Any]:
    return {
        "timestamp": (row["start"] - T0) * 1e3,
        "input_length": int(row["into"]),
        "output_length": int(row["out"]),
        "hash_ids": [row["prompt"]],
    }


def envoy(row: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        "start_time": iso(row["start"]), "method": "POST", "response_code": row["status"], "duration": round(row["duration"] * 1e3),
        "x-envoy-upstream-service-time": str(round(row["ttft"] * 1e3)), "x-request-id": f"e{number}", "gen_ai.request.model": row["model"],
        "gen_ai.provider.name": provider(row["model"]), "gen_ai.usage.input_tokens": int(row["into"]),
        "gen_ai.usage.output_tokens": int(row["out"]),
    }  # fmt: skip


def burstgpt(row: dict[str, Any], _number: int) -> dict[str, Any]:
    return {
        "Timestamp": row["start"] - T0, "Session ID": "", "Elapsed time": row["duration"], "Model": row["model"],
        "Request tokens": int(row["into"]),
        "Response tokens": int(row["out"]), "Total tokens": int(row["into"] + row["out"]), "Log Type": "Conversation log",
    }  # fmt: skip


def nginx(row: dict[str, Any]) -> str:
    """The line that is written when the answer has gone out."""
    end, spent, status = row["start"] + row["duration"], row["duration"], row["status"]
    return f"{end:.3f} {spent:.3f} {spent:.3f} {row['ttft']:.3f} 0.001 {status} {status} 10.0.0.7:443 - 900 4000"


def write_lines(place: Path, rows: list[Any]) -> Path:
    place.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return place


def write_csv(place: Path, rows: list[dict[str, Any]]) -> Path:
    with place.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return place
