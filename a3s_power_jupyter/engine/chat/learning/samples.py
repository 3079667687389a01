"""Made-up calls, and the texts in which a template renders them."""

from __future__ import annotations

from typing import NamedTuple

from ..writing import Call
from .probes import IDS, KEYS, NAMES

#: Pattern of ids that every template accepts.
ID = "[a-zA-Z0-9]{9}"

#: Pattern of ids that count the calls.
INDEX = "[0-9]{1,3}"

#: A string and a number, which have no other place in a chat.
FIRST = Call(NAMES[0], {KEYS[0]: "orange boat", KEYS[1]: 731}, IDS[0])
SECOND = Call(NAMES[1], {KEYS[0]: "violet hill", KEYS[1]: 864}, IDS[1])


class Sample(NamedTuple):
    """Calls, and the texts of the first one and of both.

    Attributes
    ----------
    two : str or None
        None if an answer can have one call only.
    """

    first: Call
    second: Call
    one: str
    two: str | None

    @property
    def calls(self) -> list[Call]:
        """Both calls."""
        return [self.first, self.second]
