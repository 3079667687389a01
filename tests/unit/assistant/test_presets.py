"""Test the file of presets."""

from __future__ import annotations

from pathlib import Path

import pytest

from a3s_power_jupyter.assistant import presets as module
from a3s_power_jupyter.assistant.presets import PresetFile
from a3s_power_jupyter.contract.errors import ChatUnreadable, InvalidParameter, PresetNotFound
from a3s_power_jupyter.contract.types import Preset


@pytest.fixture
def presets(tmp_path: Path) -> PresetFile:
    return PresetFile(tmp_path / "data")


def names(presets: PresetFile) -> list[str]:
    return [preset.name for preset in presets.all()]


def test_presets_are_stored_replaced_and_deleted(presets: PresetFile) -> None:
    assert presets.all() == []
    for name in ("b", "A", "../x"):
        presets.put(Preset(name, {"temperature": 0.5}))
    assert names(presets) == ["../x", "A", "b"]
    presets.put(Preset("A", {"system": "Be brief."}))
    assert presets.all()[1] == Preset("A", {"system": "Be brief."})
    presets.delete("b")
    assert names(presets) == ["../x", "A"]
    with pytest.raises(PresetNotFound):
        presets.delete("b")


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 101])
def test_names_are_checked(presets: PresetFile, name: str) -> None:
    with pytest.raises(InvalidParameter):
        presets.put(Preset(name, {}))


def test_sizes_and_numbers_are_limited(
    presets: PresetFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidParameter, match="64 KB"):
        presets.put(Preset("a", {"system": "x" * 70_000}))
    monkeypatch.setattr(module, "MAX_PRESETS", 1)
    presets.put(Preset("a", {}))
    presets.put(Preset("a", {"seed": 1}))
    with pytest.raises(InvalidParameter, match="Delete some"):
        presets.put(Preset("b", {}))


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"version":1}', b'{"version":9}', b'{"version":1,"presets":[{}]}']
)
def test_a_file_that_cannot_be_read_is_not_replaced(
    presets: PresetFile, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "data" / "presets.json"
    path.parent.mkdir()
    path.write_bytes(content)
    for act in (
        presets.all,
        lambda: presets.put(Preset("a", {})),
        lambda: presets.delete("a"),
    ):
        with pytest.raises(ChatUnreadable):
            act()
    assert path.read_bytes() == content
