"""Logs by gateways that nobody here wrote: each runs as the target of a measurement, with its own access log or callback switched on."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from loadtest.measurement import verify
from loadtest.targets import find_target, install
from loadtest.targets.base import Launch, Place, Program
from mockprovider.processes.supervisor import Crew
from mockprovider.supervisor import start_mocks
from sim.gateway.language import load

HERE = Path(__file__).parent
SCENARIO = HERE / "scenario.yaml"
OTEL = ("openai==2.54.0", "opentelemetry-sdk==1.45.2", "opentelemetry-instrumentation-openai-v2==2.4b0", "opentelemetry-util-genai==1.1b0")
NGINX_FORMAT = (
    "$msec $request_time $upstream_response_time $upstream_header_time $upstream_connect_time $status $upstream_status $upstream_addr "
    "$upstream_cache_status $request_length $bytes_sent"
)
ENVOY_FORMAT = {
    "start_time": "%START_TIME%", "method": "%REQ(:METHOD)%", "response_code": "%RESPONSE_CODE%", "response_flags": "%RESPONSE_FLAGS%",
    "duration": "%DURATION%", "x-envoy-upstream-service-time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%", "bytes_sent": "%BYTES_SENT%",
    "bytes_received": "%BYTES_RECEIVED%", "upstream_host": "%UPSTREAM_HOST%", "upstream_cluster": "%UPSTREAM_CLUSTER%",
    "route_name": "%ROUTE_NAME%", "x-request-id": "%REQ(X-REQUEST-ID)%",
}  # fmt: skip
CALLBACK = """\
import json
from litellm.integrations.custom_logger import CustomLogger

class ToFile(CustomLogger):
    def write(self, kwargs):
        with open({file!r}, "a") as out:
            out.write(json.dumps(kwargs.get("standard_logging_object"), default=str) + "\\n")

    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        self.write(kwargs)

    async def async_log_failure_event(self, kwargs, response_obj, start_time, end_time):
        self.write(kwargs)

to_file = ToFile()
"""


def nginx(folder: Path, log: Path) -> None:
    place = folder / "nginx.conf"
    logged = f"log_format timed '{NGINX_FORMAT}';\n    access_log {log} timed;"
    text = place.read_text().replace("access_log off;", logged, 1)
    text = text.replace("location = /healthy {", "location = /healthy { access_log off;")
    place.write_text(text.replace("listen unix:", "access_log off;\n        listen unix:"))  # a relay is no second call


def envoy(folder: Path, log: Path) -> None:
    place = folder / "envoy.json"
    document = json.loads(place.read_text())
    manager = document["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    manager["access_log"] = [
        {
            "name": "envoy.access_loggers.file",
            "filter": {"not_health_check_filter": {}},
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                "path": str(log),
                "log_format": {"json_format": ENVOY_FORMAT},
            },
        }
    ]
    place.write_text(json.dumps(document))


def litellm(folder: Path, log: Path) -> None:
    (folder / "log_to_file.py").write_text(CALLBACK.format(file=str(log)))
    place = folder / "litellm.yaml"
    document = yaml.safe_load(place.read_text())
    document["litellm_settings"]["callbacks"] = ["log_to_file.to_file"]
    place.write_text(yaml.safe_dump(document, sort_keys=False))


LOGGED: dict[str, Callable[[Path, Path], None]] = {"nginx": nginx, "envoy": envoy, "litellm": litellm}


class WithLog(Program):
    """A target that also writes its own log."""

    def __init__(self, name: str, log: Path) -> None:
        self.name, self.log = name, log  # type: ignore[misc]
        self.inner: Any = find_target(name)
        self.start_s = self.inner.start_s  # type: ignore[misc]

    def cannot(self, loaded: Any) -> list[str]:
        return list(self.inner.cannot(loaded))

    def launch(self, program: Path, place: Place, port: int) -> Launch:
        launch: Launch = self.inner.launch(program, place, port)
        LOGGED[self.name](place.folder, self.log)
        return launch


def run(name: str, log: Path, overrides: tuple[str, ...]) -> None:
    """Play the scenario through a gateway that logs. Raises RunFailed."""
    target = WithLog(name, log)
    order = verify.Order(load(SCENARIO, overrides), overrides, name)
    with patch.object(verify, "find_target", lambda _name: target):
        verify.measure(order, lambda said: print(f"{name}: {said}", file=sys.stderr), lambda *_: None)


def otel(log: Path, calls: int, rate: float, overrides: tuple[str, ...]) -> None:
    """OpenAI's SDK, instrumented, straight at a mock."""
    home = install.cache_folder() / f"otel-{zlib.crc32(' '.join(OTEL).encode()):08x}"  # other versions are another environment
    python = home / "bin" / "python"
    if not (home / install.DONE).exists():
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *OTEL], check=True)
        (home / install.DONE).touch()
    loaded = load(SCENARIO, overrides)
    with verify.work_folder() as folder, Crew(folder) as crew:
        scenario_file = folder / "scenario.yaml"
        scenario_file.write_text(loaded.yaml_text, encoding="utf-8")
        (mock,) = start_mocks(crew, loaded, scenario_file)
        client = [python, HERE / "otel_client.py", mock.url, "gpt-4o-mini", log, str(calls), str(rate)]
        subprocess.run(list(map(str, client)), check=True, timeout=600)
