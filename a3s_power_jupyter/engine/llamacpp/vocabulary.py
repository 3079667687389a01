"""Convert between text and tokens with the vocabulary of a llama.cpp model."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import llama_cpp as lc
from msgspec import UNSET

from ...contract.errors import ModelLoadFailed
from ...contract.fill_in import FILL_IN_TOKENS
from ...contract.types import Sampling
from ..checks import TextLimit, check_pieces, check_token_ids
from ..fill_in import FillInTokens, find_fill_in, require_fill_in, without_space

#: Types of vocabularies in which each byte of a text is part of a token.
_COMPLETE = (
    lc.LLAMA_VOCAB_TYPE_SPM,
    lc.LLAMA_VOCAB_TYPE_BPE,
    lc.LLAMA_VOCAB_TYPE_RWKV,
    lc.LLAMA_VOCAB_TYPE_PLAMO2,
)
#: Bytes that UTF-8 text can contain.
_UTF8_BYTES = [byte for byte in range(0xF5) if byte not in (0xC0, 0xC1)]

_STRIPS_SPACE = lc.LLAMA_TOKEN_ATTR_LSTRIP | lc.LLAMA_TOKEN_ATTR_RSTRIP


class Vocabulary:
    """The vocabulary of a model.

    Attributes
    ----------
    pointer : ctypes pointer
        llama.cpp's ``llama_vocab``.
    size : int
        Number of tokens.
    bos_text, eos_text : str
        Text of the special tokens; "" if the model has none.
    """

    def __init__(self, pointer: Any) -> None:
        self.pointer = pointer
        self.size = int(lc.llama_vocab_n_tokens(pointer))
        self._pieces: dict[int, bytes] = {}
        self._eog: dict[int, bool] = {}
        self.bos_text = self._special_text(lc.llama_vocab_bos(pointer))
        self.eos_text = self._special_text(lc.llama_vocab_eos(pointer))

    def require_bytes(self) -> None:
        """Check that a SentencePiece vocabulary has a token for each byte.

        Without it, llama.cpp ends the process at the first character that is not in the vocabulary.

        Raises
        ------
        ModelLoadFailed
            If a byte has no token.
        """
        if lc.llama_vocab_type(self.pointer) != lc.LLAMA_VOCAB_TYPE_SPM:
            return
        texts = (lc.llama_vocab_get_text(self.pointer, token) for token in range(self.size))
        short = {text for text in texts if len(text) in (1, len(b"<0x00>"))}
        for byte in _UTF8_BYTES:
            if b"<0x%02X>" % byte not in short and bytes([byte]) not in short:
                raise ModelLoadFailed(
                    f"The model's vocabulary has no token for the byte 0x{byte:02X}, so llama.cpp "
                    "cannot tokenize all texts. Get another GGUF file of the model."
                )

    @cached_property
    def longest_text(self) -> TextLimit:
        """The longest text that tokens can hold; it takes up to 0.2 s to compute."""
        if lc.llama_vocab_type(self.pointer) not in _COMPLETE:
            return TextLimit(None)
        tokens = range(self.size)
        # Without a buffer, the length is returned as a negative number.
        longest = max(-lc.llama_token_to_piece(self.pointer, t, None, 0, 0, True) for t in tokens)
        strips = any(lc.llama_vocab_get_attr(self.pointer, t) & _STRIPS_SPACE for t in tokens)
        return TextLimit(max(1, longest), ignores_space=strips)

    def check_length(self, text: str, num_ctx: int) -> None:
        """Raise `ContextLengthExceeded` if `num_ctx` tokens cannot hold a text."""
        if len(text) * 4 > num_ctx:  # each token covers at least one of at most 4 bytes
            self.longest_text.check(text, num_ctx)
            check_pieces(text, num_ctx, lambda part: len(self.tokenize(part, add_special=False)))

    def tokenize_prompt(self, text: str, *, parse_special: bool = True) -> list[int]:
        """Return the token ids of a text to continue.

        It begins with the begin-of-sequence token, if the model has been trained so, but does not
        end with the end-of-sequence token, which a tokenizer may add to whole texts.
        """
        if parse_special and self.starts_with_bos(text):
            return self.tokenize(text, add_special=False)
        tokens = self.tokenize(text, add_special=True, parse_special=parse_special)
        adds_end = lc.llama_vocab_get_add_eos(self.pointer)
        ends = adds_end and tokens and tokens[-1] == lc.llama_vocab_eos(self.pointer)
        return tokens[:-1] if ends else tokens

    def fill_in(self, before: str | Sequence[int], after: str) -> list[int]:
        """Return a prompt for the text between two texts, in which no special token is recognized.

        Raises
        ------
        UnsupportedRequestFields
            If the model has no tokens for fill-in-the-middle.
        """
        tokens = require_fill_in(self._fill_in_tokens)

        def plain(text: str) -> list[int]:
            return self.tokenize(text, add_special=False, parse_special=False)

        if isinstance(before, str):
            before = plain(before)
        adds_space = lc.llama_vocab_type(self.pointer) == lc.LLAMA_VOCAB_TYPE_SPM
        last = without_space(plain, after) if adds_space else plain(after)
        adds_bos = lc.llama_vocab_get_add_bos(self.pointer)
        return tokens.prompt([lc.llama_vocab_bos(self.pointer)] if adds_bos else [], before, last)

    @cached_property
    def _fill_in_tokens(self) -> FillInTokens | None:
        """The tokens that llama.cpp has found, or else those of families that it does not know."""
        pointer = self.pointer
        found = [lc.llama_vocab_fim_pre(pointer), lc.llama_vocab_fim_suf(pointer)]
        found.append(lc.llama_vocab_fim_mid(pointer))
        if min(found) >= 0:
            return FillInTokens(*found)
        ids = {name: self.tokenize(name, add_special=False) for name in FILL_IN_TOKENS}
        return find_fill_in({name: tokens[0] for name, tokens in ids.items() if len(tokens) == 1})

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool = True) -> list[int]:
        """Return the token ids of a text. Special tokens in the text are recognized."""
        raw = text.encode("utf-8", errors="replace")
        options = add_special, parse_special
        capacity = len(raw) + 8
        tokens = (lc.llama_token * capacity)()
        count = lc.llama_tokenize(self.pointer, raw, len(raw), tokens, capacity, *options)
        if count < 0:
            tokens = (lc.llama_token * -count)()
            count = lc.llama_tokenize(self.pointer, raw, len(raw), tokens, -count, *options)
        return list(tokens[:count])

    def detokenize(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, with special tokens as their text.

        Bytes that are no character are replaced by U+FFFD.

        Raises
        ------
        InvalidParameter
            If an id is not in the vocabulary.
        """
        self.check(tokens, "tokens")
        ids = (lc.llama_token * len(tokens))(*tokens)
        options = False, True  # keep special tokens, and write their text
        size = 8 * len(tokens) + 64
        buffer = ctypes.create_string_buffer(size)
        length = lc.llama_detokenize(self.pointer, ids, len(tokens), buffer, size, *options)
        if length < 0:
            size = -length
            buffer = ctypes.create_string_buffer(size)
            length = lc.llama_detokenize(self.pointer, ids, len(tokens), buffer, size, *options)
        return buffer.raw[:length].decode("utf-8", "replace")

    def starts_with_bos(self, text: str) -> bool:
        """Whether the text already begins with the begin-of-sequence token."""
        return bool(self.bos_text) and text.startswith(self.bos_text)

    def check(self, tokens: Sequence[int], param: str) -> None:
        """Raise `InvalidParameter` if an id in a field is not in the vocabulary."""
        check_token_ids(tokens, self.size, param)

    def is_eog(self, token: int) -> bool:
        """Whether the token ends a generation."""
        if token not in self._eog:
            self._eog[token] = bool(lc.llama_vocab_is_eog(self.pointer, token))
        return self._eog[token]

    @cached_property
    def eog_tokens(self) -> tuple[int, ...]:
        """The tokens that end a generation."""
        return tuple(token for token in range(self.size) if self.is_eog(token))

    def end_tokens(self, sampling: Sampling) -> frozenset[int]:
        """Return the tokens that end the answer to a request.

        Raises
        ------
        InvalidParameter
            If `stop_token_ids` has an unknown token.
        """
        self.check(sampling.stop_token_ids, "stop_token_ids")
        stop = () if sampling.stop is UNSET else sampling.stop
        special = {token for text in stop for token in self.control_tokens(text)}
        return frozenset(self.eog_tokens) | special | {*sampling.stop_token_ids}

    def control_tokens(self, text: str) -> tuple[int, ...]:
        """Return the control token with this text, which is not part of the text of an answer."""
        tokens = self.tokenize(text, add_special=False)
        is_control = len(tokens) == 1 and lc.llama_vocab_is_control(self.pointer, tokens[0])
        return (tokens[0],) if is_control else ()

    def special_texts(self) -> dict[int, str]:
        """Return the texts of the control tokens that do not end a generation."""
        tokens = range(self.size)
        control = [t for t in tokens if lc.llama_vocab_is_control(self.pointer, t)]
        return {token: self._special_text(token) for token in control if not self.is_eog(token)}

    @cached_property
    def suppressed(self) -> tuple[int, ...]:
        """Tokens that the model's files say must not be generated."""
        count = ctypes.c_int32()
        tokens = lc.llama_vocab_get_suppress_tokens(self.pointer, ctypes.byref(count))
        return tuple(tokens[: count.value]) if tokens else ()

    def token_to_piece(self, token: int) -> bytes:
        """Return the token's contribution to the text. A character may span several tokens."""
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = self.render(token, special=False)
        return piece

    def token_to_text(self, token: int) -> bytes:
        """Return the token's bytes, also of a special token."""
        return self.token_to_piece(token) or self.render(token, special=True)

    def _special_text(self, token: int) -> str:
        return self.render(token, special=True).decode("utf-8", "replace") if token >= 0 else ""

    def render(self, token: int, *, special: bool) -> bytes:
        size = 64
        buffer = ctypes.create_string_buffer(size)
        length = lc.llama_token_to_piece(self.pointer, token, buffer, size, 0, special)
        if length < 0:
            buffer = ctypes.create_string_buffer(-length)
            length = lc.llama_token_to_piece(self.pointer, token, buffer, -length, 0, special)
        return buffer.raw[:length]
