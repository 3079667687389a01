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
from .expected import EMBEDDING, HEAD, expected_tensors, is_tied, named
from .families import ComputedTensors, Family, family_of, write_common
from .reference_tokenizer import ReferenceTokenizer
from .special_tokens import write_special_tokens
from .tensors import OutputTensor
from .tokenizer import read_vocabulary

# Conversions are cached in the store. When the output changes, increase
# `store.conversions.CONVERTER_VERSION`.


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
        outputs = plan(config, family, tensors)
        rows = next(o.source.shape[0] for o in outputs if o.name == "token_embd.weight")
        read_vocabulary(directory).write(writer, rows)
        writer.add_vocab_size(rows)
        write_special_tokens(directory, writer, ReferenceTokenizer(directory))
        _write_tensors(writer, computed, outputs, progress)
    finally:
        writer.close()


def plan(config: Config, family: Family, tensors: dict[str, SourceTensor]) -> list[OutputTensor]:
    """Map every source tensor to a tensor of the GGUF file.

    Raises
    ------
    CannotConvert
        If a tensor is missing, or is not one that transformers would use.
    """
    used = _used_tensors(config, family, tensors)
    names = gguf.get_tensor_name_map(family.arch, config.layers)
    outputs = []
    for name, tensor in used.items():
        gguf_name = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if gguf_name is None:
            raise CannotConvert(f"its tensor {name!r} is unknown")
        transform, offset = family.transform(name, config), family.offset(name)
        outputs.append(OutputTensor(gguf_name, tensor, transform, offset))
    return sorted(outputs, key=lambda tensor: _layer_order(tensor.name))


def _used_tensors(
    config: Config, family: Family, tensors: dict[str, SourceTensor]
) -> dict[str, SourceTensor]:
    """Return the tensors that transformers uses, under its names.

    A tied model with both an embedding and a head has a head of its own if they differ. If one is
    missing, the other takes its place. llama.cpp ties them if there is no head.
    """
    used = {name: t for name, t in tensors.items() if not name.endswith(family.ignored)}
    needed = expected_tensors(config)
    if not is_tied(config):
        needed.add(HEAD)
    elif HEAD in used:
        head, embedding = used.pop(HEAD), used.get(EMBEDDING)
        if embedding is None:
            used[EMBEDDING] = head
        elif not head.equals(embedding):
            used[HEAD] = head
            needed.add(HEAD)
    if EMBEDDING in used and len(used[EMBEDDING].shape) != 2:
        raise CannotConvert(f"the shape of {EMBEDDING} is {used[EMBEDDING].shape}")
    if needed - used.keys():
        raise CannotConvert(f"its weights lack the tensors {named(needed - used.keys())}")
    if used.keys() - needed:
        raise CannotConvert(
            f"its weights have tensors that config.json does not account for: "
            f"{named(used.keys() - needed)}"
        )
    return used


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
