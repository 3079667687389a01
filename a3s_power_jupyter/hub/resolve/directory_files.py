"""Which files of a repository are a model as transformers keeps it."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from pathlib import PurePosixPath
from typing import Any

import msgspec

from ...contract.errors import InvalidModelDirectory
from ...store.formats.weights import INDEX, SINGLE
from .plan import RemoteFile

# These two are what `store.model_directory` takes in; a test holds them together.
_COMPANIONS = (".json", ".txt", ".model", ".jinja", ".tiktoken")
_TOKENIZERS = (
    "tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
    "vocab.json", "vocab.txt", "tekken.json",
)  # fmt: skip
_TEMPLATES = "additional_chat_templates"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


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
        raise _no_weights(repo, files)
    missing = "config.json" if "config.json" not in files else ""
    if not missing and files.keys().isdisjoint(_TOKENIZERS):
        missing = f"tokenizer ({', '.join(_TOKENIZERS)})"
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
    for folder in ("", *([_TEMPLATES] if _has_folder(files, _TEMPLATES) else []), *modules):
        companions += [files[path] for path in sorted(files) if _is_companion(path, folder)]
    return (*weights, *companions)


def _weights(
    repo: str, prefix: str, files: Mapping[str, RemoteFile], read: Callable[[RemoteFile], Any]
) -> list[RemoteFile]:
    """The weights in the folder `prefix`, in the order in which transformers looks for them."""
    if prefix + SINGLE in files:
        return [files[prefix + SINGLE]]
    if prefix + INDEX not in files:
        raise _no_weights(f"{repo}/{prefix}".rstrip("/"), files)
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
    if parent != folder or not name.endswith(_COMPANIONS):
        return False
    # An index of the same weights in another format is left out.
    return not name.endswith(".index.json") or name.endswith(".safetensors.index.json")


def _no_weights(place: str, files: Mapping[str, RemoteFile]) -> InvalidModelDirectory:
    names = [PurePosixPath(path).name for path in files]
    pickles = sorted(name for name in names if name.endswith(_PICKLES))
    if "adapter_model.safetensors" in names:
        reason = "It is a LoRA adapter: merge it into its base model and register that"
    elif "model_index.json" in names:
        reason = "It is a pipeline of diffusers, which makes images and not text"
    elif pickles:
        reason = (
            f"Its weights are pickled ({pickles[0]}), and opening a pickle can run any code. "
            "Choose a repository that has the model as safetensors or GGUF"
        )
    else:
        reason = f"Weights must be GGUF files, or be called {SINGLE}, or be listed in {INDEX}"
    return InvalidModelDirectory(
        f"{place} has no weights that can be used. {reason}.", param="name"
    )
