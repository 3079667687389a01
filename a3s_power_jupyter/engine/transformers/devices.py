"""Choose the device and the number of threads that torch computes with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from msgspec import UNSET

from ..protocol import Load


@dataclass(frozen=True)
class Placement:
    """Where a model is loaded.

    Attributes
    ----------
    name : str
        Shown to the user.
    device_map : str
        Argument of `from_pretrained`: one device, or "auto" to spread the layers over all GPUs by
        their free memory.
    """

    name: str
    device: torch.device
    device_map: str

    @property
    def gpu(self) -> bool:
        return bool(self.device.type != "cpu")

    def used_bytes(self) -> int:
        """Return the GPU memory that this process has allocated."""
        if self.device.type != "cuda":
            return 0
        return sum(torch.cuda.memory_allocated(i) for i in range(torch.cuda.device_count()))

    def synchronize(self) -> None:
        """Wait for the GPU and free unused memory.

        Raises
        ------
        RuntimeError
            If an earlier computation failed in a way that the GPU cannot recover from in this
            process, such as a failed assertion.
        """
        if self.device.type == "cuda":
            for index in range(torch.cuda.device_count()):
                torch.cuda.synchronize(index)
            torch.cuda.empty_cache()


def choose_placement(load: Load) -> Placement:
    """Return a GPU if torch has one and the load parameters allow it.

    `num_gpu` counts layers for llama.cpp. Here, 0 means the CPU and any other value the GPU.
    """
    num_gpu = load.parameters.num_gpu
    layers = load.gpu_layers if num_gpu is UNSET else num_gpu
    main = 0 if load.parameters.main_gpu is UNSET else load.parameters.main_gpu
    if layers != 0 and torch.cuda.is_available():
        if torch.cuda.device_count() > 1:
            return Placement("cuda", torch.device("cuda", main), "auto")
        return Placement("cuda:0", torch.device("cuda", 0), "cuda:0")
    if layers != 0 and torch.backends.mps.is_available():
        return Placement("mps", torch.device("mps"), "mps")
    return Placement("cpu", torch.device("cpu"), "cpu")
