"""What a check of the store finds, and what a repair does about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

#: ``problem``: something does not work. ``leftover``: a file that nothing needs. ``note``: nothing
#: is wrong, but the state of a file needs an explanation.
Kind = Literal["problem", "leftover", "note"]

#: Repairs something. It checks again first, because servers may be running.
Repair = Callable[[], object]


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
    action : str
        What the repair does, such as "remove it"; '' without a repair.
    size : int
        Bytes that the repair frees.
    """

    kind: Kind
    path: Path
    reason: str
    advice: str = ""
    action: str = ""
    repair: Repair | None = None
    size: int = 0


def leftover(path: Path, reason: str, repair: Repair, size: int = 0) -> Finding:
    """Return the finding of a file that a repair removes."""
    return Finding("leftover", path, reason, action="remove it", repair=repair, size=size)
