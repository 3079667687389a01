"""Tokenize with the tokenizer of a model directory, without running the model's own code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class ReferenceTokenizer:
    """The tokenizer of a directory: ``tokenizer.json``, or else ``tokenizer.model``."""

    def __init__(self, directory: Path) -> None:
        self._fast: Any = None
        self._sentencepiece: Any = None
        if (directory / "tokenizer.json").exists():
            from tokenizers import Tokenizer

            self._fast = Tokenizer.from_file(str(directory / "tokenizer.json"))
            self._fast.no_truncation()
            self._fast.no_padding()
        else:
            from sentencepiece import SentencePieceProcessor

            path = str(directory / "tokenizer.model")
            self._sentencepiece = SentencePieceProcessor(model_file=path)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, without special tokens around it."""
        if self._fast is not None:
            return list(self._fast.encode(text, add_special_tokens=False).ids)
        return list(self._sentencepiece.encode(text))

    @property
    def normalizes(self) -> bool:
        """Whether the tokenizer composes characters (NFC), which llama.cpp does not do."""
        if self._fast is None:
            return True  # SentencePiece's default is nmt_nfkc
        normalizer = json.loads(self._fast.to_str()).get("normalizer")
        return '"NF' in json.dumps(normalizer)

    def token_id(self, token: str) -> int | None:
        """Return the id of a token, or None if it is not in the vocabulary."""
        if self._fast is not None:
            id_ = self._fast.token_to_id(token)
        else:
            id_ = self._sentencepiece.piece_to_id(token)
            id_ = None if self._sentencepiece.is_unknown(id_) else id_
        return None if id_ is None else int(id_)

    def added_tokens(self, settings: dict[str, Any]) -> tuple[list[int], list[int]]:
        """Return the special tokens that are added before and after a text.

        Parameters
        ----------
        settings : dict
            Contents of ``tokenizer_config.json``.
        """
        if self._fast is None:
            add_bos = settings.get("add_bos_token", True)
            add_eos = settings.get("add_eos_token")
            before = [int(self._sentencepiece.bos_id())] if add_bos else []
            return before, [int(self._sentencepiece.eos_id())] if add_eos else []
        bare = self._fast.encode("a", add_special_tokens=False).ids
        full = self._fast.encode("a", add_special_tokens=True).ids
        for start in range(len(full) - len(bare) + 1):
            if full[start : start + len(bare)] == bare:
                return full[:start], full[start + len(bare) :]
        return [], []
