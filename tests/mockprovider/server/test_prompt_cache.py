"""The mock finds in the text the same shared prefixes that the model finds in conversations and prompt numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loadtest.generator.request_bodies import Call, messages_of
from mockprovider.dialects.anthropic import AnthropicMessages
from mockprovider.dialects.openai_chat import OpenAIChat
from mockprovider.server.identity import Identifier
from sim.gateway.request import Request, request_prefixes
from sim.provider.prompt_cache import PrefixCache
from sim.gateway.language import load
from sim.scenario.model import PromptCache
from tests.mockprovider.conftest import SCENARIO


@pytest.mark.parametrize("dialect", [OpenAIChat(), AnthropicMessages()])
def test_the_same_tokens_are_cached_in_the_model_and_in_the_mock(dialect: Any) -> None:
    identifier = Identifier(load(SCENARIO).scenario, 1)
    rng = np.random.default_rng(1)
    model, mock = PrefixCache(PromptCache()), PrefixCache(PromptCache())
    histories: dict[int, list[int]] = {}
    found = []
    for index in range(400):
        shared = rng.random() < 0.3  # a catalog prompt without history
        conversation, prompt = int(rng.integers(12)), int(rng.integers(5)) if shared else 100 + index
        history = [] if shared else histories.setdefault(conversation, [])
        input_tokens, output_tokens = (2000 + prompt) if shared else int(rng.integers(1, 900)), int(rng.integers(1, 300))
        request = Request(index, 0.0, 0, 0, conversation, len(history), prompt, input_tokens, output_tokens, history=tuple(history))
        total = input_tokens + sum(history)
        messages = messages_of(Call(index, 0, 0, conversation, len(history), prompt, input_tokens, output_tokens, list(history)))
        call = dialect.parse({"model": "m", "max_tokens": 10_000, "messages": messages}, {})
        assert identifier.read(call) == (prompt, total, output_tokens)
        by_numbers = model.read(request_prefixes(request, total), total, index * 2.0)
        by_text = mock.read(identifier.prefixes(call), total, index * 2.0)
        assert by_text == by_numbers, f"request {index}: {request}"
        found.append(by_text)
        if not shared:
            history.append(input_tokens + output_tokens)
    assert 100 < sum(tokens > 0 for tokens in found) < 390
