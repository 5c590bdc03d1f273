"""HAProxy 2.6 as a target: one backend whose servers are the scenario's targets.

Without ``option http-no-delay`` it holds small writes back, by the kernel's MSG_MORE, which delays a stream's first token: the scenario's
``held_writes``.
"""

from __future__ import annotations

import json
from math import inf, isfinite
from pathlib import Path
from typing import Any

from loadtest.targets.base import Launch, Place, Program
from loadtest.targets.wanted import (
    Upstream,
    as_the_model_is_called,
    not_retried,
    number,
    one_key_each,
    one_model,
    only_openai,
    refused,
    upstreams,
)
from mockprovider.processes.file_limit import raise_file_limit
from sim.scenario.load import Loaded

CAN = {
    "queue", "timeout.first_token", "retry", "retry.to: same", "retry.to: next", "workers", "routing: round-robin", "routing: least-busy",
    "routing: weighted", "cancel_on_disconnect: true", "ejection: haproxy", "held_writes",
}  # fmt: skip
BALANCE = {"round-robin": "roundrobin", "least-busy": "leastconn", "weighted": "random(1)"}
RETRIED = (408, 500, 501, 502, 503, 504)
"""Statuses that HAProxy 2.6 may retry and the model does."""
MOST_WEIGHT = 256
FOREVER = "1h"
HELD_S, RTT_S = 0.2, 0.05
"""The kernel holds a segment for TCP_RTO_MIN (include/net/tcp.h) and the smoothed round trip, in which an ACK may be delayed by 40 ms."""
SPARE_FILES = 200

CONFIGURATION = """\
global
    nbthread {threads}
    maxconn {connections}
    tune.bufsize 131072    # requests are kept for a retry only as far as they fit in

defaults
    mode http
    timeout connect 5s
    timeout client {forever}
    timeout server {first_token}    # of silence: before the first byte, or between two
    timeout queue {queue_timeout}
    retries {retries}
    {retry_on}
    {redispatch}
    {no_delay}
    option abortonclose    # a client that leaves cancels the work upstream

frontend clients
    bind 127.0.0.1:{port}
    monitor-uri /healthy
    {full}
    default_backend providers

backend providers
    balance {balance}
    http-reuse always
{servers}
"""
FULL = """http-request return status 503 content-type application/json string '{body}' if {{ be_conn(providers) ge {room} }}"""
FULL_BODY = json.dumps({"error": {"message": "the queue is full", "type": "overloaded"}})
KEY = '    http-request set-header Authorization "Bearer {key}"'
RELAY = """
# A header for each provider needs a section for each: rules come before the choice of a server.
listen {name}
    bind abns@{socket}
    {key}
    server mock {address}
"""


class HAProxy(Program):
    name = "haproxy"

    def cannot(self, loaded: Loaded) -> list[str]:
        scenario = loaded.scenario
        found = [*refused(scenario, CAN), *one_key_each(scenario), *only_openai(scenario), *one_model(scenario)]
        gateway = scenario.gateway
        if gateway.queue is not None and gateway.queue.concurrency != "unlimited" and len(upstreams(scenario)) > 1:
            found.append("gateway.queue: HAProxy's maxconn is one of each server, not of all; name one target in routing")
        if (held := gateway.held_writes) is not None and not HELD_S <= held.time <= HELD_S + RTT_S:
            found.append(f"gateway.held_writes: HAProxy leaves them to the kernel, which holds them for 200ms; found {held.time:g}s")
        if gateway.ejection is not None and gateway.retry.attempts > 1:
            found.append("gateway.ejection: HAProxy does not count what it retries; write retry: 1")
        return [*found, *not_retried(scenario, RETRIED)]

    def launch(self, program: Path, place: Place, port: int) -> Launch:
        path = place.folder / "haproxy.cfg"
        path.write_text(configuration(place, port), encoding="utf-8")
        return Launch([str(program), "-W", "-db", "-f", str(path)], "/healthy", client=as_the_model_is_called(place.loaded.scenario))


def configuration(place: Place, port: int) -> str:
    gateway, pool = place.loaded.scenario.gateway, upstreams(place.loaded.scenario)
    queue = gateway.queue
    concurrency = inf if queue is None else number(queue.concurrency)
    room = concurrency + (inf if queue is None else number(queue.waiting))
    retries = gateway.retry.attempts - 1
    several = len({each.provider for each in pool}) > 1
    text = CONFIGURATION.format(
        threads=gateway.workers,
        connections=(raise_file_limit() - SPARE_FILES) // 2,  # each call has two
        forever=FOREVER,
        first_token=FOREVER if gateway.timeout.first_token is None else milliseconds(gateway.timeout.first_token),
        queue_timeout=FOREVER if queue is None or queue.timeout is None else milliseconds(queue.timeout),
        retries=retries,
        retry_on=f"retry-on conn-failure empty-response response-timeout {' '.join(map(str, RETRIED))}" if retries else "",
        redispatch="option redispatch 1" if gateway.retry.to == "next" else "",
        no_delay="" if gateway.held_writes else "option http-no-delay",
        full=FULL.format(body=FULL_BODY, room=int(room)) if isfinite(room) else "",
        balance=BALANCE[gateway.routing.kind],
        port=port,
        servers="\n".join(
            ([] if several else [KEY.format(key=pool[0].key)])
            + [server(each, place, pool, port, concurrency) + watched(gateway.ejection) for each in pool]
        ),
    )
    if several:
        for each in pool:
            text += RELAY.format(
                name=each.name, socket=socket_of(each, port), key=KEY.format(key=each.key).strip(), address=place.address(each.provider)
            )
    return text


def server(each: Upstream, place: Place, pool: list[Upstream], port: int, concurrency: float) -> str:
    address = place.address(each.provider) if len({one.provider for one in pool}) == 1 else f"abns@{socket_of(each, port)}"
    weight = round(MOST_WEIGHT * each.weight / max(one.weight for one in pool))
    limit = f" maxconn {int(concurrency)}" if isfinite(concurrency) else ""
    return f"    server {each.name} {address} weight {weight}{limit}"


def watched(ejection: Any) -> str:
    """Health checks are connections, which the mocks take also while they refuse to answer."""
    if ejection is None:
        return ""
    checks = f" check inter {milliseconds(ejection.inter)} rise {ejection.rise}"
    return f"{checks} observe layer7 error-limit {ejection.error_limit} on-error mark-down"


def socket_of(each: Upstream, port: int) -> str:
    return f"tenfold-{port}-{each.name}"


def milliseconds(seconds: float) -> str:
    return f"{max(1, round(seconds * 1e3))}ms"


TARGET = HAProxy()
