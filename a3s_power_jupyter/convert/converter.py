"""From a directory of safetensors to GGUF, one tensor after the other.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; names of tensors and
settings are those of the `gguf` package.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import gguf

from .checkpoint import SourceTensor, open_tensors
from .config import Config
from .exceptions import CannotConvert
from .families import Extras, Family, family_of, write_common
from .reference_tokenizer import Reference
from .special import read_json, write_special
from .tensors import Written
from .tokenizer import read_vocabulary

# What is written here is kept: raise `store.conversions.CONVERTER_VERSION` when it changes.

_EMBEDDING = "model.embed_tokens.weight"
_HEAD = "lm_head.weight"


def convert(directory: Path, target: Path, progress: Callable[[float], None]) -> None:
    """Write the model in `directory` as GGUF, its matrices in the type that they have.

    Only one tensor is in memory at a time. `progress` is called with 0 to 1.

    Raises
    ------
    CannotConvert
        Its family, a setting, a tensor or its tokenizer is not known.
    """
    config = Config(read_json(directory / "config.json"))
    family = family_of(config)
    tensors = open_tensors(directory)
    writer = gguf.GGUFWriter(target, gguf.MODEL_ARCH_NAMES[family.arch])
    try:
        write_common(config, writer)
        extras = family.write(config, writer)
        rows = tensors[_EMBEDDING].shape[0] if _EMBEDDING in tensors else 0
        read_vocabulary(directory).write(writer, rows)
        writer.add_vocab_size(rows)
        write_special(directory, writer, Reference(directory))
        written = plan(config, family, tensors)
        _write(writer, extras, written, progress)
    finally:
        writer.close()


def plan(config: Config, family: Family, tensors: dict[str, SourceTensor]) -> list[Written]:
    """What is written for each tensor of the source: all of them are accounted for.

    Raises
    ------
    CannotConvert
        One is not known, or one is missing.
    """
    names = gguf.get_tensor_name_map(family.arch, config.layers)
    tied = config.get("tie_word_embeddings", _HEAD not in tensors)
    written = []
    for name, tensor in tensors.items():
        if name.endswith(family.ignored) or (name == _HEAD and tied):
            continue
        found = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is None:
            raise CannotConvert(f"nothing is known of its tensor {name!r}")
        change, offset = family.change(name, config), family.offset(name)
        written.append(Written(found, tensor, change, offset))
    _check_complete(config, family, written, tied=bool(tied))
    return sorted(written, key=lambda one: _layer(one.name))


def _check_complete(config: Config, family: Family, written: list[Written], *, tied: bool) -> None:
    """Each layer has the tensors of the first, and the ends are there."""
    have = {one.name for one in written}
    needed = {"token_embd.weight", "output_norm.weight"} | (set() if tied else {"output.weight"})
    first = {name for name in have if name.startswith("blk.0.")}
    for layer in range(config.layers):
        needed |= {f"blk.{layer}.{name.removeprefix('blk.0.')}" for name in first}
    if not first or needed - have or len(have) != len(written):
        missing = ", ".join(sorted(needed - have)[:3]) or "its layers"
        raise CannotConvert(f"tensors are missing or double: {missing}")


def _layer(name: str) -> tuple[int, str]:
    """Layers in their order, so that the file is read from front to back."""
    match = re.match(r"blk\.(\d+)\.", name)
    return (int(match[1]) if match else -1, name)


def _write(
    writer: gguf.GGUFWriter,
    extras: Extras,
    written: list[Written],
    progress: Callable[[float], None],
) -> None:
    for name, numbers in extras.items():
        writer.add_tensor_info(name, numbers.shape, numbers.dtype, numbers.nbytes)
    for one in written:
        # The type of the numbers is given apart: numpy has no name for bfloat16.
        writer.add_tensor_info(
            one.name, one.source.shape, one.data_type, one.nbytes, raw_dtype=one.type
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for numbers in extras.values():
        writer.write_tensor_data(numbers)
    total = sum(one.nbytes for one in written)
    done = 0
    for one in written:
        writer.write_tensor_data(one.data())
        done += one.nbytes
        progress(done / total)
