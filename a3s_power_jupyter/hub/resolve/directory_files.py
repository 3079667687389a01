"""Choose the files of a repository that make up a Transformers model."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

import msgspec

from ...contract.errors import InvalidModelDirectory
from ...contract.text import named
from ...store.formats.chat_templates import TEMPLATES
from ...store.formats.model_directory import TOKENIZERS, is_companion
from ...store.formats.weights import INDEX, SINGLE, no_weights
from .repository import RemoteFile

#: Most modules of a pipeline; sentence-transformers models have about three.
MAX_MODULES = 20


def has_weights(files: Container[str]) -> bool:
    """Return whether a repository with these files has safetensors weights."""
    return SINGLE in files or INDEX in files


def directory_files(
    repo: str, files: Mapping[str, RemoteFile], read: Callable[[RemoteFile], Any]
) -> tuple[RemoteFile, ...]:
    """Return the files that loading needs.

    These are weights, configuration, tokenizer, chat templates and modules of
    sentence-transformers. Pickles, code, documents and the same weights in other formats are left
    out.

    Parameters
    ----------
    repo : str
        ``owner/repo``, for error messages.
    files : mapping of str to RemoteFile
        All files of the repository by path.
    read : callable
        Fetches and decodes a JSON file.

    Raises
    ------
    InvalidModelDirectory
        If the repository has no model, only pickled weights, or an incomplete model.
    """
    if not has_weights(files):
        raise no_weights(repo, files, "name")
    missing = "config.json" if "config.json" not in files else ""
    if not missing and files.keys().isdisjoint(TOKENIZERS):
        missing = f"tokenizer ({', '.join(TOKENIZERS)})"
    if missing:
        raise InvalidModelDirectory(
            f"{repo} has safetensors weights but no {missing}, so Transformers cannot load it. "
            "Choose another repository.",
            param="name",
        )
    modules = _modules(repo, files, read)
    weights = _weights(repo, "", files, read)
    for module in modules:
        if any(f"{module}/{name}" in files for name in (SINGLE, INDEX, "pytorch_model.bin")):
            weights += _weights(repo, f"{module}/", files, read)
    companions: list[RemoteFile] = []
    paths = sorted(files)
    for folder in ("", *([TEMPLATES] if _has_folder(files, TEMPLATES) else []), *modules):
        companions += [files[path] for path in paths if _is_companion(path, folder)]
    return (*weights, *companions)


def _weights(
    repo: str, prefix: str, files: Mapping[str, RemoteFile], read: Callable[[RemoteFile], Any]
) -> list[RemoteFile]:
    """Return the weights in the folder `prefix`, with the precedence that Transformers uses."""
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
        problem = "is empty"
        if names:
            problem = (
                f"names the {named('file', (wrong or missing)[0])}, which is not in the repository"
            )
        raise InvalidModelDirectory(
            f"{prefix}{INDEX} of {repo} {problem}. Choose another repository or revision.",
            param="name",
        )
    return [files[prefix + name] for name in names]


def _modules(
    repo: str, files: Mapping[str, RemoteFile], read: Callable[[RemoteFile], Any]
) -> list[str]:
    """Return the folders of a sentence-transformers pipeline, in its order."""
    if "modules.json" not in files:
        return []
    try:
        modules = msgspec.convert(read(files["modules.json"]), list[dict[str, Any]])
        folders = [msgspec.convert(module.get("path"), str) for module in modules]
    except msgspec.ValidationError:
        raise InvalidModelDirectory(
            f"modules.json of {repo} is not a list of modules with a path each. Choose another "
            "repository or revision.",
            param="name",
        ) from None
    if len(folders) > MAX_MODULES:
        raise InvalidModelDirectory(
            f"modules.json of {repo} has {len(folders):,} modules, more than {MAX_MODULES}. Choose "
            "another repository or revision.",
            param="name",
        )
    return [folder for folder in folders if folder and _has_folder(files, folder)]


def _has_folder(files: Mapping[str, RemoteFile], folder: str) -> bool:
    return any(path.startswith(f"{folder}/") for path in files)


def _is_companion(path: str, folder: str) -> bool:
    parent, _, name = path.rpartition("/")
    return parent == folder and is_companion(name)
