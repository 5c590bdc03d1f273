"""The gateways of the proof, each with the policies that it is configured to have, in a scenario's words and in a calibration's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from loadtest.targets import find_target
from loadtest.targets.base import Place, Running
from tests.calibration_proof import own_words
from tests.calibration_proof.judge import NOTHING

SCENARIO = """
tenfold: 1
name: unknown
workload:
  arrivals: 1/s
  duration: 1m
  client: {{stream: {stream}, timeout: 60s}}
  requests: [{{name: ask, tokens: {{input: 50, output: 20}}}}]
gateway:
  routing: {{kind: {routing}, models: [{models}]}}
{gateway}
providers:
  p: {{models: {{m: {{latency: 50ms, price: {{input: 1, output: 1}}}}}}}}
  q: {{models: {{m: {{latency: 50ms, price: {{input: 1, output: 1}}}}}}}}
  r: {{models: {{m: {{latency: 50ms, price: {{input: 1, output: 1}}}}}}}}
"""


@dataclass(frozen=True)
class Case:
    """A gateway with ``policies`` by the names of a calibration's figures. ``gateway``: the same for a target, as a scenario says it.

    ``start`` is for a gateway that is no target.
    """

    name: str
    policies: dict[str, Any]
    gateway: str = ""
    models: str = "p/m"
    routing: str = "round-robin"
    stream: bool = True
    start: Callable[[Place], Running] | None = None
    program: str = field(default="")

    def scenario(self, known: bool) -> str:
        """``known``: with its policies; else as somebody writes it who knows nothing but the URL."""
        routing, gateway = (self.routing, self.gateway) if known else ("round-robin", "")
        return SCENARIO.format(models=self.models, routing=routing, gateway=gateway, stream=str(self.stream).lower())

    def started(self, place: Place) -> Running:
        return self.start(place) if self.start else find_target(self.program).start(place)


CASES = [
    Case(
        "reference",
        {
            "rate limit": NOTHING,
            "concurrency": 7,
            "waiting room": 13,
            "queue timeout": "2s",
            "first token held back": NOTHING,
            "tokens held back": NOTHING,
            "cancellation upstream": False,
            "cache lifetime": "6s",
            "cache renewed by hits": False,
            "identical prompts wait for the first": True,
            "cache capacity": 150,
            "timeout of the first token": "3s",
            "timeout of the whole": "8s",
            "attempts": 3,
            "pauses": "full-jitter",
            "first pause": "300ms",
            "retry-after": True,
            "balancing": "round-robin",
            "fallback": ["next-provider"],
            "breaker open for": "4s",
            "trial calls": 3,
            "breaker's failure rate": 0.5,
            "breaker's minimum of calls": 10,
        },
        """
  queue: {concurrency: 7, waiting: 13, timeout: 2s}
  cache: [{kind: exact, ttl: 6s, capacity: 150}]
  retry: {attempts: 3, backoff: {kind: full-jitter, base: 300ms}}
  timeout: {first_token: 3s, total: 8s}
  breaker: {window_size: 20, minimum_calls: 10, failure_rate: 0.5, open_for: 4s, half_open_calls: 3}
  fallback: [next-provider]
  cancel_on_disconnect: false
""",
        "p/m, q/m",
        program="reference",
    ),
    Case(
        "reference, limited",
        {
            "rate limit": "120/15s",
            "rate limit window": "sliding-log",
            "concurrency": 20,
            "waiting room": 0,
            "cancellation upstream": True,
            "cache": NOTHING,
            "timeout of the first token": "2s",
            "timeout of the whole": NOTHING,
            "attempts": 2,
            "first pause": "500ms",
            "retry-after": False,
            "fallback": NOTHING,
        },
        """
  limits: {per_user: {requests: 120/15s, algorithm: sliding-log}}
  queue: {concurrency: 20, waiting: 0}
  retry: {attempts: 2, backoff: {kind: constant, base: 500ms}, honor_retry_after: false}
  timeout: {first_token: 2s}
""",
        program="reference",
    ),
    Case(
        "ferrogw",
        {
            "rate limit": NOTHING,
            "concurrency": 6,
            "waiting room": 9,
            "queue timeout": NOTHING,
            "first token held back": NOTHING,
            "cancellation upstream": True,
            "cache": NOTHING,
            "timeout of the whole": "4s",
            "timeout of a whole stream": NOTHING,
            "attempts": 3,
            "pauses": "full-jitter",
            "first pause": "400ms",
            "breaker": NOTHING,
        },
        """
  queue: {concurrency: 6, waiting: 9}
  retry: {attempts: 3, backoff: {kind: full-jitter, base: 400ms}}
  timeout: {total: 4s}
""",
        stream=False,
        program="ferrogw",
    ),
    Case(
        "rolter",
        {
            "rate limit": NOTHING,
            "concurrency": NOTHING,
            "waiting room": NOTHING,
            "queue timeout": NOTHING,
            "first token held back": NOTHING,
            "tokens held back": NOTHING,
            "cancellation upstream": True,
            "cache": NOTHING,
            "timeout of the first token": "3s",
            "timeout of the whole": NOTHING,
            "attempts": 2,
            "balancing": "round-robin",
            "target of a retry": "next",
            "breaker open for": "4s",
            "breaker's failure rate": 1.0,
            "breaker's minimum of calls": 1,
        },
        """
  retry: {attempts: 2, to: next, backoff: {kind: exponential, base: 200ms, cap: 2s}}
  timeout: {first_token: 3s}
""",
        "p/m, q/m, r/m",
        start=own_words.start_rolter,
        program="rolter",
    ),
    Case(
        "envoy",
        {
            "rate limit": "40/2s",
            "rate limit window": "token-bucket",
            "concurrency": 8,
            "waiting room": 12,
            "queue timeout": NOTHING,
            "first token held back": NOTHING,
            "cancellation upstream": True,
            "cache": NOTHING,
            "timeout of the first token": "2s",
            "timeout of the whole": "5s",
            "attempts": 3,
            "pauses": "full-jitter",
            "first pause": "100ms",
            "breaker": NOTHING,
        },
        """
  limits: {global: {requests: 40/2s, algorithm: token-bucket}}
  queue: {concurrency: 8, waiting: 12}
  retry: {attempts: 3, backoff: {kind: full-jitter, base: 100ms}}
  timeout: {first_token: 2s, total: 5s}
""",
        program="envoy",
    ),
    Case(
        "haproxy",
        {
            "rate limit": NOTHING,
            "concurrency": 9,
            "waiting room": 11,
            "queue timeout": "1.5s",
            "cancellation upstream": True,
            "cache": NOTHING,
            "timeout of the first token": "3s",
            "timeout of silence": "3s",
            "timeout of the whole": NOTHING,
            "attempts": 3,
            "pauses": "none",
            "breaker": NOTHING,
        },
        """
  queue: {concurrency: 9, waiting: 11, timeout: 1.5s}
  retry: {attempts: 3, backoff: none, honor_retry_after: false}
  timeout: {first_token: 3s}
""",
        program="haproxy",
    ),
    Case(
        "nginx",
        {
            "rate limit": "60/2s",
            "rate limit window": "token-bucket",
            "concurrency": 10,
            "waiting room": 0,
            "first token held back": NOTHING,
            "cancellation upstream": True,
            "cache": NOTHING,
            "timeout of the first token": "2s",
            "timeout of silence": "2s",
            "timeout of the whole": NOTHING,
            "attempts": 2,
            "target of a retry": "next",
            "balancing": "round-robin",
            "fallback": ["next-provider"],
            "breaker": NOTHING,
        },
        """
  limits: {global: {requests: 60/2s, algorithm: token-bucket}}
  queue: {concurrency: 10, waiting: 0}
  retry: {attempts: 2, to: next, backoff: none, honor_retry_after: false}
  timeout: {first_token: 2s}
""",
        "p/m, q/m, r/m",
        program="nginx",
    ),
    Case(
        "litellm",
        {
            "rate limit": NOTHING,
            "concurrency": 6,
            "waiting room": 0,
            "cancellation upstream": False,
            "cache lifetime": "8s",
            "cache renewed by hits": False,
            "identical prompts wait for the first": False,
            "cache capacity": 200,
            "timeout of the whole": "4s",
            "attempts": 1,
            "breaker": NOTHING,
        },
        """
  queue: {concurrency: 6, waiting: 0}
  cache: [{kind: exact, ttl: 8s, capacity: 200, single_flight: false}]
  timeout: {total: 4s}
  cancel_on_disconnect: false
""",
        stream=False,
        program="litellm",
    ),
    Case("httpd", own_words.HTTPD, models="p/m, q/m, r/m", start=own_words.start_httpd, program="apache2"),
    Case("varnish", own_words.VARNISH, start=own_words.start_varnish, program="varnishd"),
]
