"""What is made of streams' first tokens: held back or not, for a time, for so many pieces, or until all is there."""

from __future__ import annotations

from random import Random

import pytest

from loadtest.calibration import streaming
from loadtest.calibration.bench import Attempt, Probe
from loadtest.calibration.calibration import overlay_of
from loadtest.calibration.figure import FOUND
from tests.loadtest.calibration.figures import by_name

WHOLES = [(Probe(n, ended_s=0.004, ok=True), [Attempt(n, "p/m", 0.0, 0.002, 200)]) for n in range(9)]


def streams(*chunks_s: float, ended_s: float = 0.4) -> list[tuple[Probe, list[Attempt]]]:
    """Whose mock has shown the first token after 2 ms."""
    attempt = Attempt(1, "p/m", 0.0, ended_s, 200, first_token_s=0.002)
    return [(Probe(n, first_s=chunks_s[0], chunks_s=list(chunks_s)), [attempt]) for n in range(9)]


SLOW = streams(0.208, 0.408, 0.608, 0.808, 1.008, ended_s=1.0)
ALONE = streams(0.208, 0.252, 0.402)
AT_ONCE = streams(*(0.004 + 0.01 * k for k in range(40)))


@pytest.mark.parametrize(("held_s", "state"), [(0.0, "none"), (0.150, "found")])
def test_a_first_token_held_back_is_told_from_noise(held_s: float, state: str) -> None:
    noise = Random(4)
    held, wholes = [], []
    for n in range(15):
        chunks_s = [0.002 + held_s + 0.01 * k + noise.uniform(0.001, 0.004) for k in range(40)]
        held += streams(*chunks_s)[:1]
        wholes.append((Probe(n, ended_s=0.002 + noise.uniform(0.001, 0.004), ok=True), [Attempt(n, "p/m", 0.0, 0.002, 200)]))
    figure = by_name(streaming.estimate(held, held, SLOW, wholes))["first token held back"]
    assert figure.state == state
    if held_s:
        assert figure.low <= held_s <= figure.high  # type: ignore[operator]


def test_pieces_held_for_a_time_are_laid_over() -> None:
    figures = streaming.estimate(ALONE, ALONE, SLOW, WHOLES)
    assert by_name(figures)["tokens held back"].state == FOUND
    assert overlay_of(figures, {}) == {"gateway.held_writes.time": "204ms", "gateway.held_writes.pieces": None}


def test_so_are_as_many_pieces_as_quick_streams_wait_for() -> None:
    figures = streaming.estimate(ALONE, streams(0.175, 0.345, 0.404), SLOW, WHOLES)
    assert overlay_of(figures, {}) == {"gateway.held_writes.time": "204ms", "gateway.held_writes.pieces": 17}


def test_a_stream_that_is_gathered_whole_is_not_held_for_a_time() -> None:
    gathered = streams(0.404)
    assert overlay_of(streaming.estimate(gathered, gathered, streams(1.004, ended_s=1.0), WHOLES), {}) == {}


def test_a_gateway_that_passes_on_what_comes_holds_nothing() -> None:
    slow = streams(0.004, 0.204, 0.404, ended_s=0.4)
    assert overlay_of(streaming.estimate(AT_ONCE, AT_ONCE, slow, WHOLES), {}) == {"gateway.held_writes": None}


def test_too_few_answers_leave_it_open() -> None:
    (figure,) = streaming.estimate(ALONE, ALONE, SLOW[:2], WHOLES)
    assert (figure.state, figure.evidence) == ("not found out", "too few streams were answered")
