"""Entries of a prompt cache, and their files."""

from __future__ import annotations

import math
import os
from array import array
from pathlib import Path
from typing import Any

from a3s_power_jupyter.engine.prompt_cache import Entry, token_array
from a3s_power_jupyter.engine.prompt_files import PromptFiles

STATE = os.urandom(5000)


def entry(*tokens: int, state: Any = STATE, steady: int = 0, used: float = 1000.0) -> Entry[Any]:
    positions = array("i", range(len(tokens)))
    return Entry(token_array(tokens), positions, len(tokens), steady, state, len(state), used=used)


def files_in(folder: Path, *, fits: str = "this", limit: int = 1 << 30) -> PromptFiles:
    return PromptFiles(folder, limit, [fits])


def write(folder: Path, *entries: Entry[Any], limit: int = 1 << 30) -> int:
    return files_in(folder, limit=limit).save(entries, math.inf)


def tokens_in(folder: Path, *, fits: str = "this") -> list[list[int]]:
    return [list(saved.tokens) for saved in files_in(folder, fits=fits).load()]


def only_file(folder: Path) -> Path:
    [path] = [path for path in folder.rglob("*") if path.is_file()]
    return path
