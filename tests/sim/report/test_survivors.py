"""Latencies under overload are those of the requests that came through, and are said to be."""

from __future__ import annotations

import io
import re

import numpy as np
from rich.console import Console

from sim.analysis.summary import summarize
from sim.data.outcomes import OK, RATE_LIMITED
from sim.data.run import Run
from sim.report.render import render
from sim.report.terminal import print_summary
from sim.results.results import gather
from tests.sim.synthetic_runs import rows, run_of

SHA = "ab" * 32


def overloaded(served: int) -> Run:
    """Of 1,000 requests so many are served."""
    outcome = np.where(np.arange(1000) % 100 < served // 10, OK, RATE_LIMITED)
    return run_of(rows(1000, outcome=outcome, arrival_s=100.0 + np.arange(1000) * 0.4))


def printed(run: Run, width: int = 140) -> str:
    file = io.StringIO()
    print_summary(summarize([run], SHA), Console(file=file, width=width, highlight=False))
    return file.getvalue()


def test_the_table_says_whose_latency_it_is() -> None:
    lines = printed(overloaded(570)).splitlines()
    for words in ("latency P50", "latency P99", "first token P50", "first token P99"):
        place = next(number for number, line in enumerate(lines) if line.startswith(words))
        assert "of the 57.0 % answered" in " ".join(lines[place : place + 2])
    assert "of the" not in printed(overloaded(990))


def test_the_tiles_say_whose_latency_it_is() -> None:
    tiles = re.compile(r"<dt>(P\d\d) <b>of the 57.0 % answered</b></dt>")
    assert tiles.findall(render(gather([overloaded(570)], SHA, "", argv=[]))) == ["P50", "P99"]
    assert (
        "of the"
        not in re.findall(r'<section class="tiles">.*?</section>', render(gather([overloaded(990)], SHA, "", argv=[])), re.DOTALL)[0]
    )
