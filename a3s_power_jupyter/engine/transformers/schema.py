"""Output that fits a JSON schema, by `llguidance`: which tokens may come next."""

from __future__ import annotations

import json
from typing import Any

import llguidance
import llguidance.hf
import llguidance.numpy
import numpy as np
import numpy.typing as npt

from ...contract.errors import InvalidParameter


class SchemaCompiler:
    """Makes the matchers of a model's requests; the tokenizer is analysed once, when needed."""

    def __init__(self, tokenizer: Any, vocabulary: int, ends: list[int]) -> None:
        self._tokenizer = tokenizer
        self._vocabulary = vocabulary
        self._ends = ends
        self._analysed: Any = None

    def matcher(self, schema: dict[str, Any]) -> Matcher:
        """Raises `InvalidParameter` for a schema that cannot be used."""
        if self._analysed is None:
            self._analysed = llguidance.hf.from_tokenizer(
                self._tokenizer, n_vocab=self._vocabulary, eos_token=self._ends
            )
        grammar = llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema))
        matcher = llguidance.LLMatcher(self._analysed, grammar)
        if matcher.is_error():
            raise InvalidParameter(
                f"This JSON schema cannot be used: {matcher.get_error()}", param="response_format"
            )
        return Matcher(matcher, self._vocabulary)


class Matcher:
    """Where one answer is in its schema."""

    def __init__(self, matcher: Any, vocabulary: int) -> None:
        self._matcher = matcher
        self._mask = llguidance.numpy.allocate_token_bitmask(1, vocabulary)

    def mask(self, logits: npt.NDArray[np.float32]) -> None:
        """Make what may not come next impossible."""
        llguidance.numpy.fill_next_token_bitmask(self._matcher, self._mask)
        llguidance.numpy.apply_token_bitmask_inplace(logits.reshape(1, -1), self._mask)

    def accept(self, token: int) -> None:
        self._matcher.consume_token(token)
