"""Describe a model directory of transformers: config.json, tokenizer and safetensors weights.

The keys of config.json are those of transformers' ``PretrainedConfig``; modules.json is the format
of sentence-transformers.
"""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from msgspec import UNSET

from ...contract.errors import InvalidModelDirectory
from ...contract.fill_in import fills_in
from ...contract.types import Capability, ModelDetails
from ..files import SourceFile, check_directory, source_file
from ..os_errors import reading
from .chat_templates import TEMPLATES, capabilities_of, read_templates, template_files
from .cross_encoders import check_cross_encoder, no_cross_encoder
from .description import Description, in_order, positive_int
from .embedding_modules import MODULES, module_folders, read_modules, text_length
from .generation import GenerationSettings, read_generation_config
from .json_file import read_object
from .lfs import refuse_pointer
from .positions import position_count
from .special_tokens import special_tokens
from .weights import SINGLE, Weights, find_weights

DirectoryFormat = Literal["safetensors", "vision", "huggingface"]

#: A model needs at least one of these for its vocabulary.
TOKENIZERS = (
    "tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
    "vocab.json", "vocab.txt", "tekken.json",
)  # fmt: skip

_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
#: Suffixes of settings, vocabularies and templates. Code is not included.
_COMPANIONS = (".json", ".txt", ".model", ".jinja", ".tiktoken")
#: Suffixes of class names in `architectures` of models that generate text.
_GENERATORS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")


def describe_directory(path: Path, wanted: DirectoryFormat | None) -> Description:
    """Describe the model in the directory `path`.

    The description has only the files that are needed to load the model: safetensors weights,
    settings and tokenizer, but no other weights, code or documents. A link to a file is described
    under the path of the link, because the Hugging Face cache consists of links.

    Parameters
    ----------
    path : Path
        The directory.
    wanted : {"safetensors", "vision", "huggingface"} or None
        The format; None to detect it.

    Raises
    ------
    InvalidModelDirectory
        If a part of the model is missing or damaged, or does not suit the format `wanted`.
    FileNotFound, NotADirectory, NotAFile, PathUnreadable, FileChanged
        If a file cannot be read, or changes while it is read.
    """
    check_directory(path)
    if not (path / "config.json").exists():
        if (path / MODULES).exists():
            read_modules(path)  # gives better advice for old layouts
        find_weights(path)  # gives better advice for a folder of GGUF files or pickles
        raise InvalidModelDirectory(
            f"{path} has no config.json, so the kind of model is unknown. Download the whole "
            "model.",
            param="path",
        )
    _check_no_adapter(path)
    config = read_object(path / "config.json")
    format_ = wanted or detect_format(config, has_modules=(path / MODULES).exists())
    weights = find_weights(path)
    folders = [TEMPLATES] if (path / TEMPLATES).is_dir() else []
    ranks = False
    if format_ == "huggingface":
        check_cross_encoder(path)
        ranks = not no_cross_encoder({file.name: file for file in path.iterdir()})
        if not ranks:
            read_modules(path)
        folders += module_folders(path)
    files = (*weights.files, *_module_weights(path, folders), *_companions(path, folders))
    _check_format(path, format_, config, {file.name for file in files})
    text = _text_config(config)
    length = position_count(text)
    return Description(
        format=format_,
        files=files,
        details=_details(config, text, weights),
        capabilities=("rerank",) if ranks else _capabilities(path, format_),
        context_length=text_length(path, length) if format_ == "huggingface" else length,
        generation=_generation(path, format_),
    )


def _check_no_adapter(path: Path) -> None:
    if (path / "adapter_config.json").exists():
        raise InvalidModelDirectory(
            f"{path} has a LoRA adapter (adapter_config.json) beside a model, and would be used "
            "without it. Merge the adapter into the model, or remove adapter_config.json.",
            param="path",
        )


def _generation(path: Path, format_: DirectoryFormat) -> GenerationSettings:
    return GenerationSettings() if format_ == "huggingface" else read_generation_config(path)


def is_companion(name: str) -> bool:
    """Return whether a file of this name is needed in addition to the weights."""
    if name.endswith(".index.json"):
        return name.endswith(".safetensors.index.json")  # other indexes list other weights
    return name.endswith(_COMPANIONS)


def detect_format(config: dict[str, Any], *, has_modules: bool) -> DirectoryFormat:
    """Return the format of a directory with this `config.json`, and perhaps `modules.json`."""
    if isinstance(config.get("vision_config"), dict):
        return "vision"
    if has_modules or not _generates_text(config):
        return "huggingface"
    return "safetensors"


def _generates_text(config: dict[str, Any]) -> bool:
    """Return whether the model generates text; True if the config names no architecture."""
    architectures = config.get("architectures")
    if not isinstance(architectures, list) or not architectures:
        return True
    return any(str(name).endswith(_GENERATORS) for name in architectures)


def _check_format(
    path: Path, format_: DirectoryFormat, config: dict[str, Any], names: set[str]
) -> None:
    if names.isdisjoint(TOKENIZERS):
        raise InvalidModelDirectory(
            f"{path} has no tokenizer ({', '.join(TOKENIZERS)}). Download the whole model.",
            param="path",
        )
    if format_ == "safetensors" and not _generates_text(config):
        raise InvalidModelDirectory(
            f"{path} is a {config['architectures'][0]}, which does not generate text. Register it "
            'with format "huggingface" for embeddings.',
            param="format",
        )
    if format_ != "vision":
        return
    if not isinstance(config.get("vision_config"), dict):
        raise InvalidModelDirectory(
            f"{path} is not a vision model: its config.json has no vision_config. Omit the format "
            "to have it detected.",
            param="format",
        )
    if names.isdisjoint(_PROCESSORS):
        raise InvalidModelDirectory(
            f"{path} has no image processor ({' or '.join(_PROCESSORS)}). Download the whole "
            "model.",
            param="path",
        )


def _module_weights(path: Path, folders: list[str]) -> list[SourceFile]:
    return [
        replace(file, name=f"{folder}/{file.name}")
        for folder in folders
        if (path / folder / SINGLE).exists() or (path / folder / "pytorch_model.bin").exists()
        for file in find_weights(path / folder).files
    ]


def _companions(path: Path, folders: list[str]) -> list[SourceFile]:
    companions = []
    for folder in ("", *folders):
        with reading(path / folder), os.scandir(path / folder) as entries:
            names = sorted(
                entry.name
                for entry in entries
                # A name that is not valid Unicode cannot be written to a manifest.
                if is_companion(entry.name) and entry.name.isprintable() and _is_regular(entry)
            )
        prefix = f"{folder}/" if folder else ""
        companions += [source_file(path / folder / name, prefix + name) for name in names]
    for file in companions:
        refuse_pointer(file, InvalidModelDirectory)
    return companions


def _is_regular(entry: os.DirEntry[str]) -> bool:
    """Return whether the entry is a file or a link to one, not a pipe or a broken link."""
    try:
        return stat.S_ISREG(entry.stat().st_mode)
    except FileNotFoundError:
        return False


def _text_config(config: dict[str, Any]) -> dict[str, Any]:
    """Return the config of the language model, which is ``text_config`` in vision models."""
    nested = config.get("text_config")
    return nested if isinstance(nested, dict) else config


def _details(config: dict[str, Any], text: dict[str, Any], weights: Weights) -> ModelDetails:
    family = config.get("model_type") or text.get("model_type")
    packed = config.get("quantization_config")
    method = packed.get("quant_method") if isinstance(packed, dict) else None
    return ModelDetails(
        family=family if isinstance(family, str) else UNSET,
        # An element of packed weights holds several parameters.
        parameter_count=UNSET if packed else weights.elements,
        quantization=method.upper() if isinstance(method, str) else weights.dtype,
        embedding_length=positive_int(text.get("hidden_size")),
    )


def _capabilities(path: Path, format_: DirectoryFormat) -> tuple[Capability, ...]:
    if format_ == "huggingface":
        return ("embeddings",)
    by_format: set[Capability] = {"completion"}
    if format_ == "vision":
        by_format |= {"chat", "vision"}
    if fills_in(special_tokens(path)):
        by_format.add("fill_in")
    return in_order(by_format | capabilities_of(read_templates(template_files(path))))
