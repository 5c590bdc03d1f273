"""Azure OpenAI: OpenAI's bodies below a deployment's path. The deployment has the model's name."""

from __future__ import annotations

from typing import Any

from loadtest.gateway.dialects import openai
from loadtest.gateway.dialects.base import Dialect

API_VERSION = "2024-10-21"  # the newest that is generally available (learn.microsoft.com/azure/ai-services/openai/reference)


class AzureReader(openai.OpenAIReader):
    """The first chunk, which has the prompt's content filter results and no choices, is Azure's own: no client of OpenAI's expects it."""

    def _read(self, document: dict[str, Any]) -> bool:
        return super()._read(document) and "prompt_filter_results" not in document


AZURE = Dialect(
    "/openai", f"/openai/deployments/{{model}}/chat/completions?api-version={API_VERSION}", openai.ask, lambda key: {"api-key": key},
    AzureReader,
)  # fmt: skip
