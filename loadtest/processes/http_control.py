"""Short HTTP calls to the control endpoints of a run's parts."""

from __future__ import annotations

import ipaddress
import socket
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx

from mockprovider.processes.supervisor import RunFailed

CONNECT_S, SILENCE_S = 5.0, 30.0
"""At most, until a connection stands, and between two pieces of an answer."""


@cache
def client() -> httpx.Client:
    """Proxies of the environment are for the outside: parts of a run talk to each other directly, each call on a connection of its own."""
    return httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


def fetch(who: str, url: str, allow_remote: bool = False, within_s: float = SILENCE_S) -> bytes:
    """The body of a GET. Raises RunFailed, naming ``who``, also where nothing comes for ``within_s``."""
    return _call(who, "GET", url, allow_remote, within_s=within_s).content


def post(who: str, url: str, document: dict[str, Any], allow_remote: bool = False) -> dict[str, Any]:
    """The JSON object that answers a JSON document. Raises RunFailed, naming ``who``."""
    answer = _call(who, "POST", url, allow_remote, document)
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise RunFailed(f"{who} answered {answer.request.url.path} with something else than a JSON object: {_start_of(answer)}")
    return found


def _call(
    who: str, method: str, url: str, allow_remote: bool, document: dict[str, Any] | None = None, within_s: float = SILENCE_S
) -> httpx.Response:
    if not allow_remote and not is_loopback(url):
        raise RunFailed(f"{who} is not on this machine: {url}")
    try:
        answer = client().request(method, url, json=document, timeout=httpx.Timeout(within_s, connect=CONNECT_S))
    except httpx.TimeoutException as error:
        waited_s = CONNECT_S if isinstance(error, httpx.ConnectTimeout) else within_s
        raise RunFailed(f"{who} does not answer at {urlsplit(url).netloc}: nothing came for {waited_s:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise RunFailed(f"{who} does not answer at {urlsplit(url).netloc}: {error or type(error).__name__}") from None
    if not answer.is_success:
        raise RunFailed(f"{who} answered {answer.status_code} to {answer.request.url.path}: {_start_of(answer)}")
    return answer


def _start_of(answer: httpx.Response) -> str:
    return answer.content[:200].decode("utf-8", "replace")


def status_of(url: str) -> int | None:
    """The HTTP status that a GET gets; None: no answer."""
    try:
        return client().get(url, timeout=CONNECT_S).status_code
    except (httpx.HTTPError, httpx.InvalidURL):
        return None


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
