"""A model as transformers keeps it: a directory with config.json, tokenizer and safetensors."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from ...contract.errors import InvalidModelDirectory
from ...contract.types import Capability, Geometry, ModelDetails
from ..files import SourceFile, check_directory, look, reading
from .description import Description, count
from .json_file import read_array, read_object
from .weights import SINGLE, Weights, find_weights

DirectoryFormat = Literal["safetensors", "vision", "huggingface"]

#: Without one of these there is no vocabulary.
_TOKENIZERS = (
    "tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
    "vocab.json", "vocab.txt", "tekken.json",
)  # fmt: skip
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")

#: Settings, vocabularies and templates: what a model needs beside its weights. No code.
_COMPANIONS = (".json", ".txt", ".model", ".jinja", ".tiktoken")
_INDEX_END = ".index.json"
_TEMPLATES = "additional_chat_templates"

#: Ends of the class names in `architectures` of models that write text.
_WRITERS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")


def describe_directory(path: Path, wanted: DirectoryFormat | None) -> Description:
    """Describe the model in the directory `path`, as `wanted` or as what it is.

    Files are those that loading needs: weights as safetensors, settings, tokenizer. The same
    weights in other formats, code and documents are left out. Symbolic links to files are
    followed (the cache of the Hugging Face hub is made of them); the path that is kept is
    that of the link.

    Raises
    ------
    InvalidModelDirectory, FileNotFound, NotADirectory, NotAFile, PathUnreadable, FileChanged
    """
    check_directory(path)
    if not (path / "config.json").exists():
        find_weights(path)  # has better advice for a folder of GGUF files or pickles
        raise InvalidModelDirectory(
            f"{path} has no config.json, so the kind of model is unknown. Download the whole "
            "model.",
            param="path",
        )
    config = read_object(path / "config.json")
    format_ = wanted or _detected(path, config)
    weights = find_weights(path)
    folders = _folders(path)
    files = (*weights.files, *_module_weights(path, folders), *_companions(path, folders))
    _check_fits(path, format_, config, {file.name for file in files})
    text = _text_config(config)
    return Description(
        format=format_,
        files=files,
        details=_details(config, text, weights),
        capabilities=_capabilities(path, format_),
        context_length=count(text.get("max_position_embeddings")),
        geometry=_geometry(text),
    )


def _detected(path: Path, config: dict[str, Any]) -> DirectoryFormat:
    if isinstance(config.get("vision_config"), dict):
        return "vision"
    if (path / "modules.json").exists() or not _writes_text(config):
        return "huggingface"
    return "safetensors"


def _writes_text(config: dict[str, Any]) -> bool:
    """Whether it generates; True where the config does not say what it is."""
    architectures = config.get("architectures")
    if not isinstance(architectures, list) or not architectures:
        return True
    return any(str(name).endswith(_WRITERS) for name in architectures)


def _check_fits(
    path: Path, format_: DirectoryFormat, config: dict[str, Any], names: set[str]
) -> None:
    if names.isdisjoint(_TOKENIZERS):
        raise InvalidModelDirectory(
            f"{path} has no tokenizer ({', '.join(_TOKENIZERS)}). Download the whole model.",
            param="path",
        )
    if format_ == "safetensors" and not _writes_text(config):
        raise InvalidModelDirectory(
            f"{path} is a {config['architectures'][0]}, which writes no text. Register it with "
            'format "huggingface" for embeddings.',
            param="format",
        )
    if format_ != "vision":
        return
    if not isinstance(config.get("vision_config"), dict):
        raise InvalidModelDirectory(
            f"{path} is no vision model: its config.json has no vision_config. Leave the format "
            "out, and it is found.",
            param="format",
        )
    if names.isdisjoint(_PROCESSORS):
        raise InvalidModelDirectory(
            f"{path} has no image processor ({' or '.join(_PROCESSORS)}). Download the whole "
            "model.",
            param="path",
        )


def _folders(path: Path) -> list[str]:
    """Folders that belong to the model: modules of sentence-transformers and chat templates."""
    folders = [_TEMPLATES] if (path / _TEMPLATES).is_dir() else []
    if not (path / "modules.json").exists():
        return folders
    for module in read_array(path / "modules.json"):
        name = module.get("path") if isinstance(module, dict) else None
        if not isinstance(name, str) or len(PurePosixPath(name).parts) > 1 or name in (".", ".."):
            raise InvalidModelDirectory(
                f"{path / 'modules.json'} has a module without a folder of its own. Download the "
                "model again.",
                param="path",
            )
        if name and (path / name).is_dir():  # a module without settings has none
            folders.append(name)
    return folders


def _module_weights(path: Path, folders: list[str]) -> list[SourceFile]:
    found = []
    for folder in folders:
        if (path / folder / SINGLE).exists() or (path / folder / "pytorch_model.bin").exists():
            for file in find_weights(path / folder).files:
                found.append(replace(file, name=f"{folder}/{file.name}"))
    return found


def _companions(path: Path, folders: list[str]) -> list[SourceFile]:
    found = []
    for folder in ("", *folders):
        with reading(path / folder), os.scandir(path / folder) as entries:
            names = sorted(entry.name for entry in entries if _is_companion(entry))
        prefix = f"{folder}/" if folder else ""
        found += [look(path / folder / name, prefix + name) for name in names]
    return found


def _is_companion(entry: os.DirEntry[str]) -> bool:
    if not entry.name.endswith(_COMPANIONS):
        return False
    if entry.name.endswith(_INDEX_END) and not entry.name.endswith(".safetensors.index.json"):
        return False  # of the same weights in another format
    # A name that is no Unicode could not be written into a manifest; none of a model is such.
    return entry.name.isprintable() and _is_regular(entry)


def _is_regular(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file, or a link to one; not so a pipe or a link to nowhere."""
    try:
        return stat.S_ISREG(entry.stat().st_mode)
    except FileNotFoundError:
        return False


def _text_config(config: dict[str, Any]) -> dict[str, Any]:
    """The part about the language model; a vision model has it apart."""
    nested = config.get("text_config")
    return nested if isinstance(nested, dict) else config


def _details(config: dict[str, Any], text: dict[str, Any], weights: Weights) -> ModelDetails:
    family = config.get("model_type") or text.get("model_type")
    packed = config.get("quantization_config")
    method = packed.get("quant_method") if isinstance(packed, dict) else None
    return ModelDetails(
        family=family if isinstance(family, str) else UNSET,
        # Numbers of packed weights are not parameters: several share one.
        parameter_count=UNSET if packed else weights.elements,
        quantization=method.upper() if isinstance(method, str) else weights.dtype,
        embedding_length=count(text.get("hidden_size")),
    )


def _capabilities(path: Path, format_: DirectoryFormat) -> tuple[Capability, ...]:
    if format_ == "huggingface":
        return ("embeddings",)
    if format_ == "vision":
        return ("completion", "chat", "vision")
    return ("completion", "chat") if _has_chat_template(path) else ("completion",)


def _has_chat_template(path: Path) -> bool:
    if (path / "chat_template.jinja").exists() or (path / "chat_template.json").exists():
        return True
    settings = path / "tokenizer_config.json"
    return settings.exists() and bool(read_object(settings).get("chat_template"))


def _geometry(text: dict[str, Any]) -> Geometry | UnsetType:
    """Shape of the KV cache; transformers has one head size for keys and values."""
    layers = count(text.get("num_hidden_layers"))
    heads = count(text.get("num_attention_heads"))
    width = count(text.get("hidden_size"))
    if layers is UNSET or heads is UNSET or width is UNSET:
        return UNSET
    kv_heads = count(text.get("num_key_value_heads"))
    length = count(text.get("head_dim"))
    return Geometry(
        layers=layers,
        kv_heads=heads if kv_heads is UNSET else kv_heads,
        key_length=width // heads if length is UNSET else length,
        value_length=width // heads if length is UNSET else length,
    )
