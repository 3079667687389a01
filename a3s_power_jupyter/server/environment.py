"""Read the ``A3S_POWER_*`` environment variables."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..contract.errors import PowerError
from ..contract.parameters import parse_keep_alive


def _path(text: str) -> str:
    path = Path(text).expanduser()
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return str(path)


def _paths(text: str) -> tuple[str, ...]:
    return tuple(_path(part) for part in text.split(os.pathsep) if part)


def _integer(minimum: int, maximum: int = 2**31 - 1) -> Callable[[str], int]:
    def read(text: str) -> int:
        with suppress(ValueError):
            if minimum <= int(text) <= maximum:
                return int(text)
        raise ValueError(f"must be a whole number from {minimum} to {maximum}")

    return read


def _keep_alive(text: str) -> str:
    parse_keep_alive(text)
    return text


def _host(text: str) -> str:
    return text


_READERS: dict[str, Callable[[str], Any]] = {
    "A3S_POWER_HOME": _path,
    "A3S_POWER_SHARED_HOMES": _paths,
    "A3S_POWER_MAX_MODELS": _integer(0),
    "A3S_POWER_KEEP_ALIVE": _keep_alive,
    "A3S_POWER_GPU_LAYERS": _integer(-1),
    "A3S_POWER_HOST": _host,
    "A3S_POWER_PORT": _integer(0, 65535),
}


class Environment:
    """A snapshot of the variables. An empty variable counts as unset.

    Attributes
    ----------
    problems : list of str
        A message for each variable with an invalid value.
    """

    def __init__(self, variables: Mapping[str, str] = os.environ) -> None:
        self.problems: list[str] = []
        self._values: dict[str, Any] = {}
        for name, read in _READERS.items():
            text = variables.get(name, "").strip()
            if text:
                self._read(name, text, read)

    def _read(self, name: str, text: str, read: Callable[[str], Any]) -> None:
        try:
            self._values[name] = read(text)
        except (ValueError, PowerError) as error:
            self.problems.append(f"The variable {name}={text!r} is invalid: {error}.")

    def get(self, name: str, default: Any) -> Any:
        """Return the value of a variable, or `default` if it is unset or invalid."""
        return self._values.get(name, default)
