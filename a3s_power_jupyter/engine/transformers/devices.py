"""Where torch computes, and with what."""

from __future__ import annotations

import os
from dataclasses import dataclass

import psutil
import torch
from msgspec import UNSET

from ..protocol import Load


@dataclass(frozen=True)
class Placement:
    """`name` is for the user; `device_map` is for `from_pretrained`: one device, or "auto" to
    share the layers out by the free memory of all."""

    name: str
    device: torch.device
    device_map: str

    @property
    def gpu(self) -> bool:
        return bool(self.device.type != "cpu")

    def used_bytes(self) -> int:
        """GPU memory that this process has allocated."""
        if self.device.type != "cuda":
            return 0
        return sum(torch.cuda.memory_allocated(i) for i in range(torch.cuda.device_count()))


def place(load: Load) -> Placement:
    """A GPU if torch has one and the model's parameters do not say otherwise.

    `num_gpu` counts llama.cpp's layers; here 0 means the CPU, and anything else the GPU.
    """
    asked = load.parameters.num_gpu
    layers = load.gpu_layers if asked is UNSET else asked
    main = 0 if load.parameters.main_gpu is UNSET else load.parameters.main_gpu
    if layers != 0 and torch.cuda.is_available():
        if torch.cuda.device_count() > 1:
            return Placement("cuda", torch.device("cuda", main), "auto")
        return Placement("cuda:0", torch.device("cuda", 0), "cuda:0")
    if layers != 0 and torch.backends.mps.is_available():
        return Placement("mps", torch.device("mps"), "mps")
    return Placement("cpu", torch.device("cpu"), "cpu")


def use_threads(load: Load) -> None:
    """The CPU threads of torch: as asked for, else the physical cores this process may use."""
    if load.parameters.num_thread is not UNSET:
        torch.set_num_threads(load.parameters.num_thread)
        return
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    physical = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    torch.set_num_threads(min(physical, allowed or physical))
