"""Short HTTP calls to the control endpoints of a run's parts."""

from __future__ import annotations

import ipaddress
import json
import socket
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from mockprovider.processes.supervisor import RunFailed

TIMEOUT_S = 30.0
# Proxies of the environment are for the outside; parts of a run talk to each other directly.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(who: str, url: str) -> bytes:
    """The body of a GET. Raises RunFailed, naming ``who``."""
    return _call(who, urllib.request.Request(url))


def post(who: str, url: str, document: dict[str, Any]) -> dict[str, Any]:
    """The JSON answer to a JSON document. Raises RunFailed, naming ``who``."""
    request = urllib.request.Request(url, json.dumps(document).encode(), {"Content-Type": "application/json"})
    answer: dict[str, Any] = json.loads(_call(who, request))
    return answer


def _call(who: str, request: urllib.request.Request) -> bytes:
    try:
        with OPENER.open(request, timeout=TIMEOUT_S) as answer:
            content: bytes = answer.read()
            return content
    except urllib.error.HTTPError as error:
        raise RunFailed(f"{who} answered {error.code} to {request.selector}: {error.read(200).decode('utf-8', 'replace')}") from None
    except (OSError, ValueError) as error:
        raise RunFailed(f"{who} does not answer at {request.host}: {error}") from None


def reachable(url: str) -> bool:
    """Whether something accepts connections there."""
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((parts.hostname or "", port), timeout=3.0):
            return True
    except (OSError, ValueError):
        return False


def speaks_http(url: str) -> bool:
    return urlsplit(url).scheme in ("http", "https")


def is_loopback(url: str) -> bool:
    """Whether the host of ``url`` is this machine, by every address that its name has."""
    host = urlsplit(url).hostname
    if host is None:
        return False
    try:
        found = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_loopback for entry in found)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def port_taken(port: int) -> str:
    """Why ``port`` of this machine cannot be listened on; empty if it can."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            return error.strerror or str(error)
    return ""
