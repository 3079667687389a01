"""Find llama.cpp's name for the pre-tokenizer of a byte-level BPE tokenizer.

A pre-tokenizer splits text into words. llama.cpp implements pre-tokenizers by name
(`tokenizer.ggml.pre` in src/llama-vocab.cpp). They are recognized by the steps in
``tokenizer.json``; `verification` then compares the tokens.
"""

from __future__ import annotations

from typing import Any

from .exceptions import CannotConvert

_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_LLAMA3 = _CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|" + _TAIL
_QWEN2 = _CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|" + _TAIL
_TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

#: Steps of a pre-tokenizer, as described by `_steps` -> llama.cpp's name.
_NAMES: dict[tuple[str, ...], str] = {
    ("GPT-2 words as bytes",): "gpt-2",
    (f"split {_GPT2}", "bytes"): "gpt-2",
    ("single digits", "GPT-2 words as bytes"): "smollm",
    (f"split {_LLAMA3}", "bytes"): "llama-bpe",
    (f"split {_QWEN2}", "bytes"): "qwen2",
    (f"split {_TEKKEN}", "bytes"): "tekken",
}


def name_of(pre_tokenizer: dict[str, Any] | None) -> str:
    """Return llama.cpp's name for the `pre_tokenizer` of a tokenizer.json.

    Raises
    ------
    CannotConvert
        If llama.cpp does not support the pre-tokenizer.
    """
    steps = _steps(pre_tokenizer or {})
    if steps not in _NAMES:
        raise CannotConvert("llama.cpp does not support its pre-tokenizer")
    return _NAMES[steps]


def _steps(part: dict[str, Any]) -> tuple[str, ...]:
    """Return a description of each step, as used in `_NAMES`."""
    kind = part.get("type")
    if kind == "Sequence":
        return tuple(step for inner in part["pretokenizers"] for step in _steps(inner))
    if kind == "ByteLevel" and not part.get("add_prefix_space"):
        return ("GPT-2 words as bytes" if part.get("use_regex", True) else "bytes",)
    if kind == "Digits" and part.get("individual_digits"):
        return ("single digits",)
    if kind == "Split" and part.get("behavior") == "Isolated" and not part.get("invert"):
        return (f"split {part['pattern'].get('Regex')}",)
    if kind == "Split" and part.get("behavior") == "Removed" and part.get("invert"):
        return (f"split {part['pattern'].get('Regex')}",)  # the same split, inverted twice
    return (f"unknown {kind}",)
