"""The mock finds in the text the same shared prefixes that the model finds in conversations and prompt numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loadtest.generator import request_bodies
from mockprovider.dialects.anthropic import AnthropicMessages
from mockprovider.dialects.openai_chat import OpenAIChat
from mockprovider.server.identity import Identifier
from sim.gateway.language import load
from sim.kernel.containers import Line
from sim.provider.build import build
from sim.provider.prompt_cache import read_history, read_prefixes
from tests.mockprovider.conftest import SCENARIO
from tests.sim.provider.calls import Call


@pytest.mark.parametrize("dialect", [OpenAIChat(), AnthropicMessages()])
def test_the_same_tokens_are_cached_in_the_model_and_in_the_mock(dialect: Any) -> None:
    scenario = load(SCENARIO).scenario
    identifier = Identifier(scenario, 1)
    rng = np.random.default_rng(1)
    turns: list[int] = []  # tokens of the turns that one call refers to
    model, mock = (build(scenario, 1, [], Line(), turns, only="anthropic") for _ in range(2))
    histories: dict[int, list[int]] = {}
    found = []
    for index in range(400):
        shared = rng.random() < 0.3  # a catalog prompt without history
        conversation, prompt = int(rng.integers(12)), int(rng.integers(5)) if shared else 100 + index
        history = [] if shared else histories.setdefault(conversation, [])
        own, output_tokens = (2000 + prompt) if shared else int(rng.integers(1, 900)), int(rng.integers(1, 300))
        total = own + sum(history)
        messages = request_bodies.messages_of(
            request_bodies.Call(index, 0, 0, conversation, len(history), prompt, own, output_tokens, list(history))
        )
        call = dialect.parse({"model": "m", "max_tokens": 10_000, "messages": messages}, {})
        assert identifier.read(call) == (prompt, total, output_tokens)
        turns[:] = history
        c = Call(
            prompt=prompt, prompt_tokens=own, input_tokens=total, conversation=conversation, turn=len(history), history_turns=len(history)
        )
        by_numbers = read_history(model, c, model.models[0], index * 2.0)
        by_text = read_prefixes(mock, 0, mock.models[0], identifier.prefixes(call), total, index * 2.0)
        assert by_text == by_numbers, f"request {index}: {c}"
        found.append(by_text)
        if not shared:
            history.append(own + output_tokens)
    assert 100 < sum(tokens > 0 for tokens in found) < 390
