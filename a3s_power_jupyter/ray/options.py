"""Check options of ``jupyter power``, which would only warn of unknown ones in the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from jupyter_server.serverapp import aliases, flags
from traitlets.config import Configurable

from ..server.extension import PowerApp


def unknown_option(options: Sequence[str]) -> str | None:
    """Return what is wrong with the first unknown option, as a sentence; None if all are known.

    The value may follow an option as the next one. Values are not checked.
    """
    settings = _settings()
    known = {*_short_names()}
    known |= {f"--{name}.{trait}" for name, traits in settings.items() for trait in traits}
    for option in options:
        name = option.partition("=")[0]
        # A setting that is a dictionary may have a key after its name.
        is_known = ".".join(name.split(".")[:2]) in known
        if name.startswith("-") and not is_known:
            similar = get_close_matches(name, known, n=1, cutoff=0.8)
            hint = f" Do you mean {similar[0]}?" if similar else ""
            return f"jupyter power has no option {name!r}.{hint}"
    return None


def _short_names() -> Iterator[str]:
    """Yield aliases and flags, such as ``--debug`` and ``-y``."""
    for name in (*aliases, *flags, *PowerApp.aliases, *PowerApp.flags):
        yield f"-{name}" if len(name) == 1 else f"--{name}"


def _settings() -> dict[str, set[str]]:
    """Return the names of the settings of each class that the server has imported."""
    found: dict[str, set[str]] = {}
    left: list[type[Configurable]] = [Configurable]
    while left:
        each = left.pop()
        found.setdefault(each.__name__, set()).update(each.class_trait_names(config=True))
        left += each.__subclasses__()
    return found
