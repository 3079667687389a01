"""The devices that ggml sees, and the GPU that it does not use."""

from __future__ import annotations

import ctypes
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

import llama_cpp
import psutil
from llama_cpp._ggml import libggml

from ...contract.types import Device

# enum ggml_backend_dev_type of ggml-backend.h: CPU 0, GPU 1, IGPU 2, ACCEL 3
_GPU_TYPES = (1, 2)


def _bind() -> None:
    pointer = ctypes.c_void_p
    for name, arguments, result in (
        ("ggml_backend_dev_count", [], ctypes.c_size_t),
        ("ggml_backend_dev_get", [ctypes.c_size_t], pointer),
        ("ggml_backend_dev_name", [pointer], ctypes.c_char_p),
        ("ggml_backend_dev_description", [pointer], ctypes.c_char_p),
        ("ggml_backend_dev_type", [pointer], ctypes.c_int),
        (
            "ggml_backend_dev_memory",
            [pointer, ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(ctypes.c_size_t)],
            None,
        ),
    ):
        function = getattr(libggml, name)
        function.argtypes = arguments
        function.restype = result


_bind()


def list_devices() -> list[Device]:
    """Every ggml device, in ggml's order; memory in bytes."""
    llama_cpp.llama_backend_init()
    devices = []
    for index in range(libggml.ggml_backend_dev_count()):
        handle = libggml.ggml_backend_dev_get(index)
        free, total = ctypes.c_size_t(0), ctypes.c_size_t(0)
        libggml.ggml_backend_dev_memory(handle, ctypes.byref(free), ctypes.byref(total))
        gpu = libggml.ggml_backend_dev_type(handle) in _GPU_TYPES
        devices.append(
            Device(
                name=libggml.ggml_backend_dev_name(handle).decode(),
                kind="gpu" if gpu else "cpu",
                description=libggml.ggml_backend_dev_description(handle).decode(),
                memory_total=total.value,
                # ggml says of a CPU that all of its memory is free
                memory_free=free.value if gpu else psutil.virtual_memory().available,
            )
        )
    return devices


def gpus(devices: list[Device]) -> list[Device]:
    return [device for device in devices if device.kind == "gpu"]


def idle_gpu_hint(
    gpu_used: bool,
    *,
    system: str = platform.system(),
    machine: str = platform.machine(),
    which: Callable[[str], str | None] = shutil.which,
    exists: Callable[[str], bool] = lambda path: Path(path).exists(),
) -> str | None:
    """The command that would put an idle GPU to use, or None when there is none to use.

    Build flags are those of llama.cpp's own build documentation (docs/build.md). This was
    checked with injected facts only: the project's machines have no GPU.
    """
    if gpu_used:
        return None
    flag = None
    if which("nvidia-smi") or exists("/proc/driver/nvidia/version"):
        flag = "-DGGML_CUDA=on"
    elif exists("/dev/kfd"):
        flag = "-DGGML_HIP=on"
    elif system == "Darwin" and machine == "arm64":
        flag = "-DGGML_METAL=on"
    if flag is None:
        return None
    return (
        f'CMAKE_ARGS="{flag}" pip install --force-reinstall --no-deps --no-cache-dir '
        "llama-cpp-python"
    )
