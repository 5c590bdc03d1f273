"""A request as it enters the flow, the record of what became of it, and a provider's answer to one attempt."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from sim.data.schema import Outcome
from sim.provider.prompt_cache import conversation_prefixes

NAN = float("nan")
INFINITY = float("inf")


class Request:
    """What is known of a request before it is served. ``history`` are the tokens of its earlier turns, oldest first."""

    __slots__ = (
        "arrival_s", "conversation", "cpu_s", "history", "index", "input_tokens", "kind", "lookup_s", "needs", "output_tokens",
        "patience_s", "priority", "prompt", "turn", "user",
    )  # fmt: skip

    def __init__(
        self,
        index: int,
        arrival_s: float,
        kind: int,
        user: int,
        conversation: int,
        turn: int,
        prompt: int,
        input_tokens: int,
        output_tokens: int,
        needs: str | None = None,
        history: Sequence[int] = (),
        cpu_s: float = 0.0,
        lookup_s: float = 0.0,
        priority: int = 0,
        patience_s: float = INFINITY,
    ) -> None:
        self.index = index
        self.arrival_s = arrival_s
        self.kind = kind
        self.user = user
        self.conversation = conversation
        self.turn = turn
        self.prompt = prompt
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens
        self.needs = needs
        self.history = history
        self.cpu_s = cpu_s
        self.lookup_s = lookup_s
        self.priority = priority
        self.patience_s = patience_s

    def __repr__(self) -> str:
        return f"<Request {self.index} at {self.arrival_s:.3f} s, prompt {self.prompt}>"


class Record:
    """What became of a request. Until the flow says otherwise, its client has left. Columns as in ``sim.data.schema``."""

    __slots__ = (
        "arrived_s", "attempts", "backoff_s", "coalesced_s", "committed", "context_tokens", "cost_usd", "cpu_s", "failed_s",
        "first_content_s", "first_token_s", "generation_s", "outcome", "output_tokens", "queue_wait_s", "target",
    )  # fmt: skip

    def __init__(self, arrived_s: float) -> None:
        self.arrived_s = arrived_s
        self.outcome = Outcome.ABANDONED
        self.first_content_s = NAN  # when the client saw the first content
        self.queue_wait_s = 0.0
        self.coalesced_s = 0.0
        self.cpu_s = 0.0
        self.failed_s = 0.0
        self.backoff_s = 0.0
        self.first_token_s = NAN
        self.generation_s = NAN
        self.attempts = 0
        self.target = -1
        self.context_tokens = 0  # this turn's and its history's, as sent on
        self.output_tokens = 0
        self.cost_usd = 0.0
        self.committed = False  # the first byte of an answer has gone to the client


class Answer:
    """What a provider made of one attempt. ``first_token_s`` and ``duration_s`` count from the attempt's start."""

    __slots__ = ("committed", "duration_s", "first_token_s", "output_tokens", "retry_after_s", "status")

    def __init__(
        self,
        status: int,
        duration_s: float,
        first_token_s: float = NAN,
        output_tokens: int = 0,
        retry_after_s: float | None = None,
        committed: bool = False,
    ) -> None:
        self.status = status
        self.duration_s = duration_s
        self.first_token_s = first_token_s
        self.output_tokens = output_tokens
        self.retry_after_s = retry_after_s
        self.committed = committed

    def __repr__(self) -> str:
        return f"<Answer {self.status} after {self.duration_s:.3f} s, {self.output_tokens} tokens>"


def request_prefixes(request: Request, context_tokens: int) -> list[tuple[Hashable, int]]:
    """The prefixes of a request of which ``context_tokens`` are sent, history included: the newest turns that fit, and a summary of
    the others in what is left.
    """
    left, kept = context_tokens - request.input_tokens, 0
    while kept < len(request.history) and request.history[-1 - kept] <= left:
        left -= request.history[-1 - kept]
        kept += 1
    sent = [*([left] if left else []), *request.history[len(request.history) - kept :]]
    return conversation_prefixes(request.conversation, request.turn - kept, sent, request.prompt, context_tokens)
