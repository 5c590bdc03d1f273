"""One request before a run, for each model that clients ask for: does the gateway answer, as an OpenAI API does, from the mocks?

Ten minutes of load against a wrong key tell no more than one request, which can say what to change.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import NamedTuple

from loadtest.generator.client import Client, Exchange, open_session
from loadtest.generator.plan import LoadPlan
from loadtest.generator.request_bodies import BodyWriter, Call
from loadtest.processes.http_control import fetch
from mockprovider.processes.supervisor import RunFailed
from sim.data.outcomes import ABANDONED, OK
from sim.scenario.model import Scenario
from sim.scenario.targets import target_names

PROMPT = -(2**62)  # of no request of any schedule; the run's start makes the mocks forget that they saw it
WAIT_S = 60.0
MOVED = (301, 302, 307, 308, 404, 405)


def probe(scenario: Scenario, plan: LoadPlan, key: str | None, mocks: dict[str, str]) -> None:
    """Raises RunFailed, saying what to change. Whether an attempt succeeds at the mock does not matter here: it may have a fault.

    Every model is asked for as often as there are targets: a gateway that takes them in turn is back at its first one then.
    """
    writer = BodyWriter(scenario, plan.models, plan.headers)
    kinds = {model: kind for kind, model in reversed(list(enumerate(writer.models)))}
    for model, kind in kinds.items():
        for number in range(len(target_names(scenario))):
            before = seen_by(mocks)
            body, headers = writer.write(Call(0, kind, 0, 0, 0, PROMPT + number, 10, 1, []))
            exchange = asyncio.run(ask(plan.endpoint, key, body, headers))
            if why := explain(exchange, model, Seen(*(now - then for now, then in zip(seen_by(mocks), before, strict=True))), plan, mocks):
                raise RunFailed(why)


async def ask(endpoint: str, key: str | None, body: bytes, headers: dict[str, str]) -> Exchange:
    async with open_session(key=key) as session:
        return await Client(session, endpoint, WAIT_S).send(Exchange(time.monotonic(), None), body, headers)


class Seen(NamedTuple):
    """Requests that reached the mocks: taken up, of them answered to the end, refused for a bad key, path or model."""

    attempts: int
    complete: int
    refused: int


def seen_by(mocks: dict[str, str]) -> Seen:
    health = [json.loads(fetch(f"the mock of {name}", f"{url}/_mock/health")) for name, url in mocks.items()]
    rows = [json.loads(line) for name, url in mocks.items() for line in fetch(f"the mock of {name}", f"{url}/_mock/truth").splitlines()]
    attempts = sum(each["attempts"] + each["serving"] for each in health)
    return Seen(attempts, sum(row["end"] == "complete" for row in rows), sum(each["refused"] for each in health))


def explain(exchange: Exchange, model: str, seen: Seen, plan: LoadPlan, mocks: dict[str, str]) -> str:
    """What is wrong, and what to change; empty if nothing is."""
    places = ", ".join(f"{name} at {url}/v1" for name, url in mocks.items())
    keys = ", ".join(f"sk-mock-{name}-0" for name in mocks)
    told = f"a first request to {plan.endpoint} for the model {model!r} got {exchange.status or 'no answer'}: {exchange.error or 'nothing'}"
    if exchange.outcome == OK and not seen.attempts:
        return (
            f"a first request to {plan.endpoint} was answered, but no mock was asked: the gateway sends elsewhere, or answers by itself. "
            f"Point its upstreams at the mocks ({places}), and switch off any cache that outlives a run"
        )
    if seen.refused and exchange.outcome != OK:
        return f"{told}. The gateway reached a mock, which refused the request: its upstream keys must be {keys}, its models the scenario's"
    if 200 <= exchange.status < 300 and exchange.outcome != OK and (seen.complete or not seen.attempts):
        return f"{told}. That is no answer of the OpenAI chat completions API, streamed or not: a target must speak that to its clients"
    if seen.attempts:
        return ""
    if exchange.status in (401, 403):
        return f"{told}. Give the gateway's client key: --key NAME, the environment variable that holds it (default TENFOLD_KEY_CLIENT)"
    if exchange.status in MOVED and "model" not in exchange.error.lower():
        return f"{told}. Is that where its OpenAI-compatible API is? --url takes the base URL: …/v1/chat/completions is added to it"
    if exchange.status in (400, 404, 422):
        return f"{told}. If it knows the model by another name: --model {model}=ITS-NAME"
    if exchange.status == 0 and exchange.outcome == ABANDONED:
        return f"{told}. Is it up, and can it reach the mocks ({places})?"
    if exchange.status == 0:
        return f"{told}. Does an HTTP server listen there, and is it the gateway's port?"
    return f"{told}, and no mock was asked. Point the gateway's upstreams at the mocks ({places}), with the keys {keys}"
