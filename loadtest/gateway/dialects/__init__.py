"""Provider dialects: how a chat completion is asked for, and how the stream that comes back reads as OpenAI chunks."""

from __future__ import annotations

from loadtest.gateway.dialects.anthropic import ANTHROPIC
from loadtest.gateway.dialects.azure import AZURE
from loadtest.gateway.dialects.base import Dialect
from loadtest.gateway.dialects.gemini import GEMINI
from loadtest.gateway.dialects.openai import OPENAI

DIALECTS: dict[str, Dialect] = {"openai": OPENAI, "anthropic": ANTHROPIC, "azure": AZURE, "gemini": GEMINI}
