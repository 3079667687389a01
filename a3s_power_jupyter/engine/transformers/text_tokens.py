"""Answer requests about tokens with a tokenizer of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

from tokenizers import Tokenizer as BackendTokenizer

from .model import LoadedModel


class ModelTokenizer:
    """Implements `base.Tokenizer`.

    Parameters
    ----------
    only_embeds : bool
        Whether the model's texts are to be embedded, so that they also get the special tokens that
        end a text.
    lock : context manager
        Held while the tokenizer is used.
    """

    def __init__(
        self,
        model: LoadedModel,
        *,
        only_embeds: bool = False,
        lock: AbstractContextManager[Any] | None = None,
    ) -> None:
        self._model = model
        self._only_embeds = only_embeds
        self._lock = nullcontext() if lock is None else lock

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        tokens = self._tokens(text, add_special, parse_special)
        self._model.check_text(tokens)
        return tokens

    def detokenize(self, tokens: Sequence[int]) -> str:
        self._model.check([*tokens], "tokens")
        text: str = self._model.tokenizer.decode(
            [*tokens], skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return text

    def piece(self, token: int) -> bytes:
        return self._model.token_to_piece.text(token)

    def _tokens(self, text: str, add_special: bool, parse_special: bool) -> list[int]:
        model = self._model
        if not parse_special:
            return self._literal_tokens(text, add_special)
        with self._lock:
            if not add_special:
                return model.plain_tokens(text)
            if self._only_embeds:
                return list(model.tokenizer(text, verbose=False)["input_ids"])
            return model.prompt_tokens(text)

    def _literal_tokens(self, text: str, add_special: bool) -> list[int]:
        whole = add_special and self._only_embeds
        tokens = list(self._literal.encode(text, add_special_tokens=whole).ids)
        return [*self._model.first_tokens, *tokens] if add_special and not whole else tokens

    @cached_property
    def _literal(self) -> BackendTokenizer:
        """A copy that reads special tokens as text, which is an option of the whole tokenizer."""
        copy = BackendTokenizer.from_str(self._model.tokenizer.backend_tokenizer.to_str())
        copy.no_padding()
        copy.no_truncation()
        copy.encode_special_tokens = True
        return copy
