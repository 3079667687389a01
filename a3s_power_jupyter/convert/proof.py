"""A cheap proof that a converted model is the model: the same tokens, and numbers that are some.

That the numbers are the right ones is shown for every family by the tests, not at each load.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import llama_cpp as lc
import numpy as np

from .exceptions import CannotConvert
from .reference_tokenizer import Reference

#: Where tokenizers differ when they do: numbers, runs of spaces, scripts, marks, emoji, code.
STRINGS = (
    "Hello, world!",
    " leading space",
    "trailing space ",
    "a  b   c    d",
    "line\nline\n\nline\n\n\n  indented\n\tand tabs\t\tmore",
    "windows\r\nlines\r\n",
    "0 1 12 123 1234 12345 1234567890 3.14159 1,000,000 1e-10",
    "I'm you're he'll we'd they've it's DON'T I'LL",
    "naïve façade Ærøskøbing Straße ñandú",
    "Привет, мир! Καλημέρα κόσμε",
    "你好，世界。日本語のテキストと한국어",
    "مرحبا بالعالم שלום עולם हिन्दी ไทย",
    "🙂👍🏽👩‍👩‍👧‍👦🏳️‍🌈 ✓ ∑ √ ≠",
    "def f(x):\n    return {'a': [1, 2], \"b\": x ** 2}  # comment\n",
    "<b>html</b> &amp; https://example.org/path?q=1&r=2#top",
    "ALLCAPS CamelCase snake_case kebab-case x_1y2z",
    "…—–“quotes”‘single’«guillemets»¿¡",
    "\u00a0no-break\u2003em space\u200bzero width\ufeffmark",
    "𝒳 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 \U0001d11e",
    "!!!???...,,,;;;:::---===+++***///",
    "a",
)
#: Told apart only by tokenizers that do not compose characters.
_DECOMPOSED = ("e\u0301le\u0300ve", "a\u0308o\u0308u\u0308")


def prove_tokens(directory: Path, model: Path) -> None:
    """Compare llama.cpp's tokens of difficult texts with those of the directory's tokenizer.

    Raises
    ------
    CannotConvert
        They differ, or llama.cpp does not load the file.
    """
    reference = Reference(directory)
    strings = STRINGS if reference.normalizes else STRINGS + _DECOMPOSED
    params = lc.llama_model_default_params()
    params.vocab_only = True
    pointer = _load(model, params)
    try:
        vocab = lc.llama_model_get_vocab(pointer)
        for text in strings:
            if reference.normalizes:
                text = unicodedata.normalize("NFC", text)
            if tokens_of(vocab, text) != reference.encode(text):
                raise CannotConvert(f"llama.cpp cuts the text {text!r} into other tokens")
    finally:
        lc.llama_model_free(pointer)


def prove_numbers(model: Path, threads: int) -> None:
    """Let llama.cpp read a short text with the whole model: every logit has to be a number.

    Raises
    ------
    CannotConvert
    """
    params = lc.llama_model_default_params()
    params.n_gpu_layers = 0
    pointer = _load(model, params)
    try:
        vocab = lc.llama_model_get_vocab(pointer)
        tokens = tokens_of(vocab, "The quick brown fox") or [0]
        logits = _logits(pointer, tokens, lc.llama_vocab_n_tokens(vocab), threads)
    finally:
        lc.llama_model_free(pointer)
    if not np.isfinite(logits).all() or logits.std() == 0:
        raise CannotConvert("the converted model computes no usable numbers")


def tokens_of(vocab: Any, text: str) -> list[int]:
    """llama.cpp's tokens of `text`, none put around it, special ones recognised."""
    raw = text.encode()
    room = len(raw) + 16
    tokens = (lc.llama_token * room)()
    count = lc.llama_tokenize(vocab, raw, len(raw), tokens, room, False, True)
    return list(tokens[: max(0, count)])


def _load(model: Path, params: Any) -> Any:
    pointer = lc.llama_model_load_from_file(str(model).encode(), params)
    if not pointer:
        raise CannotConvert("llama.cpp does not load the converted file")
    return pointer


def _logits(pointer: Any, tokens: list[int], size: int, threads: int) -> np.ndarray[Any, Any]:
    params = lc.llama_context_default_params()
    params.n_ctx, params.n_batch = 64, 64
    params.n_threads = params.n_threads_batch = threads
    params.no_perf = True
    context = lc.llama_init_from_model(pointer, params)
    if not context:
        raise CannotConvert("llama.cpp makes no context for the converted model")
    try:
        array = (lc.llama_token * len(tokens))(*tokens)  # the batch only points to it
        if lc.llama_decode(context, lc.llama_batch_get_one(array, len(tokens))) != 0:
            raise CannotConvert("llama.cpp does not run the converted model")
        pointer_to = lc.llama_get_logits_ith(context, -1)
        return np.array(np.ctypeslib.as_array(pointer_to, (size,)))
    finally:
        lc.llama_free(context)
