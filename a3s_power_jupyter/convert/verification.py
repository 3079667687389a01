"""Verify that llama.cpp tokenizes like the original model and computes finite logits.

The test suite checks for every family that the logits are correct. A conversion does not.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import llama_cpp as lc
import numpy as np

from ..engine.llamacpp.vocabulary import Vocabulary
from .exceptions import CannotConvert
from .reference_tokenizer import ReferenceTokenizer
from .special_tokens import end_tokens

#: Texts for which tokenizers differ: numbers, runs of spaces, scripts, accents, emoji, code.
TEXTS = (
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
#: Texts with decomposed characters, for tokenizers that do not compose them.
DECOMPOSED_TEXTS = ("e\u0301le\u0300ve", "a\u0308o\u0308u\u0308")


def verify_tokens(directory: Path, model: Path) -> None:
    """Compare llama.cpp's tokens for difficult texts with those of the directory's tokenizer.

    Raises
    ------
    CannotConvert
        If they differ, a token that ends an answer is not one in llama.cpp, or llama.cpp cannot
        load the file.
    """
    reference = ReferenceTokenizer(directory)
    texts = TEXTS if reference.normalizes else TEXTS + DECOMPOSED_TEXTS
    params = lc.llama_model_default_params()
    params.vocab_only = True
    pointer = _load(model, params)
    try:
        vocab = Vocabulary(lc.llama_model_get_vocab(pointer))
        for text in texts:
            if reference.normalizes:
                text = unicodedata.normalize("NFC", text)
            if vocab.tokenize(text, add_special=False) != reference.encode(text):
                raise CannotConvert(f"llama.cpp splits the text {text!r} into different tokens")
        ends = [token for token in end_tokens(directory) if token < vocab.size]
        missed = [token for token in ends if not vocab.is_eog(token)]
        if missed:
            raise CannotConvert(f"llama.cpp would not end an answer at the tokens {missed}")
    finally:
        lc.llama_model_free(pointer)


def verify_logits(model: Path, threads: int) -> None:
    """Run llama.cpp on a short text and check that the logits are finite.

    Raises
    ------
    CannotConvert
        If llama.cpp cannot run the model, or the logits are not finite or all equal.
    """
    params = lc.llama_model_default_params()
    params.n_gpu_layers = 0
    pointer = _load(model, params)
    try:
        vocab = Vocabulary(lc.llama_model_get_vocab(pointer))
        tokens = vocab.tokenize("The quick brown fox", add_special=False) or [0]
        logits = _logits(pointer, tokens, vocab.size, threads)
    finally:
        lc.llama_model_free(pointer)
    if not np.isfinite(logits).all() or logits.std() == 0:
        raise CannotConvert("the converted model does not compute usable logits")


def _load(model: Path, params: Any) -> Any:
    pointer = lc.llama_model_load_from_file(str(model).encode(), params)
    if not pointer:
        raise CannotConvert("llama.cpp cannot load the converted file")
    return pointer


def _logits(pointer: Any, tokens: list[int], size: int, threads: int) -> np.ndarray[Any, Any]:
    params = lc.llama_context_default_params()
    params.n_ctx, params.n_batch = 64, 64
    params.n_threads = params.n_threads_batch = threads
    params.no_perf = True
    context = lc.llama_init_from_model(pointer, params)
    if not context:
        raise CannotConvert("llama.cpp cannot create a context for the converted model")
    try:
        array = (lc.llama_token * len(tokens))(*tokens)  # the batch only points to it
        if lc.llama_decode(context, lc.llama_batch_get_one(array, len(tokens))) != 0:
            raise CannotConvert("llama.cpp cannot run the converted model")
        logits = lc.llama_get_logits_ith(context, -1)
        return np.array(np.ctypeslib.as_array(logits, (size,)))
    finally:
        lc.llama_free(context)
