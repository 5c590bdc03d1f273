"""The words of ``gateway.ejection``: each gateway's own, with its own defaults. ``sim.gateway.stages.ejection`` does what they say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sim.scenario.units import Seconds
from sim.scenario.values import Count, Duration, Model, Share


class EnvoyEjection(Model):
    """Envoy's outlier detection, with its words and defaults."""

    kind: Literal["envoy"]
    consecutive_5xx: Count = Field(5, description="failed calls in a row that eject a target: 5xx, refused, timed out")
    interval: Duration = Field(Seconds(10.0), description="from one sweep, which lets targets back in, to the next; above zero")
    base_ejection_time: Duration = Field(Seconds(30.0), description="how long the first ejection lasts; the n-th lately, n times as long")
    max_ejection_time: Duration = Field(Seconds(300.0), description="how long an ejection lasts at most")
    max_ejection_percent: Share = Field(0.1, description="at most this share of all targets is out")
    update_merge_window: Duration = Field(
        Seconds(1.0), description="an ejection so soon after another change comes into force so much later"
    )
    panic_threshold: Share = Field(0.5, description="calls go to all targets when a smaller share than this is in")


class HAProxyEjection(Model):
    """HAProxy's ``observe layer7 error-limit N on-error mark-down``, with its words and defaults."""

    kind: Literal["haproxy"]
    error_limit: Count = Field(
        10, description="failed calls in a row between two health checks that mark a target down: 5xx but 501 and 505, refused, timed out"
    )
    inter: Duration = Field(Seconds(2.0), description="from one health check to the next; above zero")
    rise: Count = Field(2, description="whole number of health checks that mark it up again")


class NginxEjection(Model):
    """nginx's ``max_fails`` and ``fail_timeout``, with its words and defaults."""

    kind: Literal["nginx"]
    max_fails: Count = Field(1, description="failed calls that leave a target out")
    fail_timeout: Duration = Field(Seconds(10.0), description="for how long, and how far apart failures may be; whole seconds")


class LiteLLMEjection(Model):
    """LiteLLM's cool-down of deployments, with its words and defaults."""

    kind: Literal["litellm"]
    cooldown_time: Duration = Field(Seconds(5.0), description="how long a deployment is left out, unless the provider says how long")
    allowed_fails: Annotated[int, Field(ge=0, le=10**9)] | None = Field(
        None, description="failed calls allowed in the time of a cool-down; default: no limit, the share of failures counts"
    )
    failure_threshold_percent: Share = Field(0.5, description="share of failures in a minute that must be exceeded")
    minimum_requests: Count = Field(5, description="requests in that minute that it takes")


class FerroGWEjection(Model):
    """ferrogw's ``circuit_breaker`` of a target, with its words and defaults."""

    kind: Literal["ferrogw"]
    failure_threshold: Count = Field(5, description="failed calls in a row that open it: refused, timed out, any status but 429")
    success_threshold: Count = Field(1, description="answers that close it again, of calls that try the target once it is half-open")
    max_half_threshold: Count = Field(1, description="calls that try it at once while it is half-open; others go to the next target")
    timeout: Duration = Field(Seconds(30.0), description="how long it is open before it is half-open; above zero")


Ejection = Annotated[EnvoyEjection | HAProxyEjection | NginxEjection | LiteLLMEjection | FerroGWEjection, Field(discriminator="kind")]
