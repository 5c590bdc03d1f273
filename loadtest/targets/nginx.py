"""nginx 1.22 as a target: an upstream block for the routing, and a relay for each target that adds its provider's key.

Answers are passed on as they come (``proxy_buffering off``), as everybody does who streams through it.
"""

from __future__ import annotations

import os
from math import isfinite
from pathlib import Path
from pwd import getpwuid

from loadtest.targets.base import Launch, Place, Program
from loadtest.targets.wanted import (
    Upstream,
    as_the_model_is_called,
    not_retried,
    number,
    one_key_each,
    one_model,
    only_buckets,
    only_openai,
    refused,
    upstreams,
)
from mockprovider.processes.file_limit import raise_file_limit
from sim.scenario.load import Loaded

CAN = {
    "queue", "timeout.first_token", "retry", "retry.to: next", "workers", "limits.global.requests", "routing: round-robin",
    "routing: least-busy", "routing: weighted", "cancel_on_disconnect: true", "ejection: nginx",
}  # fmt: skip
BALANCE = {"round-robin": "", "least-busy": "least_conn;", "weighted": "random;"}
RETRIED = (429, 500, 502, 503, 504)
SPARE_FILES = 200

CONFIGURATION = """\
daemon off;
{user}
pid {folder}/nginx.pid;
error_log stderr error;
worker_processes {workers};
worker_rlimit_nofile {files};
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    client_max_body_size 100m;
    client_body_buffer_size 1m;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_buffering off;
    proxy_connect_timeout 5s;
    proxy_read_timeout {first_token};    # of silence: before the first byte, or between two
    limit_conn_zone $server_port zone=calls:1m;
    limit_conn_status 503;
    limit_req_zone $server_port zone=rate:1m rate={rate};
    limit_req_status 429;

    upstream providers {{
        zone providers 256k;    # its workers count together
        {balance}
{servers}
        keepalive 1000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location = /healthy {{ return 200; }}
        location / {{
            {limits}
            proxy_pass http://providers;
            proxy_next_upstream {retry_on};
            proxy_next_upstream_tries {attempts};
        }}
    }}
{relays}
}}
"""
SERVER = "        server unix:{folder}/{name}.sock weight={weight} {fails};"
RELAY = """\
    upstream {name} {{
        server {address} max_fails=0;
        keepalive 1000;
    }}
    server {{
        listen unix:{folder}/{name}.sock;
        location / {{
            proxy_pass http://{name};
            proxy_set_header Connection "";    # a header set here hides those set above
            proxy_set_header Authorization "Bearer {key}";
            proxy_next_upstream off;
        }}
    }}"""


class Nginx(Program):
    name = "nginx"

    def cannot(self, loaded: Loaded) -> list[str]:
        scenario = loaded.scenario
        gateway, queue = scenario.gateway, scenario.gateway.queue
        found = [*refused(scenario, CAN), *one_key_each(scenario), *only_openai(scenario), *one_model(scenario)]
        if queue is not None and queue.concurrency != "unlimited" and queue.waiting != 0:
            found.append("gateway.queue.waiting: nobody waits in nginx, it refuses; write waiting: 0")
        if gateway.retry.attempts > len(upstreams(scenario)):
            found.append("gateway.retry.attempts: nginx tries each target once; write as many as there are targets at most")
        return [*found, *only_buckets(scenario, "nginx's limit_req"), *not_retried(scenario, RETRIED)]

    def launch(self, program: Path, place: Place, port: int) -> Launch:
        path = place.folder / "nginx.conf"
        path.write_text(configuration(place, port), encoding="utf-8")
        argv = [str(program), "-c", str(path), "-p", str(place.folder), "-e", "stderr"]
        return Launch(argv, "/healthy", client=as_the_model_is_called(place.loaded.scenario))


def configuration(place: Place, port: int) -> str:
    scenario = place.loaded.scenario
    gateway, pool, folder = scenario.gateway, upstreams(scenario), str(place.folder)
    files = raise_file_limit()
    ejection = gateway.ejection
    fails = "max_fails=0" if ejection is None else f"max_fails={ejection.max_fails} fail_timeout={int(ejection.fail_timeout)}s"
    limits, rate = [], "1r/s"
    if gateway.queue is not None and isfinite(number(gateway.queue.concurrency)):
        limits.append(f"limit_conn calls {gateway.queue.concurrency};")
    limit = None if gateway.limits.global_ is None else gateway.limits.global_.requests
    if limit is not None:
        rate = f"{max(1, round(limit.rps))}r/s" if limit.rps >= 1 else f"{max(1, round(limit.rps * 60))}r/m"
        limits.append(f"limit_req zone=rate burst={max(0, int(limit.count) - 1)} nodelay;")
    return CONFIGURATION.format(
        folder=folder,
        user=f"user {getpwuid(os.geteuid()).pw_name};" if os.geteuid() == 0 else "",  # its workers must reach the sockets in the folder
        workers=gateway.workers,
        files=files,
        connections=files - SPARE_FILES,
        first_token="1h" if gateway.timeout.first_token is None else f"{max(1, round(gateway.timeout.first_token * 1e3))}ms",
        rate=rate,
        balance=BALANCE[gateway.routing.kind],
        servers="\n".join(
            SERVER.format(folder=folder, name=each.name, weight=weight_of(each, pool), fails=fails) for each in pool if each.weight
        ),
        port=port,
        limits="\n            ".join(limits),
        retry_on="error timeout http_429 http_500 http_502 http_503 http_504 non_idempotent" if gateway.retry.attempts > 1 else "off",
        attempts=gateway.retry.attempts,
        relays="\n".join(RELAY.format(name=each.name, folder=folder, address=place.address(each.provider), key=each.key) for each in pool),
    )


def weight_of(each: Upstream, pool: list[Upstream]) -> int:
    """Equal ones are 1: after a failure nginx takes a target's weight away and gives back one for each call."""
    heaviest, lightest = max(one.weight for one in pool), min(one.weight for one in pool)
    return 1 if heaviest == lightest else max(1, round(100 * each.weight / heaviest))


TARGET = Nginx()
