"""The bytes that a token stands for."""

from __future__ import annotations

import json
import re
from typing import Any

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_SPACE = "\u2581"  # how SentencePiece writes a space


class Pieces:
    """Token ids to bytes; special tokens are nothing, as in llama.cpp's output."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._special = set(tokenizer.all_special_ids)
        self._special |= {i for i, t in tokenizer.added_tokens_decoder.items() if t.special}
        self._added = {i: t.content for i, t in tokenizer.added_tokens_decoder.items()}
        self._known: dict[int, bytes] = {}
        decoder = json.loads(tokenizer.backend_tokenizer.to_str()).get("decoder")
        self._bytes = _byte_alphabet() if "ByteLevel" in json.dumps(decoder) else None

    def __call__(self, token: int) -> bytes:
        if token not in self._known:
            self._known[token] = self._piece(token)
        return self._known[token]

    def _piece(self, token: int) -> bytes:
        if token in self._special:
            return b""
        if token in self._added:
            return str(self._added[token]).encode()
        text: str | None = self._tokenizer.convert_ids_to_tokens(token)
        if text is None:  # a row of the embedding that no token has
            return b""
        if self._bytes is not None:
            return bytes(self._bytes[c] for c in text if c in self._bytes)
        byte = _BYTE.fullmatch(text)
        return bytes([int(byte[1], 16)]) if byte else text.replace(_SPACE, " ").encode()


def _byte_alphabet() -> dict[str, int]:
    """The characters by which byte-level BPE writes bytes: those that can be seen stand for
    themselves, the others for the next characters above 255 (the scheme of GPT-2)."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    alphabet = {chr(byte): byte for byte in seen}
    hidden = [byte for byte in range(256) if byte not in seen]
    alphabet.update({chr(256 + at): byte for at, byte in enumerate(hidden)})
    return alphabet
