"""What a check of the store finds, and what a repair does about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..contract.errors import PowerError
from ..contract.text import unstopped
from ..store.files import file_size

#: ``problem``: something does not work. ``leftover``: a file that nothing needs. ``note``: nothing
#: is wrong, but the state of a file needs an explanation.
Kind = Literal["problem", "leftover", "note"]


@dataclass(frozen=True)
class Repair:
    """What can be done about a finding. Several findings may have the same repair.

    Attributes
    ----------
    run : callable
        Repairs it, and returns the bytes that this freed. It checks again first, because servers
        may be running.
    action : str
        What it does, such as "remove it".
    done : str
        What it has done, as a sentence.
    """

    run: Callable[[], int]
    action: str = "remove it"
    done: str = "It was removed."


@dataclass(frozen=True)
class Finding:
    """One file of the store, what is the matter with it, and what can be done.

    Attributes
    ----------
    path : Path
        The file or folder.
    reason : str
        A sentence.
    advice : str
        What the user can do, as a sentence; '' if a repair does it.
    repair : Repair or None
        The repair, if there is one.
    size : int
        Bytes that the repair frees.
    needs_user : bool
        Whether the user has to follow the advice also after the repair.
    """

    kind: Kind
    path: Path
    reason: str
    advice: str = ""
    repair: Repair | None = None
    size: int = 0
    needs_user: bool = False


def leftover(path: Path, reason: str, run: Callable[[], int], size: int = 0) -> Finding:
    """Return the finding of a file that a repair removes."""
    return Finding("leftover", path, reason, repair=Repair(run), size=size)


def foreign(path: Path) -> Finding:
    """Return the finding of something that this package does not write."""
    what = "This file" if file_size(path) is not None else "This"
    return Finding("note", path, f"{what} does not belong to the store. It is left alone.")


def is_there(path: Path) -> bool:
    """Return whether there is anything at a path, such as a link that leads nowhere."""
    return path.is_symlink() or path.exists()


def cannot_read(path: Path, error: OSError) -> Finding:
    """Return the finding of a file or folder that the operating system does not let us read."""
    reason = f"It cannot be read, so it is not checked: {phrase(error)}."
    return Finding("problem", path, reason, "Check the owner and the permissions.")


def phrase(error: OSError | PowerError) -> str:
    """Return what an error says, without its full stop and the number of the error."""
    if isinstance(error, PowerError):
        return unstopped(error.message)
    return error.strerror or str(error)


def remove(path: Path) -> int:
    """Remove a file, if it is still there, and return the bytes freed."""
    size = file_size(path) or 0
    path.unlink(missing_ok=True)
    return size
