"""Every format says the same of the same calls."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from sim.importing import blocks, files
from sim.importing.calls import Calls, folded
from sim.importing.hashing import hashes_of
from sim.importing.read import read
from sim.importing.skipped import Skipped
from sim.importing.targets import targets_of
from tests.sim.importing import logs

TRUTH = logs.truth(300)
ROWS = TRUTH.rows()


def calls_of(kind: str, *paths: Path, mapping: dict[str, str] | None = None, skipped: Skipped | None = None) -> Calls:
    return read(kind, paths, mapping or {}, skipped or Skipped())[0]


@pytest.mark.parametrize(
    ("kind", "row", "knows"),
    [
        ("litellm", logs.litellm, "ttft cost status user"),
        ("litellm", logs.payload, "ttft cost status user input"),
        ("otel", logs.span, "ttft status user input"),
        ("otel", lambda row, number: logs.span(row, number, old=True), "ttft status user input"),
        ("langfuse", logs.langfuse, "ttft cost status user input"),
        ("helicone", logs.helicone, "ttft cost status user input"),
        ("portkey", logs.portkey, "cost status user input"),
        ("dynamo", logs.dynamo, "ttft input"),
        ("envoy", logs.envoy, "ttft status input"),
    ],
)
def test_json_lines_of_a_format_give_the_calls(tmp_path: Path, kind: str, row: Callable[..., dict[str, Any]], knows: str) -> None:
    place = logs.write_lines(tmp_path / "log.jsonl", [row(each, number) for number, each in enumerate(ROWS)])
    agree(calls_of(kind, place), knows)


def agree(calls: Calls, knows: str) -> None:
    good = TRUTH.status == 200
    assert len(calls) == len(TRUTH)
    assert calls.start_s == pytest.approx(TRUTH.start, abs=2e-3)
    assert calls.duration_s[good] == pytest.approx(TRUTH.duration[good], abs=2e-3)
    assert calls.output_tokens[good] == pytest.approx(TRUTH.out[good])
    models = [calls.text("model", code) for code in calls.texts["model"]]
    assert models == TRUTH.model.tolist()
    if "input" in knows:
        assert calls.input_tokens == pytest.approx(TRUTH.into)
    if "ttft" in knows:
        assert calls.ttft_s[good] == pytest.approx(TRUTH.ttft[good], abs=2e-3)
    if "cost" in knows:
        assert calls.cost_usd.sum() == pytest.approx(sum(map(logs.cost, ROWS)), rel=1e-5)
    if "status" in knows:
        assert calls.status.tolist() == TRUTH.status.tolist() or kind_of_error(calls, good)
    if "user" in knows:
        assert len(np.unique(calls.hashes["user"])) == len(np.unique(TRUTH.user))


def kind_of_error(calls: Calls, good: np.ndarray) -> bool:
    """Langfuse says that there was an error, and not which."""
    return bool((calls.served == good).all())


def test_otlp_json_is_one_document(tmp_path: Path) -> None:
    place = tmp_path / "otlp.json"
    place.write_text(json.dumps(logs.otlp(ROWS), indent=1))
    agree(calls_of("otel", place), "ttft status user input")


def test_a_spend_log_as_csv_and_as_parquet(tmp_path: Path) -> None:
    rows = [logs.litellm(each, number) for number, each in enumerate(ROWS)]
    texts = [{key: json.dumps(value) if isinstance(value, (dict, list)) else value for key, value in row.items()} for row in rows]
    agree(calls_of("litellm", logs.write_csv(tmp_path / "spend.csv", texts)), "ttft cost user")
    pyarrow.parquet.write_table(pa.Table.from_pylist([{**row, "session_id": ""} for row in texts]), tmp_path / "spend.parquet")
    agree(calls_of("litellm", tmp_path / "spend.parquet"), "ttft cost user")


def test_burstgpt_and_mooncake_count_from_zero(tmp_path: Path) -> None:
    calls = calls_of("burstgpt", logs.write_csv(tmp_path / "burst.csv", [logs.burstgpt(each, 0) for each in ROWS]))
    assert calls.duration_s == pytest.approx(TRUTH.duration, rel=1e-5)
    assert calls.start_s == pytest.approx(TRUTH.start - logs.T0, abs=1e-3)
    calls = calls_of("mooncake", logs.write_lines(tmp_path / "moon.jsonl", [logs.mooncake(each, 0) for each in ROWS]))
    assert calls.start_s == pytest.approx(TRUTH.start - logs.T0, abs=1e-3)
    assert len(np.unique(calls.hashes["prompt"])) == len(np.unique(TRUTH.prompt))


def test_nginx_lines_end_when_the_answer_has_gone_out(tmp_path: Path) -> None:
    calls = calls_of("nginx", logs.write_lines(tmp_path / "access.log", [logs.nginx(each) for each in ROWS]))
    assert calls.start_s == pytest.approx(TRUTH.start, abs=3e-3)
    assert np.sort(calls.ttft_s) == pytest.approx(np.sort(TRUTH.ttft), abs=2e-3)  # ends are told to the millisecond, so some change places
    assert (calls.status == 503).sum() == (TRUTH.status == 503).sum()


def test_upstreams_without_models_are_targets_of_their_own(tmp_path: Path) -> None:
    rows = [logs.envoy(row, number) for number, row in enumerate(ROWS)]
    upstreams = [row["gen_ai.provider.name"] for row in rows]
    for row in rows:
        del row["gen_ai.request.model"]
    found = targets_of(calls_of("envoy", logs.write_lines(tmp_path / "access.log", rows)))
    assert [found.names[number][0] for number in found.of] == upstreams
    assert len(set(upstreams)) > 1


def test_nginx_by_the_servers_own_format(tmp_path: Path) -> None:
    lines = [f'10.0.0.1 - - [02/Nov/2026:10:00:0{n}.000 +0100] "POST / HTTP/1.1" 200 rt={n + 0.5}' for n in range(5)]
    lines = [line.replace(".000 ", " ") for line in lines]
    log_format = '$remote_addr - $remote_user [$time_local] "$request" $status rt=$request_time'
    calls = calls_of("nginx", logs.write_lines(tmp_path / "access.log", lines), mapping={"format": log_format})
    assert calls.duration_s.tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert calls.start_s == pytest.approx([logs.T0 - 0.5] * 5)


def test_envoys_default_text(tmp_path: Path) -> None:
    line = (
        '[2026-11-02T09:00:00.250Z] "POST /v1/chat/completions HTTP/1.1" 200 - 812 4012 1530 640 "10.0.0.9" "openai/1.0" '
        '"a1b2" "api.example.com" "10.1.2.3:443"'
    )
    calls = calls_of("envoy", logs.write_lines(tmp_path / "envoy.log", [line]))
    assert (calls.start_s[0], calls.duration_s[0], calls.ttft_s[0]) == pytest.approx((logs.T0 + 0.25, 1.53, 0.64))


def test_usage_buckets_become_calls_with_mean_sizes(tmp_path: Path) -> None:
    result = {
        "object": "x",
        "input_tokens": 5000,
        "output_tokens": 1000,
        "num_model_requests": 10,
        "model": "gpt-4o-mini",
        "project_id": None,
    }
    page = {"object": "page", "data": [{"object": "bucket", "start_time": 1_762_000_000, "end_time": 1_762_003_600, "results": [result]}]}
    place = tmp_path / "usage.json"
    place.write_text(json.dumps(page))
    calls = calls_of("openai-usage", place)
    assert len(calls) == 10
    assert set(calls.input_tokens.tolist()) == {500.0}


def test_retries_of_one_trace_are_one_call(tmp_path: Path) -> None:
    first = logs.payload({**ROWS[0], "status": 503, "duration": 0.5}, 1) | {"trace_id": "t"}
    again = logs.payload({**ROWS[0], "status": 200, "start": ROWS[0]["start"] + 1, "duration": 2.0}, 2) | {"trace_id": "t"}
    attempts = calls_of("litellm", logs.write_lines(tmp_path / "log.jsonl", [first, again]))
    (call,) = [folded(attempts, Skipped(), "log")]
    assert len(call) == 1
    assert call.attempts.tolist() == [2]
    assert call.duration_s[0] == pytest.approx(3.0)


def test_large_files_are_read_by_arrow_with_the_same_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [json.dumps(logs.litellm(each, number)) for number, each in enumerate(ROWS)]
    place = tmp_path / "spend.jsonl.gz"
    place.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))
    monkeypatch.setattr("sim.importing.files.BLOCK", 20_000)
    slow: list[int] = []
    by_line = blocks.by_line
    monkeypatch.setattr(blocks, "by_line", lambda *given: slow.append(1) or by_line(*given))
    agree(calls_of("litellm", place), "ttft cost user status")
    assert 1 <= len(slow) < 8  # the first block, and those that have errors for the first time; of about fifteen


def test_names_with_dots_are_read_by_arrow_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.importing.files.BLOCK", 20_000)
    agree(calls_of("envoy", logs.write_lines(tmp_path / "log.jsonl", [logs.envoy(each, n) for n, each in enumerate(ROWS)])), "ttft input")


def test_what_a_database_exports_as_text_is_looked_into(tmp_path: Path) -> None:
    rows = [logs.litellm(each, number) for number, each in enumerate(ROWS)]
    rows = [row | {"metadata": json.dumps(row["metadata"]), "request_tags": ""} for row in rows]
    agree(calls_of("litellm", logs.write_csv(tmp_path / "spend.csv", rows)), "ttft cost status")


def test_hashes_tell_texts_apart_wherever_they_stand() -> None:
    texts = ["", "a", "b", "ab", "ba", "a" * 8, "a" * 9, "x" * 300, None, "é" * 20, "a"]
    found = hashes_of(pa.array(texts))
    assert len(set(found.tolist())) == 10
    assert found[8] == 0
    assert found.tolist() == [int(hashes_of(pa.array([text], pa.string()))[0]) for text in texts]
    assert hashes_of(pa.array(texts).slice(5)).tolist() == found[5:].tolist()
    many = hashes_of(pa.array([f"user-{number}" for number in range(200_000)]))
    assert len(np.unique(many)) == 200_000


@pytest.mark.parametrize("later", [{"role": "user", "content": "hi"}, [{"role": "user", "content": "hi"}]], ids=["object", "list"])
def test_prompts_that_begin_in_the_middle_of_a_log_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: object) -> None:
    monkeypatch.setattr(files, "BLOCK", 1000)
    row = {"request_id": "", "startTime": "2026-11-02T00:00:00Z", "endTime": "2026-11-02T00:00:01Z", "model": "gpt-4o", "messages": {}}
    rows = [row | {"request_id": str(number), "messages": later if number >= 60 else {}} for number in range(80)]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    calls, _ = read("litellm", [tmp_path / "log.jsonl"], {}, Skipped())
    assert np.count_nonzero(calls.hashes["prompt"]) == 20
