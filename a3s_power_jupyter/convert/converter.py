"""Convert a model directory from safetensors to GGUF, one tensor at a time.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The names of tensors and metadata
are those of the `gguf` package.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import gguf

from ..store.formats.json_file import read_object
from .checkpoint import SourceTensor, open_tensors
from .config import Config
from .exceptions import CannotConvert
from .families import ComputedTensors, Family, family_of, write_common
from .reference_tokenizer import ReferenceTokenizer
from .special_tokens import write_special_tokens
from .tensors import OutputTensor
from .tokenizer import read_vocabulary

# Conversions are cached in the store. When the output changes, increase
# `store.conversions.CONVERTER_VERSION`.

_EMBEDDING = "model.embed_tokens.weight"
_HEAD = "lm_head.weight"


def convert(directory: Path, target: Path, progress: Callable[[float], None]) -> None:
    """Convert a model to GGUF without quantizing it.

    Only one tensor is in memory at a time.

    Parameters
    ----------
    directory : Path
        The model directory.
    target : Path
        The GGUF file to write.
    progress : callable
        Receives values from 0 to 1.

    Raises
    ------
    CannotConvert
        If the model's family, a setting, a tensor or the tokenizer is not supported.
    InvalidModelDirectory
        If the weights are damaged.
    """
    config = Config(read_object(directory / "config.json"))
    family = family_of(config)
    tensors = open_tensors(directory)
    writer = gguf.GGUFWriter(target, gguf.MODEL_ARCH_NAMES[family.arch])
    try:
        write_common(config, writer)
        computed = family.write(config, writer)
        rows = tensors[_EMBEDDING].shape[0] if _EMBEDDING in tensors else 0
        read_vocabulary(directory).write(writer, rows)
        writer.add_vocab_size(rows)
        write_special_tokens(directory, writer, ReferenceTokenizer(directory))
        _write_tensors(writer, computed, plan(config, family, tensors), progress)
    finally:
        writer.close()


def plan(config: Config, family: Family, tensors: dict[str, SourceTensor]) -> list[OutputTensor]:
    """Map every source tensor to a tensor of the GGUF file.

    Raises
    ------
    CannotConvert
        If a tensor is unknown, missing or duplicated.
    """
    names = gguf.get_tensor_name_map(family.arch, config.layers)
    tied = config.get("tie_word_embeddings", _HEAD not in tensors)
    outputs = []
    for name, tensor in tensors.items():
        if name.endswith(family.ignored) or (name == _HEAD and tied):
            continue
        gguf_name = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if gguf_name is None:
            raise CannotConvert(f"its tensor {name!r} is unknown")
        transform, offset = family.transform(name, config), family.offset(name)
        outputs.append(OutputTensor(gguf_name, tensor, transform, offset))
    _check_complete(config, outputs, tied=bool(tied))
    return sorted(outputs, key=lambda tensor: _layer_order(tensor.name))


def _check_complete(config: Config, outputs: list[OutputTensor], *, tied: bool) -> None:
    """Raise unless every layer has the tensors of the first, and embedding and output exist."""
    names = {tensor.name for tensor in outputs}
    needed = {"token_embd.weight", "output_norm.weight"} | (set() if tied else {"output.weight"})
    first = {name for name in names if name.startswith("blk.0.")}
    for layer in range(config.layers):
        needed |= {f"blk.{layer}.{name.removeprefix('blk.0.')}" for name in first}
    if not first or needed - names or len(names) != len(outputs):
        missing = ", ".join(sorted(needed - names)[:3]) or "its layers"
        raise CannotConvert(f"tensors are missing or duplicated: {missing}")


def _layer_order(name: str) -> tuple[int, str]:
    """Return a sort key that orders tensors by layer, so that the file is read sequentially."""
    match = re.match(r"blk\.(\d+)\.", name)
    return (int(match[1]) if match else -1, name)


def _write_tensors(
    writer: gguf.GGUFWriter,
    computed: ComputedTensors,
    outputs: list[OutputTensor],
    progress: Callable[[float], None],
) -> None:
    for name, values in computed.items():
        writer.add_tensor_info(name, values.shape, values.dtype, values.nbytes)
    for tensor in outputs:
        # raw_dtype is needed because numpy has no bfloat16.
        writer.add_tensor_info(
            tensor.name,
            tensor.source.shape,
            tensor.numpy_type,
            tensor.nbytes,
            raw_dtype=tensor.type,
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for values in computed.values():
        writer.write_tensor_data(values)
    total = sum(tensor.nbytes for tensor in outputs)
    written = 0
    for tensor in outputs:
        writer.write_tensor_data(tensor.data())
        written += tensor.nbytes
        progress(written / total)
