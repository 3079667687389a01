"""Choose the device and the number of threads that torch computes with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from msgspec import UNSET

from ..effects import check_main_gpu
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

    def used_bytes(self) -> dict[str, int]:
        """Return the memory that this process has allocated, by llama.cpp's name of the GPU."""
        gpus = range(torch.cuda.device_count()) if self.device.type == "cuda" else ()
        used = {f"CUDA{index}": torch.cuda.memory_allocated(index) for index in gpus}
        return {name: size for name, size in used.items() if size}

    def processors(self) -> list[str]:
        """Return names that tell processors apart that may round in other ways."""
        gpus = range(torch.cuda.device_count()) if self.device.type == "cuda" else ()
        names = [torch.cuda.get_device_name(index) for index in gpus]
        return [self.name, torch.backends.cpu.get_cpu_capability(), *names]

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


def gpu_count() -> int:
    """Return the number of GPUs that torch can use."""
    if torch.cuda.is_available():
        return int(torch.cuda.device_count())
    return int(torch.backends.mps.is_available())


def choose_placement(load: Load) -> Placement:
    """Return a GPU if torch has one and the load parameters allow it.

    `num_gpu` counts layers for llama.cpp. Here, 0 means the CPU and any other value the GPU.
    With several GPUs, `main_gpu` puts the whole model on one of them.

    Raises
    ------
    InvalidParameter
        If there is no GPU of the index `main_gpu`.
    """
    num_gpu = load.parameters.num_gpu
    layers = load.gpu_layers if num_gpu is UNSET else num_gpu
    main = load.parameters.main_gpu
    if gpu_count():
        check_main_gpu(load.parameters, gpu_count())
    if layers != 0 and torch.cuda.is_available():
        if torch.cuda.device_count() > 1 and main is UNSET:
            return Placement("cuda", torch.device("cuda", 0), "auto")
        name = f"cuda:{0 if main is UNSET else main}"
        return Placement(name, torch.device(name), name)
    if layers != 0 and torch.backends.mps.is_available():
        return Placement("mps", torch.device("mps"), "mps")
    return Placement("cpu", torch.device("cpu"), "cpu")
