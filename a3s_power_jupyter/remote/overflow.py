"""Recognize the errors of servers for a prompt that is longer than the context."""

from __future__ import annotations

import re
from typing import Any

#: Values of ``error.code`` and ``error.type``: OpenAI and llama-cpp-python; llama.cpp's server.
_CODES = ("context_length_exceeded", "exceed_context_size_error")

#: What other servers say, which give no code for it. tests/unit/remote/test_overflow.py has whole
#: messages.
_MESSAGES = re.compile(
    r"maximum context length (is|of) \d"  # vLLM, SGLang, Mistral
    r"|longer than the (maximum model length|model's context length)"  # vLLM; SGLang
    r"|Input length \(\d+ tokens\) exceeds the maximum allowed length"  # SGLang
    r"|max_tokens must be at least 1, got -"  # vLLM, if the prompt leaves no room
    r"|exceeds the available context size"  # llama.cpp before it had a type for this
    r"|too large to process\. increase the physical batch size"  # llama.cpp, embeddings
    r"|greater than the context length"  # LM Studio
    r"|loaded with context length of only \d"  # LM Studio
    r"|n_keep \(?:?\d+\)? >= n_ctx"  # LM Studio
    r"|Context size has been exceeded"  # LM Studio, MLX
    r"|input length exceeds (the|maximum) context length"  # Ollama
    r"|tokens \+ `max_new_tokens` must be <="  # Text Generation Inference
    r"|`inputs` must have less than \d+ tokens"  # Text Embeddings Inference
    r"|prompt is too long: \d+ tokens >",  # Anthropic
    re.IGNORECASE,
)


def is_overflow(error: dict[str, Any], message: str) -> bool:
    """Return whether an error says that the prompt does not fit in the context.

    Parameters
    ----------
    error : dict
        The object with the error's ``code`` and ``type``.
    """
    found = (error.get("code"), error.get("type"))
    return any(code in found for code in _CODES) or _MESSAGES.search(message) is not None
