"""Named parameters of conversations, in one file. All methods block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from ..contract.errors import InvalidParameter, PresetNotFound
from ..contract.text import quoted
from ..contract.types import Preset
from .documents import changing, read_document, unreadable, using, write_document

#: Presets, bytes of one and of the file.
MAX_PRESETS = 200
MAX_PRESET_BYTES = 64 * 1024
_MAX_FILE = (MAX_PRESETS + 1) * (MAX_PRESET_BYTES + 1024)

MAX_NAME = 100


class _File(msgspec.Struct, frozen=True):
    presets: list[Preset]


class PresetFile:
    """The presets of a user, in the file ``presets.json`` of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "presets.json"

    def all(self) -> list[Preset]:
        """Return the presets, sorted by name. Raises `ChatUnreadable`."""
        with using(self._folder, "read"):
            try:
                document = read_document(self._path, _MAX_FILE)
            except FileNotFoundError:
                return []
        try:
            return msgspec.convert(document, _File).presets
        except msgspec.ValidationError as error:
            raise unreadable(self._path, str(error)) from None

    def put(self, preset: Preset) -> Preset:
        """Save a preset in place of the one with its name.

        Raises
        ------
        InvalidParameter
            If the name is empty, too long or not printable, or the preset is too large, or there
            are too many.
        ChatUnreadable
            If the file cannot be used. It is not replaced.
        """
        name = preset.name
        if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
            raise InvalidParameter(
                f"The name of a preset must have 1 to {MAX_NAME} printable characters.",
                param="name",
            )
        if len(msgspec.json.encode(preset)) > MAX_PRESET_BYTES:
            raise InvalidParameter(
                f"A preset can have {MAX_PRESET_BYTES >> 10} KB at most. Shorten the prompt.",
                param="parameters",
            )
        with changing(self._folder):
            presets = {each.name: each for each in self.all()} | {name: preset}
            if len(presets) > MAX_PRESETS:
                raise InvalidParameter(
                    f"There are already {MAX_PRESETS} presets, the maximum. Delete some first."
                )
            self._write(presets)
        return preset

    def delete(self, name: str) -> None:
        """Delete a preset. Raises `PresetNotFound` or `ChatUnreadable`."""
        with changing(self._folder):
            presets = {each.name: each for each in self.all()}
            if name not in presets:
                raise PresetNotFound(f"There is no preset {quoted(name)}.")
            del presets[name]
            self._write(presets)

    def _write(self, presets: dict[str, Preset]) -> None:
        ordered: list[Any] = sorted(presets.values(), key=lambda each: each.name.casefold())
        write_document(self._path, {"presets": ordered})
