"""Cancellation: does the gateway stop the work upstream when its client leaves?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from loadtest.calibration.bench import Attempt, Bench
from loadtest.calibration.figure import Figure, found, unknown

PATH = "gateway.cancel_on_disconnect"
SERVICE_S, PATIENCE_S, SETTLE_S = 2.5, 0.5, 0.4


async def experiment(bench: Bench, declared: Mapping[str, Any]) -> list[Figure]:
    await bench.room(2)
    whole, stream = await asyncio.gather(*(bench.ask(SERVICE_S, stream=stream, patience_s=PATIENCE_S) for stream in (False, True)))
    await asyncio.sleep(SERVICE_S - PATIENCE_S + SETTLE_S)
    attempts = await bench.attempts_of([whole, stream])
    return [estimate(attempts[whole.prompt], attempts[stream.prompt], bench.stream)]


def estimate(whole: list[Attempt], stream: list[Attempt], streams: bool = True) -> Figure:
    """From the attempts of a whole answer and of a stream, both left by their client after PATIENCE_S. ``streams``: which of them the
    scenario's clients ask for.
    """
    if not whole or not stream:
        return unknown("cancellation upstream", PATH, "not both requests reached a provider")
    lasted = [attempts[0].ended_s - attempts[0].started_s for attempts in (whole, stream)]
    cut = [seconds < 0.7 * SERVICE_S for seconds in lasted]
    evidence = (
        f"clients left after {PATIENCE_S:g} s; of {SERVICE_S:g} s, the provider worked {lasted[0]:.2f} s for a whole answer and "
        f"{lasted[1]:.2f} s for a stream"
    )
    if cut[0] != cut[1]:
        asked, others = ("streams", "whole answers") if streams else ("whole answers", "streams")
        warning = f"true of {asked}, which the scenario's clients ask for, and not of {others}: a scenario has one word for both"
        return replace(found("cancellation upstream", PATH, cut[streams], evidence), warning=warning)
    return found("cancellation upstream", PATH, cut[0], evidence)
