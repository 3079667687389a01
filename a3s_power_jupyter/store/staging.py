"""Create temporary directories with the files of a model under their own names.

Blobs and downloads in progress are named after hashes, but model libraries find the files of a
model by name.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..contract.errors import PowerError
from .formats.description import Description
from .formats.gguf_model import describe_gguf
from .formats.model_directory import describe_directory
from .os_errors import writing_temporary
from .temporary import in_use, remove_abandoned

PREFIX = "a3s-power-model-"


@contextmanager
def linked_directory(files: Mapping[str, Path]) -> Iterator[Path]:
    """Create a temporary directory of links to exactly `files`, and yield its path.

    The library that loads the model cannot see any code or pickles in a registered directory.
    Directories of processes that were killed are removed.

    Parameters
    ----------
    files : mapping of str to Path
        Files by their relative path in the directory, with slashes.

    Raises
    ------
    InsufficientDisk, StoreUnavailable
        If the system's temporary directory cannot be used or does not support links.
    """
    temporary = Path(tempfile.gettempdir())
    remove_abandoned(temporary, PREFIX)
    with ExitStack() as stack:
        with writing_temporary(temporary):
            created = tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)
            directory = Path(stack.enter_context(created))
            stack.enter_context(in_use(directory))
            for name, path in files.items():
                link = directory / name
                link.parent.mkdir(parents=True, exist_ok=True)
                _link(path.absolute(), link)
        yield directory


def _link(path: Path, link: Path) -> None:
    try:
        link.symlink_to(path)
    except OSError:  # on Windows symbolic links need a privilege
        os.link(path, link)


def describe_staged(
    name: str, files: Mapping[str, Path], first: str | None
) -> tuple[Description, tuple[str, ...]]:
    """Describe a model from files that are stored under other names.

    Parameters
    ----------
    name : str
        Name of the model for error messages, in place of the temporary directory.
    files : mapping of str to Path
        Files by their relative path in the model, with slashes.
    first : str or None
        Path of the GGUF file or its first shard; None for a model directory.

    Returns
    -------
    description : Description
    paths : tuple of str
        The files of the description, as keys of `files`.

    Raises
    ------
    PowerError
        If `describe_gguf` or `describe_directory` refuses the files.
    """
    with linked_directory(files) as directory:
        try:
            description = (
                describe_directory(directory, None)
                if first is None
                else describe_gguf(directory / first)
            )
        except PowerError as error:
            raise type(error)(error.message.replace(str(directory), name)) from None
        paths = (file.path.relative_to(directory).as_posix() for file in description.files)
        return description, tuple(paths)
