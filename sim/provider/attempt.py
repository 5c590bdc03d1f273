"""What happens to an attempt at a provider, and when: its plan. Simulators sleep through a plan; the mock plays it on a socket."""

from __future__ import annotations

from math import ceil, inf, nan
from typing import Any

from sim.data.statuses import REFUSED
from sim.kernel.containers import NOBODY
from sim.kernel.refusals import NOT_REFUSED, refusal
from sim.kernel.state import Short, Wide, state
from sim.provider import latency_effects, processor_sharing
from sim.provider.draws import count_visit, error_after_s, error_draw, service_times
from sim.provider.fault_timeline import (
    COMPLETE,
    CONNECTION_REFUSED,
    CRASHES,
    FILTERED,
    HANG,
    LATE_HEADERS,
    STALLED,
    find_faults,
)
from sim.provider.prompt_cache import read_history
from sim.provider.rate_limits import charge, in_header

OK, BAD_REQUEST, TOO_MANY = 200, 400, 429
CONTEXT_WINDOW = refusal("context window")
CONCURRENCY, SLOTS = refusal("provider concurrency"), refusal("provider slots")
RANDOM_ERROR = refusal("provider errors")


@state
class Call:
    """The plan of an attempt, in seconds after its start.

    ``plan_status`` is 200, an HTTP error status, or REFUSED (the connection is reset). Token k of a 200 answer is due at
    ``plan_first_s + k * plan_per_token_s``, and the answer ends with its last token at ``plan_duration_s``. An error answer comes whole
    at ``plan_first_s == plan_duration_s``. If the provider hangs nothing ever comes (both are inf).

    A 200 answer may also break off: ``plan_ending`` says how (``fault_timeline.Ending``), ``plan_output_tokens`` and ``plan_duration_s``
    then are those until it does (inf for a stalled one), and ``plan_final_status`` is what a client is left with: REFUSED for a broken
    answer, ``plan_status`` otherwise. On a shared ``server`` times are amounts of work: the more requests are in service, the slower
    they pass.
    """

    occurrence: int = 0  # how often this target had seen the prompt before
    plan_status: Short = OK
    plan_final_status: Short = OK
    plan_ending: Short = COMPLETE
    plan_first_s: float = 0.0
    plan_per_token_s: float = 0.0
    plan_duration_s: float = 0.0
    plan_output_tokens: int = 0
    plan_cached_tokens: Wide = 0
    plan_retry_after_s: float = nan  # nan: the answer does not say
    plan_refused_by: Short = NOT_REFUSED  # what answered 429 or 400
    slow_headers: bool = False  # from the start on the answer's head trickles in
    broken_by: int = NOBODY  # the fault that strikes the answer
    ttft_factor: float = 1.0  # of faults that slow it
    per_token_factor: float = 1.0
    server: int = NOBODY  # the shared server that it is on
    mark_place: int = NOBODY  # in the server's heap, while it waits for the server's clock
    mark_work_s: float = 0.0
    mark_order: int = 0
    # in virtual time: see sim.provider.simulated
    phase: Short = 0
    pending_status: Short = OK  # with which it will end
    tells_first: bool = False  # it is to be known at once when content is shown
    begun_work_s: float = 0.0  # the clock of its shared server when it began


def begin(p: Any, c: Any, now_s: float) -> None:
    """Admit one attempt at ``now_s`` seconds from the run's start, and decide all that will happen to it.

    In this order: faults, the context window, the prompt cache, the key's limits, the concurrency limit, random errors, success.
    Whoever calls this calls ``finish`` once.
    """
    model = p.models[c.target]
    provider = p.providers[model.provider]
    if arrive(p, c, model, provider, now_s):
        if model.cached:
            c.plan_cached_tokens = read_history(p, c, model, now_s)
        admit(p, c, model, provider, now_s)


def arrive(p: Any, c: Any, model: Any, provider: Any, now_s: float) -> bool:
    """Into service. False if a fault or the context window decides the attempt at once."""
    c.occurrence = count_visit(p, c.target, c.prompt)
    provider.in_service += 1
    c.plan_status = c.plan_final_status = OK
    c.plan_ending = COMPLETE
    c.plan_output_tokens = c.answer_tokens
    c.plan_cached_tokens = 0
    c.plan_retry_after_s = nan
    c.plan_refused_by = NOT_REFUSED
    c.slow_headers = False
    c.broken_by = c.server = c.mark_place = NOBODY
    if model.shaped:
        latency_effects.enter(p, c, model, now_s)
    if provider.faults > 0:
        place = find_faults(p, c, provider, now_s)
        if place != NOBODY:
            strike(p, c, provider, p.faults[place])
            return False
    if c.input_tokens + c.answer_tokens > model.context:
        refuse(p, c, provider, BAD_REQUEST, nan, CONTEXT_WINDOW)
        return False
    return True


def admit(p: Any, c: Any, model: Any, provider: Any, now_s: float) -> None:
    """Past the limits, to a random error or an answer. The prompt cache has been read."""
    if provider.limited and not charge(p, c, provider, now_s):
        refuse(p, c, provider, TOO_MANY, in_header(c.plan_retry_after_s, provider.retry_after_step_s), c.plan_refused_by)
        return
    if provider.in_service > provider.concurrency:
        refuse(p, c, provider, TOO_MANY, nan, CONCURRENCY)
        return
    if provider.error_rate > 0.0 and error_draw(p, c.target, c.prompt, c.occurrence) < provider.error_rate:
        refuse(p, c, provider, provider.error_status, nan, RANDOM_ERROR)
        return
    if model.server != NOBODY:
        if not processor_sharing.enter(p, model.server, now_s):
            refuse(p, c, provider, TOO_MANY, nan, SLOTS)
            return
        c.server = model.server
    first_s, per_token_s = service_times(p, c.target, c.prompt, c.occurrence)
    if model.shaped:
        first_s = latency_effects.first_token_s(c, model, now_s, first_s)
        per_token_s *= latency_effects.per_token_factor(model)
    if provider.faults > 0:
        first_s *= c.ttft_factor
        per_token_s *= c.per_token_factor
    c.plan_first_s = first_s = first_s + provider.rtt_s
    c.plan_per_token_s = per_token_s
    c.plan_duration_s = first_s + (c.answer_tokens - 1) * per_token_s
    if c.broken_by != NOBODY:
        break_off(c, p.faults[c.broken_by])


def finish(p: Any, c: Any, now_s: float) -> None:
    """The attempt has ended, or was cut: its places are free."""
    model = p.models[c.target]
    p.providers[model.provider].in_service -= 1
    if model.shaped:
        latency_effects.leave(model, now_s)
    if c.server != NOBODY:
        processor_sharing.leave(p, c, now_s)


def produced(c: Any, elapsed_s: float) -> int:
    """Output tokens that exist after ``elapsed_s`` (of work, on a shared server): what is billed when the attempt is cut there."""
    if c.plan_status != OK or elapsed_s < c.plan_first_s:
        return 0
    if elapsed_s >= c.plan_duration_s or c.plan_per_token_s == 0.0:
        return c.plan_output_tokens
    return min(c.plan_output_tokens, 1 + int((elapsed_s - c.plan_first_s) / c.plan_per_token_s))


def strike(p: Any, c: Any, provider: Any, fault: Any) -> None:
    """A fault instead of an answer."""
    if fault.effect == HANG:
        c.plan_output_tokens = 0
        c.plan_per_token_s = 0.0
        c.plan_first_s = c.plan_duration_s = inf
    elif fault.effect == CONNECTION_REFUSED or fault.effect == CRASHES:
        c.plan_status = c.plan_final_status = REFUSED
        c.plan_output_tokens = 0
        c.plan_first_s = c.plan_per_token_s = c.plan_duration_s = 0.0
    else:
        refuse(p, c, provider, fault.status, in_header(fault.retry_after_s, provider.retry_after_step_s), fault.refused_by)


def break_off(c: Any, fault: Any) -> None:
    """A fault of the answer: it comes late, or not to its end."""
    if fault.effect == LATE_HEADERS:
        c.slow_headers = True
        c.plan_first_s += fault.delay_s
        c.plan_duration_s += fault.delay_s
        return
    c.plan_ending = fault.ending
    c.plan_output_tokens = max(1, ceil(fault.after * c.plan_output_tokens))
    c.plan_duration_s = c.plan_first_s + (c.plan_output_tokens - 1) * c.plan_per_token_s
    if fault.ending == STALLED:
        c.plan_duration_s = inf
    if fault.ending != FILTERED:
        c.plan_final_status = REFUSED


def refuse(p: Any, c: Any, provider: Any, status: int, retry_after_s: float, refused_by: int) -> None:
    """An error answer. Only 429 and 400 are refusals."""
    c.plan_status = c.plan_final_status = status
    c.plan_output_tokens = 0
    c.plan_retry_after_s = retry_after_s
    c.plan_refused_by = refused_by if status in (TOO_MANY, BAD_REQUEST) else NOT_REFUSED
    c.plan_per_token_s = 0.0
    c.plan_first_s = c.plan_duration_s = error_after_s(p, c.target, c.prompt, c.occurrence) + provider.rtt_s
