"""rolter 0.1 as a target: a route for each model that clients ask for. Its cool-down of targets, a default of its own, is switched off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from loadtest.targets.base import Launch, Place, Program
from loadtest.targets.wanted import asked_pools, counted, one_key_each, only_openai, refused, upstreams, waits_for_ever
from sim.gateway.stages.route import pools_of
from sim.scenario.load import Loaded

CAN = {
    "queue", "retry", "retry.backoff", "retry.to: same", "retry.to: next", "timeout.first_token", "timeout.total",
    "cancel_on_disconnect: true", "routing: round-robin", "routing: capability",
}  # fmt: skip
UNLIMITED = 100_000


class Rolter(Program):
    name = "rolter"

    def cannot(self, loaded: Loaded) -> list[str]:
        scenario = loaded.scenario
        gateway, pools, streams = scenario.gateway, pools_of(scenario), scenario.workload.client.stream
        several = any(len(pool) > 1 for pool in pools.values())
        found = [*refused(scenario, CAN), *one_key_each(scenario), *only_openai(scenario)]
        if gateway.routing.kind == "capability" and several:
            found.append("gateway.routing: rolter's targets have no order; name one target for each capability, or write round-robin")
        if gateway.retry.attempts > 1 and (gateway.retry.to == "next") != several:
            found.append(
                "gateway.retry.to: rolter retries on a target not yet tried, while there is one; write next with several, same with one"
            )
        queue = gateway.queue
        if queue is not None and len({each.provider for name in pools for each in upstreams(scenario, name)}) > 1:
            found.append("gateway.queue: rolter's is one of each provider; name targets of one provider in routing")
        found += waits_for_ever(scenario, "rolter's")
        for name, wrong in (("first_token", not streams), ("total", streams or gateway.retry.attempts > 1)):
            value = getattr(gateway.timeout, name)
            if value is not None and wrong:
                found.append(f"gateway.timeout.{name}: rolter limits the time of an attempt to its headers: the first token of a stream "
                             "(timeout.first_token), or a whole answer (timeout.total, with retry: 1)")  # fmt: skip
            elif value is not None and value != int(value):
                found.append(f"gateway.timeout.{name}: rolter counts whole seconds")
        return found

    def launch(self, program: Path, place: Place, port: int) -> Launch:
        path, scenario = place.folder / "rolter.toml", place.loaded.scenario
        path.write_text(configuration(place, port), encoding="utf-8")
        keys = {variable(each.provider): each.key for pool in pools_of(scenario) for each in upstreams(scenario, pool)}
        env = {**keys, "TOKIO_WORKER_THREADS": str(scenario.gateway.workers), "RUST_LOG": "error"}
        return Launch([str(program), "gateway", "-c", str(path)], "/healthz", env)


def variable(provider: str) -> str:
    return f"TENFOLD_UPSTREAM_{''.join(letter if letter.isalnum() else '_' for letter in provider.upper())}"


def configuration(place: Place, port: int) -> str:
    scenario = place.loaded.scenario
    gateway, queue = scenario.gateway, scenario.gateway.queue
    timeout = gateway.timeout.first_token or gateway.timeout.total or 0.0
    lines = table("server", host="127.0.0.1", port=port)
    lines += table("retry", max_retries=gateway.retry.attempts - 1, base_backoff_ms=round(gateway.retry.backoff.base * 1e3),
                   max_backoff_ms=round(gateway.retry.backoff.cap * 1e3))  # fmt: skip
    lines += table("cooldown", base_secs=0)
    lines += table("timeouts", request_secs=int(timeout))  # to the headers; 0: none
    if queue is None or queue.concurrency == "unlimited":
        lines += table("queue", enabled=False)
    else:
        lines += table("queue", enabled=True, workers=queue.concurrency, capacity=counted(queue.waiting, UNLIMITED), backpressure="error")
    for name in scenario.providers:
        lines += table("[providers]", name=name, kind="openai_compatible", api_base=place.upstreams[name], api_key_env=variable(name))
    for asked, pool in asked_pools(scenario).items():
        lines += table("[routes]", model=asked, strategy="round_robin")
        for each in upstreams(scenario, pool):
            lines += table("[routes.targets]", provider=each.provider, model=each.model)
    return "\n".join(lines) + "\n"


def table(heading: str, /, **values: Any) -> list[str]:
    return [f"[{heading}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""]


TARGET = Rolter()
