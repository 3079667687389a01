"""Parts of the llama.cpp engine that need no model: slots, and the choice of devices."""

from __future__ import annotations

import re
import tomllib

import pytest

from a3s_power_jupyter import compat
from a3s_power_jupyter.contract.errors import BackendUnavailable
from a3s_power_jupyter.contract.types import Device
from a3s_power_jupyter.engine.llamacpp.backend import idle_gpu_hint, list_devices
from a3s_power_jupyter.engine.llamacpp.usage import Sizes
from support.paths import ROOT


def test_the_hint_for_an_idle_gpu_is_the_command_that_uses_it() -> None:
    def hint(*, tools: str = "", files: str = "", system: str = "Linux") -> str | None:
        return idle_gpu_hint(
            False,
            system=system,
            machine="arm64" if system == "Darwin" else "x86_64",
            which=lambda name: name if name in tools.split() else None,
            exists=lambda path: path in files.split(),
        )

    assert hint() is None
    assert "GGML_CUDA=on" in (hint(tools="nvidia-smi") or "")
    assert "GGML_HIP=on" in (hint(files="/dev/kfd") or "")
    assert "GGML_METAL=on" in (hint(system="Darwin") or "")
    assert idle_gpu_hint(True, which=lambda name: name) is None


def test_an_unsupported_llama_cpp_python_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the same versions as ``pyproject.toml``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [supported] = [d for d in project["dependencies"] if d.startswith("llama-cpp-python")]
    monkeypatch.setitem(compat._GGML_FUNCTIONS, "ggml_backend_dev_gone", ([], None))
    with pytest.raises(BackendUnavailable, match=re.escape(f"'{supported}'")):
        list_devices()


def test_the_sizes_on_each_device_are_read_from_the_log() -> None:
    """The lines are those of a build for CUDA, which has no test machine."""
    found = Sizes()
    for line in (
        "load_tensors:   CPU_Mapped model buffer size =   100.00 MiB\n",
        "load_tensors:        CUDA0 model buffer size =  4000.00 MiB\n",
        "llama_context:  CUDA_Host  output buffer size =     1.50 MiB\n",
        "llama_kv_cache:      CUDA0 KV buffer size =   180.00 MiB\n",
        "llama_kv_cache: size =  180.00 MiB (  8192 cells,  30 layers,  8/1 seqs), K (f16): 90\n",
        "llama_memory_recurrent: size =    2.00 MiB (     4 cells,   8 layers,  4 seqs)\n",
        "sched_reserve:      CUDA0 compute buffer size =    50.00 MiB\n",
        "sched_reserve:  CUDA_Host compute buffer size =     8.00 MiB\n",
        "print_info: file size   = 92.10 MiB (5.74 BPW)\n",
    ):
        found.read(line)
    mib = 1 << 20
    assert (found.cache, found.buffers) == (182 * mib, round(59.5 * mib))
    assert found.on([Device("CUDA0", "gpu"), Device("CUDA1", "gpu")]) == 4230 * mib
    assert found.on([]) == 0
