"""llama.cpp's process-wide state: its log and its devices."""

from __future__ import annotations

import ctypes
import platform
import re
import shutil
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import llama_cpp as lc
import psutil
from msgspec import UNSET

from ... import compat
from ...contract.errors import ModelLoadFailed
from ...contract.types import Device

# enum ggml_log_level of ggml.h
_INFO, _WARN, _ERROR = 2, 3, 4

# enum ggml_backend_dev_type of ggml-backend.h: CPU 0, GPU 1, IGPU 2, ACCEL 3
_GPU_TYPES = (1, 2)

_errors: deque[str] = deque(maxlen=3)
_readers: list[Callable[[str], None]] = []

#: The thread of which llama.cpp's log is dropped.
_silent_thread: int | None = None


def install_log() -> None:
    """Send llama.cpp's warnings and errors to stderr and drop the rest of its log."""
    lc.llama_log_set(on_log, None)


def drop_log() -> None:
    """Drop what llama.cpp logs in this thread, until `keep_log` is called."""
    global _silent_thread
    _silent_thread = threading.get_ident()


def keep_log() -> None:
    """Undo `drop_log`."""
    global _silent_thread
    _silent_thread = None


def last_errors() -> str:
    """Return the latest errors in llama.cpp's log as ``": first; second"``, or ""."""
    return f": {'; '.join(_errors)}" if _errors else ""


def compute_error(what: str) -> ModelLoadFailed:
    """Return the error for a failed computation. `what` completes "llama.cpp ..."."""
    return ModelLoadFailed(
        f"llama.cpp {what}{last_errors()}. Load the model again with a smaller num_ctx or "
        "num_batch."
    )


@contextmanager
def log_lines(read: Callable[[str], None]) -> Iterator[None]:
    """Call `read` with each line that llama.cpp logs for information within the block."""
    _readers.append(read)
    try:
        yield
    finally:
        _readers.remove(read)


@lc.llama_log_callback  # type: ignore[untyped-decorator]
def on_log(level: int, text: bytes, _data: object) -> None:
    if level == _INFO and _readers:
        for read in _readers:
            read(text.decode("utf-8", errors="replace"))
    if level not in (_WARN, _ERROR) or threading.get_ident() == _silent_thread:
        return
    line = text.decode("utf-8", errors="replace").rstrip()
    if level == _ERROR and line:
        _errors.append(line)
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def list_devices() -> list[Device]:
    """Return all ggml devices, in ggml's order. Memory is in bytes.

    Raises
    ------
    BackendUnavailable
        If this version of llama-cpp-python is not supported.
    """
    ggml = compat.ggml_library()
    lc.llama_backend_init()
    devices = []
    for index in range(ggml.ggml_backend_dev_count()):
        handle = ggml.ggml_backend_dev_get(index)
        free, total = ctypes.c_size_t(0), ctypes.c_size_t(0)
        ggml.ggml_backend_dev_memory(handle, ctypes.byref(free), ctypes.byref(total))
        gpu = ggml.ggml_backend_dev_type(handle) in _GPU_TYPES
        devices.append(
            Device(
                name=ggml.ggml_backend_dev_name(handle).decode(),
                kind="gpu" if gpu else "cpu",
                description=ggml.ggml_backend_dev_description(handle).decode(),
                memory_total=total.value,
                # For a CPU, ggml reports all memory as free.
                memory_free=free.value if gpu else psutil.virtual_memory().available,
            )
        )
    return devices


def gpus(devices: list[Device]) -> list[Device]:
    return [device for device in devices if device.kind == "gpu"]


def free_gpu_bytes(devices: list[Device]) -> int:
    """Return the free memory of all GPUs."""
    return sum(d.memory_free for d in gpus(devices) if d.memory_free is not UNSET)


def locked_bytes() -> int | None:
    """Return the memory that this process has locked; None if the system is not Linux."""
    try:
        status = Path("/proc/self/status").read_text("utf-8")
    except OSError:
        return None
    found = re.search(r"^VmLck:\s*(\d+) kB", status, re.MULTILINE)
    return None if found is None else int(found[1]) * 1024


def idle_gpu_hint(
    gpu_used: bool,
    *,
    system: str = platform.system(),
    machine: str = platform.machine(),
    which: Callable[[str], str | None] = shutil.which,
    exists: Callable[[str], bool] = lambda path: Path(path).exists(),
) -> str | None:
    """Return the command that installs llama.cpp with support for an idle GPU, or None.

    The build flags are from llama.cpp's docs/build.md. Detection has only been tested with
    simulated machines.
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
