"""Files of a model under their own names, while they are blobs, or about to be."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..contract.errors import PowerError
from .formats.description import Description
from .formats.gguf_model import describe_gguf
from .formats.model_directory import describe_directory


def describe_staged(
    name: str, files: Mapping[str, Path], first: str | None
) -> tuple[Description, tuple[str, ...]]:
    """Describe a model whose files do not have their own names.

    Parameters
    ----------
    name
        What error messages call the place.
    files
        By the path that each should have, relative and with slashes.
    first
        Path of a GGUF file, the first of its shards; None for a directory of transformers.

    Returns
    -------
    description, paths
        `paths` are those of the description's files, as keys of `files`.

    Raises
    ------
    What `describe_gguf` and `describe_directory` raise
    """
    with _staged(files) as folder:
        try:
            found = (
                describe_directory(folder, None) if first is None else describe_gguf(folder / first)
            )
        except PowerError as error:
            raise type(error)(error.message.replace(str(folder), name)) from None
        return found, tuple(file.path.relative_to(folder).as_posix() for file in found.files)


@contextmanager
def _staged(files: Mapping[str, Path]) -> Iterator[Path]:
    """A folder of links with those names."""
    with tempfile.TemporaryDirectory(prefix="a3s-power-") as folder:
        for name, path in files.items():
            link = Path(folder, name)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.absolute())
        yield Path(folder)
