"""Recognize the pointers that `git clone` leaves in place of large files without Git LFS.

A pointer is a text file of about 130 bytes
(https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md).
"""

from __future__ import annotations

from ...contract.errors import PowerError
from ..files import SourceFile, opened

#: Longest pointer in bytes, by the specification.
_MAX_POINTER = 1024

_STARTS = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")


def refuse_pointer(source: SourceFile, error_type: type[PowerError]) -> None:
    """Raise an error of a given type if a file is a Git LFS pointer.

    Raises
    ------
    PowerError
        If it is one.
    FileNotFound, PathUnreadable, FileChanged
        If the file cannot be read, or changes while it is read.
    """
    if source.size > _MAX_POINTER:
        return
    with opened(source) as file:
        start = file.read(max(map(len, _STARTS)))
    if start.startswith(_STARTS):
        raise error_type(
            f"{source.path} is a Git LFS pointer, not the file itself: it was cloned without Git "
            f"LFS. Install git-lfs, then run `git lfs pull` in {source.path.parent}.",
            param="path",
        )
