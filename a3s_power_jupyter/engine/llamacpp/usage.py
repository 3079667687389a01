"""Read from llama.cpp's log what a model takes, or would take.

With ``no_alloc``, llama.cpp reads the header of a model and computes the sizes of what it would
allocate. It has no function for Python that returns them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import llama_cpp as lc

from ...contract.types import Device, MemoryUse
from ..protocol import Load, Measured
from . import backend
from .model import LlamaModel

MIB = 1 << 20

#: "llama_kv_cache: size = 24.00 MiB (8192 cells, ...", "llama_memory_recurrent: size = ..."
_CACHE = re.compile(r"(?:cache|recurrent)\w*: size = +([\d.]+) MiB \(")
#: "load_tensors: CPU_Mapped model buffer size = 92.10 MiB", "llama_kv_cache: CUDA0 KV buffer ..."
_BUFFER = re.compile(r": +(\S+) +(model|KV|RS|compute|output) buffer size = +([\d.]+) MiB")


@dataclass
class Sizes:
    """Sizes in llama.cpp's log, in bytes.

    Attributes
    ----------
    cache : int
        The KV cache and the state of recurrent layers.
    buffers : int
        Intermediate results and outputs.
    devices : dict
        All buffers by the name of their device.
    """

    cache: int = 0
    buffers: int = 0
    devices: dict[str, int] = field(default_factory=dict)

    def read(self, line: str) -> None:
        """Add the size in a line of the log, if it has one."""
        if (found := _CACHE.search(line)) is not None:
            self.cache += round(float(found[1]) * MIB)
        elif (found := _BUFFER.search(line)) is not None:
            device, kind, size = found[1], found[2], round(float(found[3]) * MIB)
            self.devices[device] = self.devices.get(device, 0) + size
            if kind in ("compute", "output"):
                self.buffers += size

    def on(self, devices: Iterable[Device]) -> int:
        """Return the size of all buffers on these devices."""
        return sum(self.devices.get(device.name, 0) for device in devices)


@contextmanager
def sizes() -> Iterator[Sizes]:
    """Collect the sizes that llama.cpp logs within the block."""
    collected = Sizes()
    with backend.log_lines(collected.read):
        yield collected


def measure(load: Load) -> Measured:
    """Return what the generation of text with a model would take, without reading its weights.

    Raises
    ------
    PowerError
        If llama.cpp cannot load the model's header.
    """
    backend.install_log()
    devices = backend.list_devices()
    model = LlamaModel(load, lambda _value: None, no_alloc=True)
    with sizes() as found:
        lc.llama_free(model.new_context(**model.text_context()))
    return Measured(memory_of(model, found), devices, model.gpu_layers)


def memory_of(model: LlamaModel, found: Sizes, image_bytes: int = 0) -> MemoryUse:
    """Return the memory of a model and its contexts, without the worker process itself.

    Parameters
    ----------
    image_bytes : int
        Size of the projector.
    """
    weights = int(lc.llama_model_size(model.pointer)) + image_bytes
    return MemoryUse(weights=weights, cache=found.cache, buffers=found.buffers, other=0)
