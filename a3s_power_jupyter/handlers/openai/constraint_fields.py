"""The fields that constrain an answer. `constraints` reads them."""

from __future__ import annotations

from typing import Any

from ..sampler_fields import SamplerFields


class ConstraintFields(SamplerFields, frozen=True, kw_only=True):
    """OpenAI's field, and those of llama.cpp, vLLM, SGLang and Ollama."""

    response_format: Any = None
    json_schema: Any = None
    grammar: Any = None
    structured_outputs: Any = None
    guided_json: Any = None
    guided_regex: Any = None
    guided_choice: Any = None
    guided_grammar: Any = None
    regex: Any = None
    ebnf: Any = None
    format: Any = None
