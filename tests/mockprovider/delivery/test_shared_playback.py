"""On a server that requests share, the mock's tokens come when the model's clock of work says: faster alone, slower in company."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from mockprovider.supervisor import serving
from sim.gateway.language import load
from tests.mockprovider.conftest import Handle

pytestmark = pytest.mark.sockets

SCENARIO = """
tenfold: 1
name: sharing
seed: 5
workload:
  arrivals: {kind: poisson, rate: 1/s}
  duration: 1h
  requests: [{name: ask, tokens: {input: {kind: constant, value: 20}, output: {kind: constant, value: 21}}}]
gateway: {routing: {kind: round-robin, models: [openai/m]}}
providers:
  openai:
    models:
      m:
        ttft: {kind: constant, value: 100ms}
        per_token: {kind: constant, value: 10ms}
        batching: {parallel: 1}
        price: {input: 1, output: 2}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    path = tmp_path_factory.mktemp("scenario") / "sharing.yaml"
    path.write_text(SCENARIO)
    with serving(load(path)) as running:
        yield Handle("openai", running[0].url)


@pytest.fixture
def mock(served: Handle) -> Handle:
    served.restart()
    return served


def ask(handle: Handle, stream: bool = True) -> None:
    handle.post("/v1/chat/completions", json={"model": "m", "messages": [{"role": "user", "content": "[tf:1:21]hello"}], "stream": stream})


@pytest.mark.parametrize("stream", [True, False])
def test_two_at_once_take_twice_as_long_and_one_alone_does_not(mock: Handle, stream: bool) -> None:
    ask(mock, stream)
    others = [threading.Thread(target=ask, args=(mock, stream)) for _ in range(2)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    rows = mock.settled(3)
    apart_s = abs(rows[1]["started_s"] - rows[2]["started_s"])
    alone, together = rows[0]["duration_s"], [row["duration_s"] for row in rows[1:]]
    assert 0.299 < alone < 0.45
    assert all(0.599 - apart_s < duration_s < 0.75 for duration_s in together)


def test_who_leaves_speeds_up_the_rest_and_is_billed_for_what_was_done(mock: Handle) -> None:
    staying = threading.Thread(target=ask, args=(mock,))
    staying.start()
    with pytest.raises(httpx.TimeoutException):
        mock.post("/v1/chat/completions", json={"model": "m", "messages": [{"role": "user", "content": "[tf:2:21]hello"}]}, timeout=0.3)
    staying.join()
    left, stayed = sorted(mock.settled(2), key=lambda row: row["duration_s"])
    assert (left["end"], stayed["end"]) == ("client_left", "complete")
    assert left["output_tokens"] == pytest.approx(1 + (left["duration_s"] / 2 - 0.1) / 0.01, abs=2)
    shared_s = 0.3 + min(left["duration_s"], 0.6) / 2
    assert shared_s - 0.03 < stayed["duration_s"] < shared_s + 0.12, "neither as if alone, 0.3 s, nor as if both had stayed, 0.6 s"


def test_an_answer_that_outlasts_a_run_keeps_its_pace_and_is_no_company_in_the_next(mock: Handle) -> None:
    before = threading.Thread(target=ask, args=(mock,))
    before.start()
    time.sleep(0.15)
    mock.restart()
    ask(mock)
    before.join()
    old, new = sorted(mock.settled(2), key=lambda row: row["started_s"])
    assert old["started_s"] < 0.0 < new["started_s"], "seconds after the second run's start"
    assert all(row["end"] == "complete" and 0.299 < row["duration_s"] < 0.45 for row in (old, new)), "each as if alone"


def shared_equally(starts_s: list[float], work_s: float) -> list[float]:
    """How long each of several requests takes that share one server equally: processor sharing, step by step."""
    left: dict[int, float] = {}
    took_s, now_s, coming = [0.0] * len(starts_s), 0.0, list(range(len(starts_s)))
    while coming or left:
        next_end_s = now_s + min(left.values()) * len(left) if left else float("inf")
        until_s = min(next_end_s, starts_s[coming[0]]) if coming else next_end_s
        left = {i: work - (until_s - now_s) / len(left) for i, work in left.items()}
        now_s = until_s
        if coming and now_s == starts_s[coming[0]]:
            left[coming.pop(0)] = work_s
        for i in [i for i, work in left.items() if work <= 1e-12]:
            took_s[i] = now_s - starts_s[i]
            del left[i]
    return took_s


def test_answers_of_a_busy_shared_server_take_as_long_as_sharing_makes_them(mock: Handle) -> None:
    offsets_s = [0.0, 0.1, 0.15, 0.6, 0.65, 0.7, 0.72, 1.5, 1.9, 1.95, 2.0, 2.3]
    begun_s, threads = time.monotonic(), []
    for number, at_s in enumerate(offsets_s):
        time.sleep(max(0.0, begun_s + at_s - time.monotonic()))
        body = {"model": "m", "messages": [{"role": "user", "content": f"[tf:{number}:21]hello"}], "stream": True}
        threads.append(threading.Thread(target=mock.post, args=("/v1/chat/completions",), kwargs={"json": body, "timeout": 30}))
        threads[-1].start()
    for thread in threads:
        thread.join()
    rows = sorted(mock.settled(len(offsets_s)), key=lambda row: row["started_s"])
    expected = shared_equally([row["started_s"] for row in rows], 0.3)
    assert max(expected) > 0.7, "they do meet"
    late_s = sorted(row["duration_s"] - took_s for row, took_s in zip(rows, expected, strict=True))
    assert late_s[0] > -0.005, "none ends before its time"
    assert late_s[len(late_s) // 4] < 0.01, "nor much after it, where nothing else held the processor"
