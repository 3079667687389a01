"""Parts of the llama.cpp engine that need no model: slots, and the choice of devices."""

from __future__ import annotations

import re
import tomllib

import pytest

from a3s_power_jupyter import compat
from a3s_power_jupyter.contract.errors import BackendUnavailable
from a3s_power_jupyter.engine.llamacpp.backend import idle_gpu_hint, list_devices
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
