"""How a byte-level BPE tokenizer cuts text into words, and what llama.cpp calls that.

llama.cpp has the cuts by name (`tokenizer.ggml.pre`, src/llama-vocab.cpp). A tokenizer is known by
what its own file says it does; the proof then compares the tokens.
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

#: The steps of a pre-tokenizer, as `_steps` writes them -> llama.cpp's name.
_NAMES: dict[tuple[str, ...], str] = {
    ("bytes with gpt-2's words",): "gpt-2",
    (f"split {_GPT2}", "bytes"): "gpt-2",
    ("digits one by one", "bytes with gpt-2's words"): "smollm",
    (f"split {_LLAMA3}", "bytes"): "llama-bpe",
    (f"split {_QWEN2}", "bytes"): "qwen2",
    (f"split {_TEKKEN}", "bytes"): "tekken",
}


def name_of(pre_tokenizer: dict[str, Any] | None) -> str:
    """llama.cpp's name for the `pre_tokenizer` of a tokenizer.json.

    Raises
    ------
    CannotConvert
    """
    steps = _steps(pre_tokenizer or {})
    if steps not in _NAMES:
        raise CannotConvert("its tokenizer cuts words in a way that llama.cpp has no name for")
    return _NAMES[steps]


def _steps(part: dict[str, Any]) -> tuple[str, ...]:
    kind = part.get("type")
    if kind == "Sequence":
        return tuple(step for inner in part["pretokenizers"] for step in _steps(inner))
    if kind == "ByteLevel" and not part.get("add_prefix_space"):
        return ("bytes with gpt-2's words" if part.get("use_regex", True) else "bytes",)
    if kind == "Digits" and part.get("individual_digits"):
        return ("digits one by one",)
    if kind == "Split" and part.get("behavior") == "Isolated" and not part.get("invert"):
        return (f"split {part['pattern'].get('Regex')}",)
    if kind == "Split" and part.get("behavior") == "Removed" and part.get("invert"):
        return (f"split {part['pattern'].get('Regex')}",)  # the same cuts, written the other way
    return (f"unknown {kind}",)
