"""What the client returns, with a display: tables and facts in notebooks, short texts elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from msgspec import UNSET

from ..contract import types
from ..contract.text import printable
from ..contract.types import Removable
from ..display import formatting, model_tables, output, pull_progress
from ..display.output import Output

T = TypeVar("T")


class Displayed:
    """Mixin with the displays of notebooks and of IPython in a terminal."""

    __slots__ = ()

    def _shown(self) -> Output:
        raise NotImplementedError

    def _short(self) -> str:
        """Return one line for `repr`."""
        raise NotImplementedError

    # IPython uses these two only if they are in the same class.
    def __repr__(self) -> str:
        return printable(self._short())

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self._shown()))

    def _repr_html_(self) -> str:
        return self._shown().html


class Table(list[T]):
    """A list that is displayed as a table, also by `print`."""

    def _shown(self) -> Output:
        raise NotImplementedError

    def __repr__(self) -> str:
        return repr(self._shown())

    def _repr_html_(self) -> str:
        return self._shown().html

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))


class Model(Displayed, types.Model, frozen=True):
    __doc__ = types.Model.__doc__

    def _shown(self) -> Output:
        return model_tables.details(self)

    def _short(self) -> str:
        parts = [formatting.format_of(self)]
        if self.size_bytes:
            parts.append(formatting.size(self.size_bytes))
        return _line(f"Model {self.id}", [*parts, model_tables.state(self)])


class Models(Table[Model]):
    """All models."""

    def _shown(self) -> Output:
        return model_tables.models(self, empty="No models yet. Add one with pull or register.")


class LoadedModels(Table[Model]):
    """The models in memory."""

    def _shown(self) -> Output:
        return model_tables.processes(self)


class PullStatus(Displayed, types.PullStatus, frozen=True):
    __doc__ = types.PullStatus.__doc__

    def _shown(self) -> Output:
        text = pull_progress.text(self)
        if self.error is not UNSET:
            text += f". {self.error.get('message', '')}"
        return Output(text, pull_progress.markup(self))

    def _short(self) -> str:
        parts = [pull_progress.label(self), pull_progress.facts(self)]
        return _line(f"PullStatus {self.name}", parts)


class Pulls(Table[PullStatus]):
    """All pulls."""

    def _shown(self) -> Output:
        return pull_progress.table(self, empty="No pulls yet. Start one with pull.")


class Estimate(Displayed, types.Estimate, frozen=True):
    __doc__ = types.Estimate.__doc__

    def _shown(self) -> Output:
        return model_tables.estimate(self)

    def _short(self) -> str:
        sizes = f"{formatting.size(self.total)} of {formatting.size(self.free)} free"
        return _line(f"Estimate {self.id}", [sizes, "fits" if self.fits else "does not fit"])


class Removables(Table[Removable]):
    """Files that no model uses."""

    def _shown(self) -> Output:
        rows = [(i.kind.replace("_", " "), i.name, formatting.size(i.size)) for i in self]
        return output.table(("Kind", "Name", "Size"), rows, empty="There are no unused files.")


def _line(name: str, parts: Iterable[str]) -> str:
    return f"<{name}: {', '.join(filter(None, parts))}>"
