"""``%power`` and ``%%power``: the runtime in a notebook cell or an IPython terminal."""

from __future__ import annotations

from IPython.core.interactiveshell import InteractiveShell

from .completion import Completion
from .magics import PowerMagics


def load(shell: InteractiveShell) -> None:
    """Register the magics and their completion with `shell`."""
    magics = PowerMagics(shell)
    shell.register_magics(magics)
    unload_completion(shell)
    shell.Completer.custom_matchers.append(Completion(magics.session).match)


def unload(shell: InteractiveShell) -> None:
    """Take them out again."""
    unload_completion(shell)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("power", None)


def unload_completion(shell: InteractiveShell) -> None:
    shell.Completer.custom_matchers[:] = [
        matcher
        for matcher in shell.Completer.custom_matchers
        if not isinstance(getattr(matcher, "__self__", None), Completion)
    ]
