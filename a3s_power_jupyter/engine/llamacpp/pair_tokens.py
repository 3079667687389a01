"""Tokenize pairs of a query and a document for the cross-encoders of llama.cpp."""

from __future__ import annotations

import llama_cpp as lc

from ...store.formats.gguf_rerankers import TEMPLATE
from ..pairs import Pair
from .model import LlamaModel

#: Tokenizers of RoBERTa and XLM-RoBERTa, which have two special tokens between a pair.
_ROBERTA = ("gpt2", "t5")


class PairTokenizer:
    """Puts a query and a document into a model's template, or between its special tokens."""

    def __init__(self, model: LlamaModel) -> None:
        self._vocab = model.vocab
        self._template = model.metadata(TEMPLATE)
        pointer = model.vocab.pointer
        end = lc.llama_vocab_eos(pointer)
        if end < 0:
            end = lc.llama_vocab_sep(pointer)
        self._first = [lc.llama_vocab_bos(pointer)] if lc.llama_vocab_get_add_bos(pointer) else []
        self._last = [end]
        self._between = [end, lc.llama_vocab_sep(pointer)] if _adds_separator(model) else [end]

    def __call__(self, query: str, document: str) -> Pair:
        if self._template is not None:
            return self._filled(self._template, query, document)
        before = [*self._first, *self._literal(query), *self._between]
        tokens = self._literal(document)
        start, end = len(before), len(before) + len(tokens)
        return Pair([*before, *tokens, *self._last], start, end, [])

    def _literal(self, text: str) -> list[int]:
        """Return the tokens of a text, in which no special token is recognized."""
        return self._vocab.tokenize(text, add_special=False, parse_special=False)

    def _filled(self, template: str, query: str, document: str) -> Pair:
        """Return the tokens of the filled template, in which the document's are those between."""
        before, _, after = template.partition("{document}")
        before = before.replace("{query}", query)
        after = after.replace("{query}", query)
        tokens = self._tokenize(before + document + after)
        start = _common(tokens, self._tokenize(before))
        rest = self._tokenize(after)
        end = len(tokens) - _common(tokens[start:][::-1], rest[::-1])
        return Pair(tokens, start, end, [])

    def _tokenize(self, text: str) -> list[int]:
        return self._vocab.tokenize(text, add_special=False)


def _adds_separator(model: LlamaModel) -> bool:
    """Return whether there are two special tokens between a query and a document.

    Files that older versions of llama.cpp's converter have written do not say so.
    """
    stated = model.metadata("tokenizer.ggml.add_sep_token")
    if stated is not None:
        return stated == "true"
    if model.metadata("general.architecture") == "bert":
        return model.metadata("tokenizer.ggml.model") in _ROBERTA
    return bool(lc.llama_vocab_get_add_sep(model.vocab.pointer))


def _common(a: list[int], b: list[int]) -> int:
    """Return the number of tokens with which both begin."""
    size = min(len(a), len(b))
    return next((i for i in range(size) if a[i] != b[i]), size)
