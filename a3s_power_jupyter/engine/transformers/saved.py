"""Write the caches of requests to disk, and read those that fit to the loaded model."""

from __future__ import annotations

import logging
import math
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec
import torch
from msgspec import UNSET
from torch import Tensor

from ..prompt_cache import Entry
from ..prompt_files import PromptFiles
from ..prompt_format import SavedState
from ..protocol import Load
from .model import LoadedModel
from .states import KvState, Layer, Prefix, Tokens

log = logging.getLogger("a3s_power_jupyter.worker")


class TensorHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tensor in the bytes of a state."""

    dtype: str
    shape: tuple[int, ...]
    device: str

    @property
    def size(self) -> int:
        return math.prod(self.shape) * int(_dtype(self.dtype).itemsize)


class StateHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What precedes the tensors in the bytes of a state.

    Attributes
    ----------
    offset : TensorHeader or None
        `Prefix.offset`, which comes first.
    tensors : tuple of TensorHeader
        Keys and values of each layer.
    """

    base: int
    offset: TensorHeader | None
    tensors: tuple[TensorHeader, ...]


def prompt_files(load: Load, model: LoadedModel, chunk: int) -> PromptFiles | None:
    """Return the files of a model's caches; None if they are not kept on disk.

    The numbers in a cache depend on the libraries, the processor and the number of threads.
    """
    parameters = msgspec.structs.replace(load.parameters, chat_template=UNSET)
    return PromptFiles.of(
        load.prompt_cache,
        "transformers",
        load.format,
        msgspec.to_builtins(parameters),
        [*model.placement.processors(), model.threads.steady],
        [model.num_ctx, chunk],
        [_version(name) for name in ("torch", "transformers", "hqq")],
    )


@dataclass(frozen=True)
class SavedPrefix(Tokens):
    """The first tokens of a request with their cache on disk."""

    saved: SavedState

    def read(self) -> Prefix | None:
        """Return the prefix with its cache in memory; None if the file is gone or damaged."""
        content = self.saved.read()
        if content is None:
            return None
        try:
            return _decode(self, content)
        except (msgspec.DecodeError, ValueError) as error:
            log.warning("The state of %s cannot be used: %s", self.saved.path, error)
            self.saved.refuse()
            return None


def from_disk(entry: Entry[Any]) -> Entry[Prefix | SavedPrefix]:
    """Return an entry of `PromptFiles.load` for the prompt cache."""
    base = max((at + 1 for at, token in enumerate(entry.tokens) if token < 0), default=0)
    return replace(entry, state=SavedPrefix(entry.tokens, entry.steady, base, entry.state))


def for_disk(entries: Iterable[Entry[Any]]) -> Iterator[Entry[Any]]:
    """Yield the entries of the prompt cache, one at a time, for `PromptFiles.save`."""
    for entry in entries:
        prefix: Prefix | SavedPrefix = entry.state
        if isinstance(prefix, SavedPrefix):
            yield replace(entry, state=prefix.saved)
        else:
            content = _encode(prefix)
            positions = array("i", range(len(entry.tokens)))
            yield replace(entry, state=content, size=len(content), positions=positions)


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:  # HQQ is not needed without `isq`
        return ""


def _encode(prefix: Prefix) -> bytes:
    layers = prefix.state.layers
    tensors = [tensor for layer in layers for tensor in (layer.keys, layer.values)]
    devices = [layer.device for layer in layers for _ in range(2)]
    offset = None if prefix.offset is None else _describe(prefix.offset, prefix.offset.device)
    header = msgspec.msgpack.encode(
        StateHeader(prefix.base, offset, tuple(map(_describe, tensors, devices)))
    )
    parts = tensors if prefix.offset is None else [prefix.offset, *tensors]
    return b"".join([len(header).to_bytes(8, "little"), header, *map(_bytes, parts)])


def _decode(saved: SavedPrefix, content: bytes) -> Prefix:
    """Return a prefix with the cache that was encoded.

    Raises
    ------
    ValueError
        If they contradict the entry.
    """
    start = 8 + int.from_bytes(content[:8], "little")
    header = msgspec.msgpack.decode(content[8:start], type=StateHeader)
    described = [*header.tensors] if header.offset is None else [header.offset, *header.tensors]
    if start + sum(one.size for one in described) != len(content) or header.base != saved.base:
        raise ValueError("it has another size")
    buffer = bytearray(content)
    tensors: list[Tensor] = []
    for one in described:
        dtype, count = _dtype(one.dtype), math.prod(one.shape)
        tensors.append(torch.frombuffer(buffer, dtype=dtype, count=count, offset=start))
        tensors[-1] = tensors[-1].reshape(one.shape)
        start += one.size
    offset = None if header.offset is None else tensors.pop(0).to(header.offset.device)
    if any(t.dim() != 4 or t.shape[2] != len(saved.tokens) for t in tensors):
        raise ValueError("it has another number of tokens")
    devices = [torch.device(one.device) for one in header.tensors]
    layers = tuple(map(Layer, tensors[::2], tensors[1::2], devices[::2]))
    return Prefix(saved.tokens, saved.steady, saved.base, offset, KvState(layers))


def _describe(tensor: Tensor, device: torch.device) -> TensorHeader:
    return TensorHeader(str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape), str(device))


def _bytes(tensor: Tensor) -> Any:
    return tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().data


def _dtype(name: str) -> torch.dtype:
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"{name} is no dtype")
    return dtype
