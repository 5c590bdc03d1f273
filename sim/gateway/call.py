"""A call: one request on its way through the chain, and the words in which stages and drivers talk about it."""

from __future__ import annotations

from math import inf, nan

from sim.kernel.containers import NOBODY
from sim.kernel.refusals import NOT_REFUSED
from sim.kernel.state import Short, Wide, state

# What a stage says: go on to the next stage; wait until ``c.until_s`` unless woken before; perform an attempt by ``c.until_s``.
CONTINUE, WAIT, PERFORM = -1, -2, -3
# Or an outcome (sim.data.outcomes): answers are below FAILURES.


@state
class Request:
    """What a client brings. A stage that needs more of it says so (``class Request`` in its file); ``chain.Request`` is all of it."""

    arrival_s: float = 0.0  # the client sends it, seconds from the start of the run
    leaves_s: float = inf  # the client waits no longer than that, and its leaving cancels the work
    request: int = NOBODY  # its number: the position in the schedule
    kind: Short = 0  # its class, an index into workload.requests
    user: int = 0
    conversation: int = 0
    turn: Short = 0
    prompt: Wide = NOBODY
    prompt_tokens: int = 1  # of this turn alone
    answer_tokens: int = 1  # that a provider will produce


@state
class Call:
    """What every call has. Stages add their own fields (``class Call``); ``chain.Call`` is the request, this, and all of theirs."""

    slot: int = NOBODY  # its place in g.calls
    stage: Short = -1  # where in the chain it is
    floor: Short = -1  # the stage at which it ends: that of its parent, for a call that another one forked
    parent: int = NOBODY  # the slot of that other one
    until_s: float = inf
    ticket: int = 0  # counts its wake-ups: a timer set before the last one is void
    performing: bool = False  # an attempt is under way
    outcome: Short = CONTINUE
    decided_by: Short = NOBODY  # the stage that said so
    refused_by: Short = NOT_REFUSED  # the limit that said no, if one did: see sim.kernel.refusals
    committed: bool = False  # the client has seen part of an answer: no stage may try again
    latency_s: float = 0.0  # from arrival_s to its end
    ttft_s: float = nan  # from arrival_s to the first content that the client saw
    first_content_s: float = nan  # when that was
    is_ready: bool = False  # it is on g.ready
    before: int = NOBODY
    after: int = NOBODY
