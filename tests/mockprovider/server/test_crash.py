"""A prompt that is long enough brings the mock down as it does a real replica: whoever asks gets no answer until it has started again."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.mockprovider.conftest import Handle

SHORT, LONG = "word " * 20, "word " * 4000
RESTART_S = 1.5


def ask(mock: Handle, prompt: str) -> int:
    """The status; 0: the connection was cut without any."""
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": prompt}]}
    try:
        return mock.post("/v1/chat/completions", json=body).status_code
    except httpx.TransportError:
        return 0


@pytest.mark.sockets
def test_nobody_is_answered_from_a_long_prompt_on_until_it_has_started_again(openai_mock: Handle) -> None:
    openai_mock.restart({"kind": "crash", "input_tokens": 1000, "restart": f"{RESTART_S}s"})
    assert ask(openai_mock, SHORT) == 200
    crashed_s = time.monotonic()
    assert ask(openai_mock, LONG) == 0
    statuses = [ask(openai_mock, SHORT)]
    if time.monotonic() - crashed_s < RESTART_S:  # else this machine was too slow to look
        assert statuses == [0]
    time.sleep(max(0.0, crashed_s + RESTART_S + 0.5 - time.monotonic()))
    assert ask(openai_mock, SHORT) == 200
    assert [row["end"] for row in openai_mock.settled(4)][:2] == ["complete", "refused"]
