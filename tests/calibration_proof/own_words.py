"""Gateways started by configurations of their own words: Apache's httpd (Debian: apache2-bin), Varnish (varnish, varnish-modules), rolter.

httpd and Varnish were not at hand when the experiments were written. What they are configured to do is in their manuals: mod_proxy's worker
parameters, VCL's backend definitions, varnish-modules' bodyaccess.
"""

from __future__ import annotations

import os
from pathlib import Path
from pwd import getpwuid
from shutil import which
from typing import Any

from loadtest.processes.http_control import free_port
from loadtest.processes.usage import Processes
from loadtest.targets.base import Launch, Place, Running, wait_until_healthy
from loadtest.targets.rolter import Rolter
from mockprovider.processes.supervisor import RunFailed
from tests.calibration_proof.judge import NOTHING

START_S = 15.0
MODULES = Path("/usr/lib/apache2/modules")
LOADED = (
    "mpm_event", "authz_core", "proxy", "proxy_http", "proxy_balancer", "lbmethod_byrequests", "slotmem_shm", "headers", "unixd",
    "request",
)  # fmt: skip

HTTPD: dict[str, Any] = {
    "rate limit": NOTHING, "concurrency": 18, "waiting room": "unlimited", "queue timeout": "6s", "first token held back": NOTHING,
    "tokens held back": NOTHING, "cancellation upstream": (True, False), "cache": NOTHING, "timeout of the first token": "3s",
    "timeout of silence": "3s", "timeout of the whole": NOTHING, "attempts": 1, "balancing": "round-robin", "fallback": NOTHING,
    "breaker open for": "5s", "breaker's failure rate": 1.0, "breaker's minimum of calls": 1,
}  # fmt: skip
HTTPD_CONFIGURATION = """\
ServerRoot {folder}
ServerName 127.0.0.1
PidFile {folder}/httpd.pid
ErrorLog {folder}/httpd.log
LogLevel error
{user}
{modules}
# one process: what mod_proxy limits, it limits in each
ServerLimit 1
StartServers 1
ThreadLimit 400
ThreadsPerChild 400
MaxRequestWorkers 400
MinSpareThreads 1
MaxSpareThreads 400
Listen 127.0.0.1:{port}
<VirtualHost 127.0.0.1:{port}>
    <Proxy balancer://providers>
        # six connections each; who gets none at any of them within 2 s each is refused; out for 5 s after a 503
        {members}
        ProxySet lbmethod=byrequests failonstatus=503
    </Proxy>
    DocumentRoot {folder}/public
    ProxyPass /v1 balancer://providers/v1
</VirtualHost>
{relays}
"""
MEMBER = "BalancerMember http://127.0.0.1:{port} max=6 acquire=2000 timeout=3 retry=5"
RELAY = """
Listen 127.0.0.1:{port}
<VirtualHost 127.0.0.1:{port}>
    RequestHeader set Authorization "Bearer sk-mock-{name}-0"
    ProxyPass / {address}/
</VirtualHost>
"""


def program(name: str, package: str) -> str:
    found = which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None:
        raise RunFailed(f"{name} is not installed here; install it with: apt-get install --no-install-recommends {package}")
    return found


def start_httpd(place: Place) -> Running:
    httpd, port = program("apache2", "apache2-bin"), free_port()
    relays = {name: free_port() for name in place.upstreams}
    me = getpwuid(os.geteuid()).pw_name
    path, public = place.folder / "httpd.conf", place.folder / "public"
    public.mkdir()
    (public / "healthy").touch()
    for folder in (place.folder.parent, place.folder):  # its processes are of another user
        folder.chmod(0o755)
    path.write_text(
        HTTPD_CONFIGURATION.format(
            folder=place.folder,
            port=port,
            user="User nobody\nGroup nogroup" if me == "root" else "",
            modules="\n".join(
                f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in LOADED if (MODULES / f"mod_{name}.so").exists()
            ),
            members="\n        ".join(MEMBER.format(port=relay) for relay in relays.values()),
            relays="".join(RELAY.format(port=relay, name=name, address=place.upstreams[name]) for name, relay in relays.items()),
        )
    )
    return begun(place, "httpd", [httpd, "-f", str(path), "-DFOREGROUND"], port, "/healthy")


class RolterWithCooldown(Rolter):
    """A target that failed is parked for so long; the target of our own switches that off, since no word of a scenario stands for it."""

    def launch(self, program: Path, place: Place, port: int) -> Launch:
        launch = super().launch(program, place, port)
        path = place.folder / "rolter.toml"
        path.write_text(path.read_text().replace("base_secs = 0", "base_secs = 4"))
        return launch


def start_rolter(place: Place) -> Running:
    return RolterWithCooldown().start(place)


VARNISH: dict[str, Any] = {
    "rate limit": NOTHING, "concurrency": 10, "waiting room": 0, "queue timeout": NOTHING, "first token held back": NOTHING,
    "tokens held back": NOTHING, "cancellation upstream": (True, False), "cache lifetime": "7s", "cache renewed by hits": False,
    "identical prompts wait for the first": True, "timeout of the first token": "4s", "timeout of silence": "2s",
    "timeout of the whole": NOTHING, "attempts": 3, "pauses": "none", "fallback": NOTHING, "breaker": NOTHING,
}  # fmt: skip
VARNISH_CONFIGURATION = """\
vcl 4.1;
import std;
import bodyaccess;

backend provider {{
    .host = "127.0.0.1";
    .port = "{upstream}";
    .max_connections = 10;
    .first_byte_timeout = 4s;
    .between_bytes_timeout = 2s;
}}
sub vcl_recv {{
    if (req.url == "/healthy") {{ return (synth(200)); }}
    std.cache_req_body(1MB);
    set req.http.x-method = req.method;
    return (hash);
}}
sub vcl_hash {{
    bodyaccess.hash_req_body();
}}
sub vcl_backend_fetch {{
    set bereq.method = bereq.http.x-method;
    set bereq.http.Authorization = "Bearer sk-mock-p-0";
}}
sub vcl_backend_response {{
    if (beresp.status >= 500) {{
        if (bereq.retries < 2) {{ return (retry); }}
        set beresp.uncacheable = true;
    }}
    unset beresp.http.Cache-Control;  # of streams: no-cache
    set beresp.grace = 0s;
    set beresp.ttl = 7s;
    if (beresp.status != 200) {{ set beresp.ttl = 0s; }}
}}
"""


def start_varnish(place: Place) -> Running:
    varnishd, port = program("varnishd", "varnish varnish-modules"), free_port()
    path = place.folder / "gateway.vcl"
    path.write_text(VARNISH_CONFIGURATION.format(upstream=place.address("p").rpartition(":")[2]))
    argv = [
        varnishd,
        "-F",
        "-j",
        "none",
        "-a",
        f"127.0.0.1:{port}",
        "-T",
        "none",
        "-f",
        str(path),
        "-n",
        str(place.folder / "varnish"),
        "-s",
        "malloc,64m",
    ]
    return begun(place, "varnish", argv, port, "/healthy")


def begun(place: Place, name: str, argv: list[str], port: int, health: str) -> Running:
    child = place.crew.start(name, argv, speaks=False)
    url = f"http://127.0.0.1:{port}"
    wait_until_healthy(child, url + health, START_S)
    return Running(url, processes=Processes(child.process.pid))
