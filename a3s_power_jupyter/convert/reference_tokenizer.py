"""A directory's own tokenizer, to compare with and to ask which special tokens it adds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Reference:
    """Text to ids as the model's makers meant it, without code of theirs."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._fast: Any = None
        self._pieces: Any = None
        if (directory / "tokenizer.json").exists():
            from tokenizers import Tokenizer

            self._fast = Tokenizer.from_file(str(directory / "tokenizer.json"))
            self._fast.no_truncation()
            self._fast.no_padding()
        else:
            from sentencepiece import SentencePieceProcessor

            self._pieces = SentencePieceProcessor(model_file=str(directory / "tokenizer.model"))

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, without those that frame it."""
        if self._fast is not None:
            return list(self._fast.encode(text, add_special_tokens=False).ids)
        return list(self._pieces.encode(text))

    @property
    def normalizes(self) -> bool:
        """Whether it composes characters (NFC), which llama.cpp does not do."""
        if self._fast is None:
            return True  # SentencePiece has rules of its own (nmt_nfkc) unless told otherwise
        normalizer = json.loads(self._fast.to_str()).get("normalizer")
        return '"NF' in json.dumps(normalizer)

    def id_of(self, token: str) -> int | None:
        if self._fast is not None:
            found = self._fast.token_to_id(token)
        else:
            found = self._pieces.piece_to_id(token)
            found = None if self._pieces.is_unknown(found) else found
        return None if found is None else int(found)

    def frame(self, settings: dict[str, Any]) -> tuple[list[int], list[int]]:
        """The ids that it puts before and behind a text."""
        if self._fast is None:
            before = [int(self._pieces.bos_id())] if settings.get("add_bos_token", True) else []
            return before, [int(self._pieces.eos_id())] if settings.get("add_eos_token") else []
        bare = self._fast.encode("a", add_special_tokens=False).ids
        framed = self._fast.encode("a", add_special_tokens=True).ids
        for start in range(len(framed) - len(bare) + 1):
            if framed[start : start + len(bare)] == bare:
                return framed[:start], framed[start + len(bare) :]
        return [], []
