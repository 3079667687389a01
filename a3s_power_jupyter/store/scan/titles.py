"""Name models whose file or folder says nothing about them, such as ``ggml-model-Q4_K_M.gguf``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ...contract.errors import PowerError
from ..files import source_file
from ..formats.gguf import read_header
from ..formats.json_file import read_optional_object
from . import proposals

#: Words that programs give to all models and folders, and that are left out.
_EMPTY = {
    "blobs", "cache", "consolidated", "data", "download", "downloads", "export", "exported",
    "flax", "ggml", "gguf", "hf", "huggingface", "llms", "local", "main", "model", "models",
    "notebooks", "out", "output", "outputs", "pytorch", "quantized", "results", "safetensors",
    "sha256", "shared", "snapshot", "snapshots", "tmp", "torch", "unsloth", "weights", "work",
}  # fmt: skip

#: Words that tell models of one name apart.
_STAGES = {
    "best", "checkpoint", "checkpoints", "ckpt", "converted", "epoch", "final", "finetuned", "fp16",
    "fp32", "last", "latest", "lora", "merged", "quant", "sft", "step",
}  # fmt: skip

_TYPES = "|".join(sorted(proposals.QUANTIZATIONS, key=len, reverse=True))
_WORD = re.compile(rf"(?:{_TYPES})(?![A-Za-z0-9])|[A-Za-z0-9]+(?:\.\d+[A-Za-z]*)*", re.IGNORECASE)
#: A number, a number of parameters (``7B``) or a type of weights (``q4``).
_NUMBER = re.compile(r"v?\d+(?:\.\d+)*[bm]?|i?q\d+", re.IGNORECASE)
#: The abbreviated or full hash of a commit or of a content.
_HASH = re.compile(r"(?=.*\d)(?:[0-9a-f]{7,12}|[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})")

#: Longest title that is used; others are descriptions.
_MAX_TITLE = 100
#: Folders above a model that may name it, and folders in which those of users and of disks are.
_MAX_FOLDERS = 3
_TOPS = {"/", "/home", "/Users", "/Volumes", "/media", "/mnt"}


def of_model(path: Path) -> str:
    """Return a name for the model at a path.

    It is that of the file or the folder. If this could be any model's, it is what the header of a
    GGUF file says, the name of a folder above it, or the model in ``config.json``, with what is
    left of the file's name: ``Llama-3.2-1B-Q4_K_M``. Unreadable files say nothing.
    """
    proposed = proposals.of_path(path)
    stem = proposals.stem_of(path.name)
    if proposals.is_in_hub_cache(path) or _is_title(stem):
        return proposed
    title = next(filter(_is_title, _titles(path)), None)
    if title is None:
        return proposed
    known = {word.lower() for word in _words(title)}
    rest = [word for word in _words(stem) if not _is_empty(word) and word.lower() not in known]
    return proposals.clean("-".join([title, *rest]))


def _titles(path: Path) -> Iterator[str]:
    if not path.is_dir():
        yield from _gguf_titles(path)
    yield from _folders(path)
    if path.is_dir():
        yield from _config_titles(path)


def _gguf_titles(path: Path) -> Iterator[str]:
    try:
        header = read_header(source_file(path))
    except PowerError:
        return
    yield _last_part(header.text("general.name"))
    # In the order of GGUF's naming convention.
    parts = map(header.text, ("general.basename", "general.size_label", "general.finetune"))
    yield "-".join(filter(None, parts))


def _config_titles(path: Path) -> Iterator[str]:
    try:
        yield _last_part(str(read_optional_object(path / "config.json").get("_name_or_path", "")))
    except PowerError:
        return


def _folders(path: Path) -> Iterator[str]:
    for folder in path.parents[:_MAX_FOLDERS]:
        if str(folder) in _TOPS or str(folder.parent) in _TOPS or folder == Path.home():
            return
        yield folder.name


def _last_part(title: str) -> str:
    """Return a title without the folders or the owner in it."""
    return re.split(r"[\\/]", title.rstrip("\\/ "))[-1]


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _is_empty(word: str) -> bool:
    return word.lower() in _EMPTY or _HASH.fullmatch(word.lower()) is not None


def _is_title(text: str) -> bool:
    """Return whether a text has a word that not any model could have."""
    return len(text) <= _MAX_TITLE and any(
        not _is_empty(word)
        and word.lower() not in _STAGES
        and word.upper() not in proposals.QUANTIZATIONS
        and not _NUMBER.fullmatch(word)
        for word in _words(text)
    )
