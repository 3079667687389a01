"""Load a tokenizer with transformers, and map its tokens to bytes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import transformers

from ...contract.errors import ModelLoadFailed
from ..base import first_line
from ..checks import TextLimit
from ..template import ChatTemplate, TemplateSources

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_SPACE = "\u2581"  # SentencePiece's space

_ADVICE = (
    "Get the model's tokenizer.json, which another copy of the model may have, and register the "
    "directory again; or use the model as GGUF."
)


def read_tokenizer(directory: Path) -> Any:
    """Return the fast tokenizer of a model directory.

    transformers converts the vocabularies of many slow tokenizers.

    Raises
    ------
    ModelLoadFailed
        If the tokenizer cannot be read, has no fast form, or has no vocabulary.
    """
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            directory, trust_remote_code=False, local_files_only=True
        )
    except Exception as error:
        reason = first_line(error).replace(str(directory), "its directory")
        raise ModelLoadFailed(
            f"transformers {transformers.__version__} cannot load the model's tokenizer "
            f"({type(error).__name__}: {reason}). Its own code is never run. {_ADVICE}"
        ) from error
    name = type(tokenizer).__name__
    if not tokenizer.is_fast:
        raise ModelLoadFailed(
            f"The model's tokenizer ({name}) is written in Python and has no fast form "
            f"(tokenizer.json). {_ADVICE}"
        )
    if set(tokenizer.get_vocab()) <= {*tokenizer.all_special_tokens}:
        files = ", ".join(sorted(set(tokenizer.vocab_files_names.values())))
        raise ModelLoadFailed(
            f"The model's tokenizer ({name}) has no vocabulary, because none of its files is there "
            f"({files}). Download the whole model."
        )
    return tokenizer


def load_template(
    tokenizer: Any, sources: TemplateSources | None, num_ctx: int
) -> ChatTemplate | None:
    """Return the chat template with the tokenizer's special tokens, if there is one."""
    if sources is None:
        return None
    return ChatTemplate(
        sources,
        bos_token=tokenizer.bos_token or "",
        eos_token=tokenizer.eos_token or "",
        num_ctx=num_ctx,
    )


#: Normalizers that keep each byte of a text, or replace it by as many, and how much shorter others
#: may make it: a Hangul syllable has 3 bytes, its decomposed form 9.
_NORMALIZERS = {"Prepend": 1, "Replace": 1, "NFC": 3}


def text_limit(tokenizer: Any) -> TextLimit:
    """Return the longest text that tokens can hold."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    shrinks = _shrinks(state.get("normalizer"))
    model = state.get("model") or {}
    complete = model.get("byte_fallback") or "ByteLevel" in json.dumps(state.get("pre_tokenizer"))
    if model.get("type") != "BPE" or not complete or shrinks is None:
        return TextLimit(None)
    longest = max((len(token.encode()) for token in tokenizer.get_vocab()), default=1)
    added = state.get("added_tokens") or []
    strips = any(token.get("lstrip") or token.get("rstrip") for token in added)
    return TextLimit(longest * shrinks, ignores_space=strips)


def _shrinks(normalizer: dict[str, Any] | None) -> int | None:
    """Return how much shorter a normalizer can make a text; None if this is not known."""
    if normalizer is None:
        return 1
    factor = 1
    for part in normalizer.get("normalizers", [normalizer]):
        known = _NORMALIZERS.get(part["type"])
        is_space = part.get("pattern") == {"String": " "} and part.get("content")
        if known is None or (part["type"] == "Replace" and not is_space):
            return None
        factor *= known
    return factor


class TokenBytes:
    """Map token ids to bytes. Special tokens map to no bytes, as in llama.cpp's output."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._special = set(tokenizer.all_special_ids)
        self._special |= {i for i, t in tokenizer.added_tokens_decoder.items() if t.special}
        self._added = {i: t.content for i, t in tokenizer.added_tokens_decoder.items()}
        self._cache: dict[int, bytes] = {}
        decoder = json.loads(tokenizer.backend_tokenizer.to_str()).get("decoder")
        self._alphabet = _byte_alphabet() if "ByteLevel" in json.dumps(decoder) else None

    def __call__(self, token: int) -> bytes:
        if token not in self._cache:
            self._cache[token] = self._piece(token)
        return self._cache[token]

    def special(self, text: str) -> tuple[int, ...]:
        """Return the special token with this text, which is not part of the text of an answer."""
        token = self._tokenizer.convert_tokens_to_ids(text)
        is_special = token in self._special and self._tokenizer.convert_ids_to_tokens(token) == text
        return (token,) if is_special else ()

    def special_texts(self) -> dict[int, str]:
        """Return the texts of the special tokens."""
        return {token: self._tokenizer.convert_ids_to_tokens(token) for token in self._special}

    def text(self, token: int) -> bytes:
        """Return the token's bytes, also of a special token."""
        if token not in self._special:
            return self(token)
        return str(self._tokenizer.convert_ids_to_tokens(token)).encode()

    def _piece(self, token: int) -> bytes:
        if token in self._special:
            return b""
        if token in self._added:
            return str(self._added[token]).encode()
        text: str | None = self._tokenizer.convert_ids_to_tokens(token)
        if text is None:  # a row of the embedding matrix without a token
            return b""
        if self._alphabet is not None:
            return bytes(self._alphabet[c] for c in text if c in self._alphabet)
        byte = _BYTE.fullmatch(text)
        return bytes([int(byte[1], 16)]) if byte else text.replace(_SPACE, " ").encode()


def _byte_alphabet() -> dict[str, int]:
    """Return GPT-2's mapping of characters to bytes.

    Printable bytes map to themselves; the other bytes map to the characters from 256 on.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    alphabet = {chr(byte): byte for byte in printable}
    others = [byte for byte in range(256) if byte not in printable]
    alphabet.update({chr(256 + i): byte for i, byte in enumerate(others)})
    return alphabet
