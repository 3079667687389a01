"""Describe a GGUF model, which is one file or a set of shards.

The keys are those of https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, and defaults are
those of llama.cpp's loader.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from msgspec import UNSET, UnsetType

from ...contract.errors import FileNotFound, InvalidGGUF, InvalidParameter, UnsupportedModelFormat
from ...contract.fill_in import fills_in
from ...contract.types import Capability, ModelDetails
from ..files import source_file
from .chat_templates import capabilities_of
from .description import Description, in_order, positive_int
from .generation import read_gguf_sampling
from .ggml import FILE_TYPE_GUESSED, FILE_TYPES, TENSOR_TYPES
from .gguf import Header, Tensor, read_header
from .gguf_rerankers import no_reranker
from .positions import gguf_position_count

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<total>\d{5})\.gguf")

#: Encoder architectures of llama.cpp (``LLM_ARCH_NAMES``), which do not generate text.
ENCODERS = {
    "bert", "modern-bert", "neo-bert", "eurobert", "nomic-bert", "nomic-bert-moe",
    "jina-bert-v2", "jina-bert-v3", "t5encoder", "gemma-embedding", "llama-embed",
}  # fmt: skip

#: ``general.type`` of GGUF files that are not a model on their own, with the error message.
_NOT_MODELS = {
    "mmproj": "is the multimodal projector (mmproj) of a vision model. Register the model's "
    "file, with this file as its mmproj.",
    "adapter": "is a LoRA adapter, not a model. Merge it into its base model and register that.",
    "imatrix": "is an importance matrix for quantization, not a model. Choose another file.",
}

#: Keys of the tokens for fill-in-the-middle, as llama.cpp writes them, and as it used to.
_FILL_IN_KEYS = ("fim_pre", "fim_suf", "fim_mid"), ("prefix", "suffix", "middle")


def describe_gguf(path: Path) -> Description:
    """Describe the model at `path`, which is a whole model or its first shard.

    Raises
    ------
    InvalidGGUF
        If a file is damaged, or has no architecture or no tensors.
    UnsupportedModelFormat
        If the file is not a model on its own.
    InvalidParameter
        If the file is a shard other than the first.
    FileNotFound
        If the file or one of its shards does not exist.
    NotAFile, PathUnreadable, FileChanged
        If a file cannot be read, or changes while it is read.
    """
    first = source_file(path)
    header = read_header(first)
    _check_is_model(path, header)
    files = [first]
    tensors = list(header.tensors)
    for shard in _other_shards(path, header):
        files.append(source_file(shard))
        tensors += read_header(files[-1]).tensors
    _check_tensors(path, header, tensors)
    return Description(
        format="gguf",
        files=tuple(files),
        details=_details(header, tensors),
        capabilities=gguf_capabilities(header, tensors),
        context_length=_context_length(header, tensors),
        generation=read_gguf_sampling(path, header.metadata),
    )


def _check_is_model(path: Path, header: Header) -> None:
    architecture = header.text("general.architecture")
    kind = "mmproj" if architecture == "clip" else header.text("general.type")
    if kind in _NOT_MODELS:
        raise UnsupportedModelFormat(f"{path} {_NOT_MODELS[kind]}", param="path")
    if not architecture and not positive_int(header.metadata.get("split.no")):
        raise InvalidGGUF(
            f"{path} has no general.architecture, so llama.cpp cannot load it. Choose another "
            "file.",
            param="path",
        )


def _other_shards(path: Path, header: Header) -> list[Path]:
    """Return the shards that follow `path`, by name as ``llama_split_path`` builds them."""
    total = positive_int(header.metadata.get("split.count"))
    if total is UNSET or total == 1:
        return []
    match = _SHARD.fullmatch(path.name)
    if match is None or int(match["total"]) != total:
        raise InvalidParameter(
            f"{path} is one of {total} shards, so its name must end in -00001-of-{total:05}.gguf. "
            "Register the first shard under its original name.",
            param="path",
        )
    names = [f"{match['stem']}-{number:05}-of-{total:05}.gguf" for number in range(1, total + 1)]
    if path.name != names[0] or header.metadata.get("split.no", 0) != 0:
        raise InvalidParameter(
            f"{path} is not the first shard. Register {names[0]}; the other shards are found "
            "next to it.",
            param="path",
        )
    missing = [name for name in names if not (path.parent / name).exists()]
    if missing:
        raise FileNotFound(
            f"{len(missing)} of the {total} shards of {path.name} are missing in {path.parent}, "
            f"starting with {missing[0]}. Download all of them.",
            param="path",
        )
    return [path.parent / name for name in names[1:]]


def _check_tensors(path: Path, header: Header, tensors: list[Tensor]) -> None:
    expected = header.metadata.get("split.tensors.count", len(tensors))
    if expected != len(tensors):
        raise InvalidGGUF(
            f"{path} and its shards have {len(tensors)} of {expected} tensors. Download them "
            "again.",
            param="path",
        )
    if not tensors:
        raise InvalidGGUF(
            f"{path} has no tensors. It is a vocabulary, not a model; choose another file.",
            param="path",
        )


def _of_architecture(header: Header, key: str) -> object:
    return header.metadata.get(f"{header.text('general.architecture')}.{key}")


def _context_length(header: Header, tensors: list[Tensor]) -> int | UnsetType:
    """Return the trained context length, at most the number of positions."""
    length = positive_int(_of_architecture(header, "context_length"))
    width = positive_int(_of_architecture(header, "embedding_length"))
    positions = UNSET if width is UNSET else gguf_position_count(tensors, width)
    known = [value for value in (length, positions) if value is not UNSET]
    return min(known) if known else UNSET


def _details(header: Header, tensors: list[Tensor]) -> ModelDetails:
    return ModelDetails(
        family=header.text("general.architecture"),
        parameter_count=sum(tensor.elements for tensor in tensors),
        quantization=_quantization(header, tensors),
        embedding_length=positive_int(_of_architecture(header, "embedding_length")),
    )


def _quantization(header: Header, tensors: list[Tensor]) -> str | UnsetType:
    """Return the file type in the header, or else the type of most of the elements."""
    stated = header.metadata.get("general.file_type")
    if isinstance(stated, int) and stated & ~FILE_TYPE_GUESSED in FILE_TYPES:
        return FILE_TYPES[stated & ~FILE_TYPE_GUESSED]
    elements: Counter[int] = Counter()
    for tensor in tensors:
        elements[tensor.type] += tensor.elements
    [(kind, _)] = elements.most_common(1)
    return TENSOR_TYPES[kind].name if kind in TENSOR_TYPES else UNSET


def gguf_capabilities(header: Header, tensors: Sequence[Tensor]) -> tuple[Capability, ...]:
    """Return the capabilities in llama.cpp, which can pool any text model for embeddings."""
    if not no_reranker(header, tensors):
        return ("rerank",)
    pooled = positive_int(_of_architecture(header, "pooling_type")) is not UNSET
    encoder = header.text("general.architecture") in ENCODERS
    if pooled or encoder or _of_architecture(header, "attention.causal") is False:
        return ("embeddings",)
    by_format: set[Capability] = {"completion", "embeddings"}
    if header_fills_in(header):
        by_format.add("fill_in")
    return in_order(by_format | capabilities_of(header_templates(header)))


def header_fills_in(header: Header) -> bool:
    """Return whether a header has the tokens for fill-in-the-middle, by their texts or ids."""
    return fills_in(header.fill_in_tokens) or any(
        {f"tokenizer.ggml.{part}_token_id" for part in parts} <= {*header.metadata}
        for parts in _FILL_IN_KEYS
    )


def header_templates(header: Header) -> list[str]:
    """Return the chat templates in a header, the one for most chats first."""
    keys = [key for key in header.metadata if key.split(".")[:2] == ["tokenizer", "chat_template"]]
    return [header.text(key) for key in sorted(keys, key=len)]
