"""Gateways that a scenario can be verified against, by the name that ``--target`` takes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loadtest.targets.base import Target

# name -> (module with TARGET, one line of help)
TARGETS: dict[str, tuple[str, str]] = {
    "reference": ("loadtest.targets.reference", "Tenfold's own gateway, the model's flow on real sockets"),
    "haproxy": ("loadtest.targets.haproxy", "HAProxy 2.6: queue, balancing, retries"),
    "litellm": ("loadtest.targets.litellm", "LiteLLM's proxy 1.108: routing, retries, fallbacks, cache"),
    "envoy": ("loadtest.targets.envoy", "Envoy 1.40: queue, retries, timeouts, rate limit"),
    "nginx": ("loadtest.targets.nginx", "nginx 1.22: balancing, rate limit, retries on the next"),
    "ferrogw": ("loadtest.targets.ferrogw", "Ferro Labs' AI gateway 1.5: retries, fallback, queue, rate limit"),
    "rolter": ("loadtest.targets.rolter", "rolter 0.1: turns, retries, queue"),
    "url": ("loadtest.targets.url", "a gateway that runs already, at --url, with its upstreams pointed at the mocks (--mock-port)"),
}


def find_target(name: str) -> Target:
    """Raises KeyError for a name that is not in TARGETS."""
    target: Target = import_module(TARGETS[name][0]).TARGET
    return target
