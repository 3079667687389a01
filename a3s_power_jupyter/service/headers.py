"""Read the headers of model files for whoever wants to know more than the manifest says."""

from __future__ import annotations

from ..contract.types import Manifest
from ..store.defaults import template_of
from ..store.files import source_file
from ..store.formats.gguf import Omitted, read_header
from ..store.model_store import ModelStore
from ..store.threads import Threads

#: Characters and numbers that are returned of a header. That of a usual model has 20,000.
MAX_SIZE = 1 << 22

#: A value in the header of a GGUF file.
HeaderValue = int | float | str | list[int | float]


class Headers:
    """Reads the headers of models' files.

    Parameters
    ----------
    threads : Threads
        Threads for model files.
    """

    def __init__(self, store: ModelStore, threads: Threads) -> None:
        self._store = store
        self._threads = threads

    async def read(self, manifest: Manifest) -> dict[str, HeaderValue]:
        """Return the keys and values in the header of a GGUF model; none for other formats.

        Arrays of strings and arrays of more than 4,096 numbers are left out, and in a header that
        exceeds `MAX_SIZE`, values that come after so many characters and numbers.

        Raises
        ------
        FileNotFound, FileChanged, NotAFile, PathUnreadable, InvalidGGUF
            If the file cannot be read, or has changed since it was registered.
        """
        if manifest.format != "gguf":
            return {}
        return await self._threads.run(self._read, manifest)

    async def template(self, manifest: Manifest) -> str | None:
        """Return the chat template of a model, or its first 262,144 characters; None without one.

        Raises
        ------
        PowerError
            If the files cannot be read, or have changed since they were registered.
        """
        return await self._threads.run(self._template, manifest)

    def _template(self, manifest: Manifest) -> str | None:
        return template_of(manifest, self._store.resolve(manifest))

    def _read(self, manifest: Manifest) -> dict[str, HeaderValue]:
        first = self._store.resolve(manifest)[0]
        found: dict[str, HeaderValue] = {}
        left = MAX_SIZE
        for key, value in read_header(source_file(first)).metadata.items():
            if isinstance(value, Omitted):
                continue
            left -= len(key) + (len(value) if isinstance(value, str | list) else 1)
            if left >= 0:
                found[key] = value
        return found
