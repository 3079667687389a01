"""Read from llama.cpp's log what a model takes, or would take.

With ``no_alloc``, llama.cpp reads the header of a model and computes the sizes of what it would
allocate. It has no function for Python that returns them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import llama_cpp as lc

from ...contract.types import MemoryUse
from ..protocol import Load, Measured
from . import backend
from .model import LlamaModel

MIB = 1 << 20

#: "llama_kv_cache: size = 24.00 MiB (8192 cells, ...", "llama_memory_recurrent: size = ..."
_CACHE = re.compile(r"(?:cache|recurrent)\w*: size = +([\d.]+) MiB \(")
#: "sched_reserve: CUDA0 compute buffer size = 257.25 MiB", "llama_context: CPU output buffer ..."
_BUFFER = re.compile(r": +(\S+) +(?:compute|output) buffer size = +([\d.]+) MiB")


@dataclass
class Sizes:
    """Sizes in llama.cpp's log, in bytes.

    Attributes
    ----------
    cache : int
        The KV cache and the state of recurrent layers.
    buffers : dict
        Buffers by the name of their device.
    """

    cache: int = 0
    buffers: dict[str, int] = field(default_factory=dict)

    def read(self, line: str) -> None:
        """Add the size in a line of the log, if it has one."""
        if (found := _CACHE.search(line)) is not None:
            self.cache += round(float(found[1]) * MIB)
        elif (found := _BUFFER.search(line)) is not None:
            size = self.buffers.get(found[1], 0)
            self.buffers[found[1]] = size + round(float(found[2]) * MIB)


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
    use = MemoryUse(
        weights=int(lc.llama_model_size(model.pointer)),
        cache=found.cache,
        buffers=sum(found.buffers.values()),
        other=0,
    )
    return Measured(use, devices, model.gpu_layers)
