"""Read the special tokens in the tokenizer files of a model directory.

The keys are those of tokenizers' ``tokenizer.json`` and transformers' ``tokenizer_config.json``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .json_file import read_optional_object


def special_tokens(directory: Path) -> set[str]:
    """Return the texts of the tokens that were added to a vocabulary, in whatever file they are.

    Raises
    ------
    InvalidModelDirectory
        If a file is not a JSON object.
    PathUnreadable, FileChanged
        If a file cannot be read, or changes while it is read.
    """
    settings = read_optional_object(directory / "tokenizer_config.json")
    known = _contents(settings.get("added_tokens_decoder"))
    if known:  # avoids reading the vocabulary, which has up to 30 MB
        return known
    return _contents(read_optional_object(directory / "tokenizer.json").get("added_tokens"))


def _contents(entries: Any) -> set[str]:
    values = entries.values() if isinstance(entries, dict) else entries
    if not isinstance(values, list | type({}.values())):
        return set()
    found = (entry.get("content") for entry in values if isinstance(entry, dict))
    return {text for text in found if isinstance(text, str)}
