"""What is known of a scenario's providers while they are at work: records, and the tables that hold them.

Tables exist whether or not a feature is used. A feature that is not used is a number in its provider's or model's record that never
holds (``inf``, NOBODY, 0), so that the code has one form.
"""

from __future__ import annotations

from dataclasses import field
from math import inf, nan
from typing import Any, NamedTuple

from sim.kernel.containers import NOBODY, Line
from sim.kernel.refusals import NOT_REFUSED
from sim.kernel.state import Wide, in_python, state


@state
class Provider:
    in_service: int = 0
    concurrency: float = inf
    keys: int = 1
    rtt_s: float = 0.0
    error_rate: float = 0.0
    error_status: int = 500
    retry_after_step_s: float = 0.001  # resolution of its retry-after header
    limited: bool = False  # it has any of these limits
    requests_limit: int = NOBODY  # the first key's place in p.limits; the other keys' follow
    tokens_limit: int = NOBODY
    input_limit: int = NOBODY
    output_limit: int = NOBODY
    output_weight: float = 1.0  # of an output token in tokens_limit
    reserve: Wide = NOBODY  # output tokens charged to tokens_limit; NOBODY: those that an attempt produces
    first_fault: int = 0  # its place in p.faults
    faults: int = 0


@state
class Model:
    """One model of a provider: a target."""

    provider: int = 0
    context: float = inf  # tokens, answer included
    server: int = NOBODY  # its shared server, a place in p.servers
    # latency effects
    shaped: bool = False  # it has any of these
    per_input_token_s: float = 0.0
    per_cached_token_s: float = 0.0
    doubles_at: float = inf
    in_service: int = 0
    idle_s: float = inf  # after which it is cold
    idle_since_s: float = 0.0
    ready_s: float = -inf  # the end of its last cold start
    first_change: int = 0  # in p.changes: when it begins and ends to be kept warm, as the traffic's pattern says
    changes: int = 0
    # prompt cache
    cached: bool = False  # it has one
    ttl_s: float = 0.0
    minimum: int = 0
    step: int = 1
    prefixes: Line = field(default_factory=Line)  # from the least to the most recently used, through p.prefixes


@state
class Fault:
    """A fault of the scenario at one provider. A cause shared by several providers is a record for each, with the same number."""

    number: int = 0  # in the scenario: draws hang on it
    effect: int = 0  # see sim.provider.fault_timeline
    at_s: float = 0.0
    until_s: float = inf
    target: int = NOBODY  # NOBODY: any model
    key: int = NOBODY  # NOBODY: any key
    first: int = NOBODY  # attempts of each prompt that it strikes; NOBODY: all
    share: float = 1.0
    status: int = 503
    retry_after_s: float = nan
    refused_by: int = NOT_REFUSED
    ttft_factor: float = 1.0
    per_token_factor: float = 1.0
    ending: int = 0  # see sim.provider.attempt.Ending
    after: float = 0.5
    delay_s: float = 0.0
    input_tokens: float = inf  # of a prompt that crashes the provider
    restart_s: float = 0.0
    down_until_s: float = -inf
    first_change: int = 0  # of a random fault: begin, end, begin, end … in p.changes
    changes: int = NOBODY  # NOBODY: it holds all the time


@state
class Prefix:
    """One entry of a prompt cache."""

    identity: Wide = 0
    used_s: float = 0.0
    before: int = NOBODY
    after: int = NOBODY


@state
class Server:
    """A server that its requests share. ``work_s`` is the clock of work done for each request at ``at_s``."""

    slots: float = inf
    parallel: float = inf
    slowdown: float = 0.0
    in_service: int = 0
    work_s: float = 0.0
    at_s: float = 0.0
    order: int = 0  # counts marks: equal ones are reached in the order in which they were set
    waiting: int = 0  # marks in p.marks
    due_s: float = inf  # when the next mark is reached if nobody comes or goes
    ticket: int = 0  # counts how often that changed: a timer with an older ticket is void
    rearming: bool = False  # in p.rearmed
    before: int = NOBODY
    after: int = NOBODY


class Providers(NamedTuple):
    """``p`` of all functions of this package. Compiled, records and arrays stand in the same fields."""

    seed: Any
    calls: Any  # the gateway's own, by slot
    ready: Any  # Line of calls that a server wakes
    history: Any  # tokens of the turns of all conversations: see history_start of a call
    providers: Any  # Provider by number
    models: Any  # Model by target
    draws: Any  # laws of times and errors, by target (two forms)
    visits: Any  # how often a target has seen a prompt (two forms)
    limits: Any  # Limit
    rings: Any  # of the same place: times of a sliding log
    faults: Any  # Fault, those of one provider side by side
    changes: Any  # instants at which random faults begin and end
    places: Any  # Hashed: the place of a prompt's prefix in ``prefixes``
    prefixes: Any  # Prefix
    servers: Any  # Server
    marks: Any  # by server: a heap of slots that wait for its clock
    rearmed: Any  # Line of servers whose next event has changed


ProvidersInPython = in_python(Providers)
