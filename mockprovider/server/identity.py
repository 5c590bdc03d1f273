"""Who a request is: the prompt it carries, how long it is, how long its answer will be."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from mockprovider.dialects.base import Call
from sim.provider.draws import SPARSE
from sim.scenario.model import Scenario
from sim.stochastics.distributions import quantile
from sim.stochastics.random_streams import Purpose, uniform
from sim.workload.prompt_text import MARKER, count_tokens, read_marker

MOST_TOKENS = 1_000_000


class Identifier:
    """A marked prompt tells its own number and length of answer. An unmarked one is numbered by its text, and the length of its
    answer is drawn from the scenario's first request class, so that anyone's client gets answers of realistic size.
    """

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._law = scenario.workload.requests[0].tokens.output
        self._seed = seed

    def read(self, call: Call) -> tuple[int, int, int]:
        """-> (prompt, input_tokens, output_tokens wanted)."""
        texts = call.texts
        last = texts[call.last_user] if call.last_user < len(texts) else ""
        if len(texts) == 1:
            whole = last
        else:
            whole = last + "".join(texts[: call.last_user]) + "".join(texts[call.last_user + 1 :])
        input_tokens = max(1, count_tokens(whole) + call.extra_tokens)
        marker = read_marker(last)
        if marker is not None:
            return marker[0], input_tokens, min(max(1, marker[1]), MOST_TOKENS)
        prompt = SPARSE | int.from_bytes(digest(whole), "little") >> 2
        draw = uniform(self._seed, Purpose.OUTPUT_TOKENS, prompt)
        wanted = float(quantile(self._law, np.array([draw]))[0])
        return prompt, input_tokens, int(min(max(1.0, round(wanted)), MOST_TOKENS))

    def prefixes(self, call: Call) -> list[tuple[bytes, int]]:
        """The prompt's prefixes for the cache: where each message ends, the longest first. Markers are not part of the text."""
        known, tokens, found = b"", 0, []
        for text in call.texts:
            tokens += count_tokens(text)
            found.append((known := digest(known.hex() + MARKER.sub("", text, count=1)), tokens))
        found.reverse()
        return found


def digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
