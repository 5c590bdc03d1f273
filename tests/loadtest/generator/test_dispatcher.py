"""The load engine: what it sends, when, and what it makes of the answers."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web

from loadtest.generator.certificate import certify
from sim.data.outcomes import ABANDONED, CACHE_HIT, ERROR, NAMES, OK, TIMEOUT
from sim.workload.prompt_text import count_tokens, read_marker
from sim.workload.schedule import build_schedule
from tests.loadtest.stub import DONE, ROLE, STOP, USAGE, WORD, play, scenario, stream

pytestmark = pytest.mark.sockets


async def whole_stream(request: web.Request) -> web.StreamResponse:
    return await stream(request, ROLE, WORD, WORD, WORD, STOP, USAGE, DONE)


def test_every_request_of_the_schedule_is_sent_and_none_before_its_time(tmp_path: Path) -> None:
    what = scenario({"kind": "poisson", "rate": "40/s"}, "2.5s")  # longer than a busy machine holds everything up
    rows, report = asyncio.run(play(what, whole_stream, tmp_path))
    planned = build_schedule(what)
    assert rows["request"].tolist() == list(range(len(planned)))
    assert rows["arrival_s"] == pytest.approx(planned.arrival_s)
    assert rows["prompt"].tolist() == planned.prompt.tolist()
    lag_s = rows["sent_s"] - rows["arrival_s"]
    assert -1e-3 < lag_s.min() < 10e-3, "none before its time, and at once where nothing else held the processor"
    certificate = certify(planned.arrival_s, rows, [report])
    assert (certificate.planned, certificate.sent, certificate.dropped) == (len(planned), len(planned), 0)
    assert certificate.lag_p50_s == pytest.approx(np.median(lag_s))


def test_a_run_in_which_the_engine_could_not_send_is_void_and_says_so(tmp_path: Path) -> None:
    """The stub lives on the engine's event loop, and holds it for a fifth of a second with every tenth answer."""

    async def hogging(request: web.Request) -> web.StreamResponse:
        if int(request.headers["x-tenfold-request"]) % 10 == 0:
            time.sleep(0.2)
        return await whole_stream(request)

    what = scenario({"kind": "poisson", "rate": "80/s"}, "1s")
    rows, report = asyncio.run(play(what, hogging, tmp_path))
    certificate = certify(build_schedule(what).arrival_s, rows, [report])
    assert certificate.sent == certificate.planned
    assert not certificate.valid
    assert any("send lag P99" in reason for reason in certificate.reasons)


def test_the_time_to_first_token_is_that_of_the_first_content_not_of_the_role(tmp_path: Path) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        return await stream(request, ROLE, 0.15, WORD, 0.1, WORD, STOP, DONE)

    rows, _ = asyncio.run(play(scenario(), slow, tmp_path))
    assert np.all(rows["ttft_s"] > 0.149)
    assert np.all(rows["latency_s"] - rows["ttft_s"] > 0.095)
    assert set(rows["deltas"]) == {2}
    assert set(rows["output_tokens"]) == {2}


def test_reasoning_counts_as_content(tmp_path: Path) -> None:
    async def thinking(request: web.Request) -> web.StreamResponse:
        from tests.loadtest.stub import chunk

        return await stream(request, ROLE, chunk({"reasoning_content": "hm"}), 0.2, WORD, STOP, DONE)

    rows, _ = asyncio.run(play(scenario(), thinking, tmp_path))
    assert np.all(rows["latency_s"] - rows["ttft_s"] > 0.195)


@pytest.mark.slow
def test_latency_counts_from_the_intended_send_time_so_a_stall_is_not_omitted(tmp_path: Path) -> None:
    """100/s for 20 s against a server that stands still for 2 s once: of 2000 requests, 200 wait 2 s to 0 s, so P99 is about 1 s or more.

    A closed loop of one client would have recorded a single slow request, and a P99 of milliseconds.
    """
    stalls_from = time.monotonic() + 3.0

    async def stalling(request: web.Request) -> web.StreamResponse:
        now = time.monotonic()
        wait_s = 2.0 - (now - stalls_from) if stalls_from <= now < stalls_from + 2.0 else 0.0
        return await stream(request, wait_s, ROLE, WORD, STOP, DONE)

    what = scenario({"kind": "gamma", "rate": "100/s", "cv": 0}, "20s")
    rows, _ = asyncio.run(play(what, stalling, tmp_path))
    assert len(rows) == pytest.approx(2000, abs=2)
    # Requests at uniform distances into a stall of length S wait uniform(0, S): 10 % of all, so the 99th percentile waits 0.9 S.
    # A busy machine makes them later, never earlier.
    assert np.quantile(rows["latency_s"], 0.99) > 1.7
    assert np.quantile(rows["latency_s"], 0.95) > 0.9
    assert np.quantile(rows["latency_s"], 0.50) < 0.5


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(429, "rate_limited"), (503, "rejected"), (504, "timeout"), (408, "timeout"), (500, "error"), (404, "error"), (502, "error")],
)
def test_an_error_status_is_an_outcome_and_its_message_is_kept(tmp_path: Path, status: int, outcome: str) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "no, thank you"}}, status=status)

    rows, _ = asyncio.run(play(scenario(duration="200ms"), refuse, tmp_path))
    assert {NAMES[code] for code in rows["outcome"]} == {outcome}
    assert set(rows["status"]) == {status}
    assert set(rows["error"]) == {b"no, thank you"}


def test_a_status_means_what_the_plan_says_of_this_gateway(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "the queue is full"}}, status=429)

    rows, _ = asyncio.run(play(scenario(), answer, tmp_path, outcomes={"429": "rejected"}))
    assert {NAMES[code] for code in rows["outcome"]} == {"rejected"}


def test_what_the_reference_gateway_says_about_the_outcome_is_believed(tmp_path: Path) -> None:
    async def cached(request: web.Request) -> web.StreamResponse:
        return await stream(request, ROLE, WORD, STOP, DONE, **{"x-tenfold-outcome": "cache_hit"})

    rows, _ = asyncio.run(play(scenario(duration="200ms"), cached, tmp_path))
    assert set(rows["outcome"]) == {CACHE_HIT}


def test_a_stream_that_ends_properly_but_without_a_finish_reason_was_cut(tmp_path: Path) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        return await stream(request, ROLE, WORD, WORD)

    rows, _ = asyncio.run(play(scenario(duration="200ms"), cut, tmp_path))
    assert set(rows["outcome"]) == {ERROR}
    assert set(rows["error"]) == {b"the stream ended after 2 deltas without a finish_reason"}


def test_an_error_event_in_the_stream_is_an_error_and_a_timeout_is_told_apart(tmp_path: Path) -> None:
    async def fails(request: web.Request) -> web.StreamResponse:
        kind = b"timeout" if int(request.headers["x-tenfold-request"]) % 2 else b"server_error"
        return await stream(request, ROLE, WORD, b'data: {"error": {"message": "gone", "type": "%b"}}\n\n' % kind)

    rows, _ = asyncio.run(play(scenario(duration="200ms"), fails, tmp_path))
    expected = [TIMEOUT if request % 2 else ERROR for request in rows["request"]]
    assert rows["outcome"].tolist() == expected


def test_a_connection_that_breaks_is_an_error(tmp_path: Path) -> None:
    async def reset(request: web.Request) -> web.StreamResponse:
        request.transport.abort()  # type: ignore[union-attr]
        await asyncio.sleep(0)
        return web.Response()

    rows, _ = asyncio.run(play(scenario(duration="200ms"), reset, tmp_path))
    assert set(rows["outcome"]) == {ERROR}
    assert np.all(np.isnan(rows["ttft_s"]))


def test_a_client_without_patience_leaves_at_its_time_and_closes_the_connection(tmp_path: Path) -> None:
    left: list[bool] = []

    async def endless(request: web.Request) -> web.StreamResponse:
        try:
            return await stream(request, ROLE, WORD, 30.0, STOP)
        except asyncio.CancelledError:
            left.append(True)
            raise

    rows, _ = asyncio.run(play(scenario(duration="200ms", client={"timeout": "800ms"}), endless, tmp_path))
    assert set(rows["outcome"]) == {ABANDONED}
    assert np.all((rows["latency_s"] > 0.799) & (rows["latency_s"] < 10))
    assert np.all(rows["ttft_s"] < 0.8)
    assert len(left) == len(rows)


def test_an_answer_that_is_not_streamed_has_its_first_content_at_its_end(tmp_path: Path) -> None:
    async def whole(request: web.Request) -> web.StreamResponse:
        assert "stream" not in await request.json()
        choice = {"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}
        return web.json_response({"choices": [choice], "usage": {"prompt_tokens": 11, "completion_tokens": 3}})

    rows, _ = asyncio.run(play(scenario(duration="200ms", client={"stream": False}), whole, tmp_path))
    assert set(rows["outcome"]) == {OK}
    assert rows["ttft_s"].tolist() == rows["latency_s"].tolist()
    assert set(rows["input_tokens"]) == {11}
    assert set(rows["output_tokens"]) == {3}


def test_an_answer_that_never_comes_is_a_row_all_the_same(tmp_path: Path) -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        return await stream(request, ROLE, 60.0)

    rows, report = asyncio.run(play(scenario(duration="200ms"), silent, tmp_path, drain_s=0.3))
    assert report["never_answered"] == len(rows) == 4
    assert set(rows["outcome"]) == {ABANDONED}
    assert set(rows["error"]) == {b"no answer 0.3 s after the last request was sent"}


@pytest.mark.slow
def test_parts_share_the_schedule_between_them(tmp_path: Path) -> None:
    what = scenario({"kind": "poisson", "rate": "40/s", "batch": {"kind": "constant", "value": 4}}, "1s")
    planned, sent = build_schedule(what), []
    for part in range(3):
        rows, report = asyncio.run(play(what, whole_stream, tmp_path, part=part, parts=3))
        assert report["planned"] == len(rows)
        assert rows["arrival_s"].tolist() == planned.arrival_s[rows["request"]].tolist(), "calls of one batch keep one moment"
        sent += rows["request"].tolist()
    assert sorted(sent) == list(range(len(planned)))


def test_a_request_says_who_asks_what_and_brings_its_conversation_along(tmp_path: Path) -> None:
    seen: dict[int, tuple[dict[str, object], dict[str, str]]] = {}

    async def remember(request: web.Request) -> web.StreamResponse:
        seen[int(request.headers["x-tenfold-request"])] = (await request.json(), dict(request.headers))
        return await whole_stream(request)

    talk = {"turns": {"kind": "constant", "value": 3}, "think": {"kind": "constant", "value": "200ms"}}
    what = scenario({"kind": "poisson", "rate": "30/s"}, "1s", conversations=talk)
    asyncio.run(play(what, remember, tmp_path))
    planned = build_schedule(what)
    assert len(seen) == len(planned)
    assert max(planned.turn) > 0
    for request, (body, headers) in seen.items():
        messages = body["messages"]
        assert isinstance(messages, list)
        assert body["user"] == f"u{planned.user[request]}"
        assert body["stream_options"] == {"include_usage": True}
        assert headers["x-tenfold-conversation"] == str(planned.conversation[request])
        assert [message["role"] for message in messages] == ["user", "assistant"] * int(planned.turn[request]) + ["user"]
        assert read_marker(messages[-1]["content"]) == (planned.prompt[request], planned.output_tokens[request])
        assert count_tokens(messages[-1]["content"]) == planned.input_tokens[request]
        told = [
            count_tokens(one["content"]) + count_tokens(two["content"]) for one, two in zip(messages[:-1:2], messages[1:-1:2], strict=True)
        ]
        assert told == planned.history(request).tolist()


def test_the_same_turn_of_a_conversation_has_the_same_text_whoever_repeats_it() -> None:
    from loadtest.generator.request_bodies import Call, messages_of

    second = messages_of(Call(10, 0, 1, 77, 1, 500, 10, 3, [20]))
    third = messages_of(Call(11, 0, 1, 77, 2, 501, 10, 3, [20, 30]))
    other = messages_of(Call(12, 0, 1, 78, 1, 502, 10, 3, [20]))
    assert third[:2] == second[:2]
    assert other[:2] != second[:2]


def test_closed_clients_wait_for_their_answers_and_think(tmp_path: Path) -> None:
    async def takes_100_ms(request: web.Request) -> web.StreamResponse:
        return await stream(request, 0.1, ROLE, WORD, STOP, DONE)

    what = scenario({"kind": "closed", "clients": 4, "think": {"kind": "constant", "value": "100ms"}}, "1s")
    rows, report = asyncio.run(play(what, takes_100_ms, tmp_path))
    assert report["most_in_flight"] <= 4
    for user in range(4):
        mine = np.sort(rows[rows["user"] == user], order="arrival_s")
        assert 2 <= len(mine) <= 5  # a turn takes 0.2 s and a little, on a busy machine more
        assert np.all(mine["arrival_s"][1:] - mine["ended_s"][:-1] == pytest.approx(0.1, abs=1e-6))


def test_agents_wait_for_each_answer_and_think_before_they_go_on(tmp_path: Path) -> None:
    async def takes_100_ms(request: web.Request) -> web.StreamResponse:
        return await stream(request, 0.1, ROLE, WORD, STOP, DONE)

    conversations = {"turns": {"kind": "constant", "value": 3}, "think": {"kind": "constant", "value": "50ms"}, "after": "answer"}
    what = scenario({"kind": "poisson", "rate": "30/s"}, "1s", conversations=conversations)
    planned, sent = build_schedule(what), []
    for part in range(2):
        rows, report = asyncio.run(play(what, takes_100_ms, tmp_path, part=part, parts=2))
        assert report["planned"] == 0, "nobody can know"
        assert set(rows["conversation"] // 2 % 2) == {part}
        rows = rows[np.lexsort((rows["turn"], rows["conversation"]))]
        follows = rows["conversation"][1:] == rows["conversation"][:-1]
        assert follows.sum() >= 3
        since_answer_s = (rows["arrival_s"][1:] - rows["ended_s"][:-1])[follows]
        assert since_answer_s == pytest.approx(0.05, abs=1e-6)
        assert rows["arrival_s"].max() < 1.0
        assert rows["prompt"].tolist() == planned.prompt[rows["request"]].tolist()
        sent += rows["request"].tolist()
    assert len(sent) == len(set(sent)) <= len(planned)


def test_closed_clients_whose_answers_never_come_do_not_hold_up_the_end(tmp_path: Path) -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        return await stream(request, ROLE, 60.0)

    what = scenario({"kind": "closed", "clients": 3, "think": {"kind": "constant", "value": "50ms"}}, "500ms")
    rows, _ = asyncio.run(play(what, silent, tmp_path, drain_s=0.3))
    assert rows["outcome"].tolist() == [ABANDONED] * 3


def test_requests_that_would_need_more_connections_than_there_are_are_dropped_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loadtest.generator import dispatcher

    async def slow(request: web.Request) -> web.StreamResponse:
        return await stream(request, 0.6, ROLE, WORD, STOP, DONE)

    monkeypatch.setattr(dispatcher, "raise_file_limit", lambda: dispatcher.SPARE_FILES + 5)
    what = scenario()
    rows, report = asyncio.run(play(what, slow, tmp_path))
    assert report["dropped"] > 0
    assert report["dropped"] == rows["dropped"].sum()
    certificate = certify(build_schedule(what).arrival_s, rows, [report])
    assert not certificate.valid
    assert any("never sent" in reason for reason in certificate.reasons)


def test_clients_send_a_failed_request_again_after_their_pause_and_no_other(tmp_path: Path) -> None:
    """Half of the requests fail with 503 each time, which is sent again; a tenth with 404, which is not."""

    async def sometimes(request: web.Request) -> web.StreamResponse:
        number = int(request.headers["x-tenfold-request"]) % requests
        if number % 2 == 0:
            return web.json_response({"error": {"message": "busy"}}, status=404 if number % 10 == 0 else 503)
        return await stream(request, ROLE, WORD, STOP, DONE)

    retries = {"attempts": 3, "backoff": {"kind": "constant", "base": "50ms"}, "on": ["rejected"]}
    what = scenario({"kind": "gamma", "rate": "40/s", "cv": 0}, "1s", client={"retries": retries})
    requests = len(build_schedule(what))
    rows, _ = asyncio.run(play(what, sometimes, tmp_path))
    first = rows[rows["request"] < requests]
    assert len(first) == requests
    for number, mine in ((number, rows[rows["request"] % requests == number]) for number in range(requests)):
        early = mine["arrival_s"][0] < 0.7  # the run ends at 1 s, and nothing is sent after that
        again = number % 2 == 0 and number % 10 != 0
        assert len(mine) == (3 if again else 1) or (again and not early)
        assert mine["arrival_s"][1:] - mine["ended_s"][:-1] == pytest.approx(0.05, abs=1e-6)
        assert len(set(mine["prompt"].tolist())) == len(set(mine["conversation"].tolist())) == 1


def test_a_budget_of_retries_bounds_what_is_sent_again(tmp_path: Path) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "busy"}}, status=503)

    sent = {}
    for budget in (None, 0.2):
        retries = {"attempts": 3, "backoff": "none", **({} if budget is None else {"budget": budget})}
        what = scenario({"kind": "gamma", "rate": "100/s", "cv": 0}, "1s", client={"retries": retries | {"backoff": {"kind": "none"}}})
        rows, _ = asyncio.run(play(what, refuse, tmp_path))
        sent[budget] = len(rows) / len(build_schedule(what))
    assert sent[None] > 2.8
    assert sent[0.2] == pytest.approx(1.2 + 0.1, abs=0.05), "a fifth, and the ten that are saved up at the start"


@pytest.mark.parametrize("holds", [True, False])
def test_a_job_is_followed_to_its_answer_whether_the_server_holds_that_back_or_not(holds: bool, tmp_path: Path) -> None:
    """Its client's patience, shorter than the job, ends with the acceptance."""
    asked: list[str] = []

    async def jobs(request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            return web.json_response({"id": "1"}, status=202, headers={"Location": "/v1/jobs/1"})
        asked.append(request.headers["Prefer"])
        if holds:
            await asyncio.sleep(0.3)
        elif len(asked) == 1:
            return web.json_response({"id": "1"}, status=202)
        choice = {"index": 0, "message": {"role": "assistant", "content": "done"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 5, "completion_tokens": 7}
        return web.json_response({"object": "chat.completion", "choices": [choice], "usage": usage})

    what = scenario({"kind": "gamma", "rate": "4/s", "cv": 0}, "1s", {"timeout": "200ms"})
    rows, _ = asyncio.run(play(what, jobs, tmp_path))
    assert rows["outcome"].tolist() == [OK] * len(rows)
    assert (rows["accepted_s"] < 0.15).all()
    assert (rows["latency_s"] > 0.25).sum() >= 1
    assert rows["output_tokens"].tolist() == [7] * len(rows)
    assert set(asked) == {"wait=30"}
