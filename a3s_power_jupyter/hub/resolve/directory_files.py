"""Which files of a repository are a model as transformers keeps it."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

import msgspec

from ...contract.errors import InvalidModelDirectory
from ...store.formats.model_directory import TEMPLATES, TOKENIZERS, is_companion
from ...store.formats.weights import INDEX, SINGLE, no_weights
from .plan import RemoteFile


def has_weights(files: Container[str]) -> bool:
    """Whether it is a safetensors repository."""
    return SINGLE in files or INDEX in files


def directory_files(
    repo: str, files: Mapping[str, RemoteFile], read: Callable[[RemoteFile], Any]
) -> tuple[RemoteFile, ...]:
    """Weights, settings, tokenizer, chat templates, and modules of sentence-transformers: what
    loading needs. Pickles, code, documents and the same weights in other formats are left out.

    Parameters
    ----------
    files
        By path.
    read
        Fetches and decodes a JSON file.

    Raises
    ------
    InvalidModelDirectory
        It is no model, has only pickled weights, or is not complete.
    """
    if not has_weights(files):
        raise no_weights(repo, files, "name")
    missing = "config.json" if "config.json" not in files else ""
    if not missing and files.keys().isdisjoint(TOKENIZERS):
        missing = f"tokenizer ({', '.join(TOKENIZERS)})"
    if missing:
        raise InvalidModelDirectory(
            f"{repo} has safetensors weights, but no {missing}, so it cannot be loaded as a model "
            "of transformers. Choose another repository.",
            param="name",
        )
    modules = _modules(repo, files, read)
    weights = _weights(repo, "", files, read)
    for module in modules:
        if any(f"{module}/{name}" in files for name in (SINGLE, INDEX, "pytorch_model.bin")):
            weights += _weights(repo, f"{module}/", files, read)
    companions: list[RemoteFile] = []
    for folder in ("", *([TEMPLATES] if _has_folder(files, TEMPLATES) else []), *modules):
        companions += [files[path] for path in sorted(files) if _is_companion(path, folder)]
    return (*weights, *companions)


def _weights(
    repo: str, prefix: str, files: Mapping[str, RemoteFile], read: Callable[[RemoteFile], Any]
) -> list[RemoteFile]:
    """The weights in the folder `prefix`, in the order in which transformers looks for them."""
    if prefix + SINGLE in files:
        return [files[prefix + SINGLE]]
    if prefix + INDEX not in files:
        below = (path.removeprefix(prefix) for path in files if path.startswith(prefix))
        raise no_weights(f"{repo}/{prefix}".rstrip("/"), below, "name")
    try:
        placed = msgspec.convert(read(files[prefix + INDEX])["weight_map"], dict[str, str])
    except (msgspec.ValidationError, KeyError, TypeError):
        placed = {}
    names = sorted(set(placed.values()))
    wrong = [name for name in names if "/" in name or not name.endswith(".safetensors")]
    missing = [name for name in names if prefix + name not in files]
    if not names or wrong or missing:
        names_ = (
            f"names {(wrong or missing)[0][:80]!r}, which is not there" if names else "is empty"
        )
        raise InvalidModelDirectory(
            f"{prefix}{INDEX} of {repo} {names_}. Choose another repository or revision.",
            param="name",
        )
    return [files[prefix + name] for name in names]


def _modules(
    repo: str, files: Mapping[str, RemoteFile], read: Callable[[RemoteFile], Any]
) -> list[str]:
    """Folders of a sentence-transformers pipeline, in its order."""
    if "modules.json" not in files:
        return []
    try:
        modules = msgspec.convert(read(files["modules.json"]), list[dict[str, Any]])
        folders = [msgspec.convert(module.get("path"), str) for module in modules]
    except msgspec.ValidationError:
        raise InvalidModelDirectory(
            f"modules.json of {repo} is no list of modules with a path each. Choose another "
            "repository or revision.",
            param="name",
        ) from None
    return [folder for folder in folders if folder and _has_folder(files, folder)]


def _has_folder(files: Mapping[str, RemoteFile], folder: str) -> bool:
    return any(path.startswith(f"{folder}/") for path in files)


def _is_companion(path: str, folder: str) -> bool:
    parent, _, name = path.rpartition("/")
    return parent == folder and is_companion(name)
