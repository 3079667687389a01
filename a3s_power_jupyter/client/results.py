"""What the client returns, with a display: tables and facts in notebooks, short texts elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Self, SupportsIndex, TypeVar, overload

from msgspec import UNSET

from ..contract import types
from ..contract.text import printable
from ..contract.types import Removable
from ..display import formatting, model_tables, pull_progress
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
    """A list that is displayed as a table, also by `print`; so are its slices and copies.

    With elements of another type, it is displayed as other lists are.
    """

    #: The type of the elements.
    row: ClassVar[type]

    def _shown(self) -> Output:
        raise NotImplementedError

    def __repr__(self) -> str:
        return repr(self._shown()) if self._is_table else super().__repr__()

    def _repr_html_(self) -> str | None:
        return self._shown().html if self._is_table else None

    @property
    def _is_table(self) -> bool:
        return all(isinstance(element, self.row) for element in self)

    @overload
    def __getitem__(self, index: SupportsIndex) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: SupportsIndex | slice) -> T | Self:
        found = super().__getitem__(index)
        return type(self)(found) if isinstance(index, slice) else found  # type: ignore[arg-type,return-value]

    def copy(self) -> Self:
        return type(self)(self)

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
        return line(f"Model {self.id}", [*parts, model_tables.state(self)])


class Models(Table[Model]):
    """All models."""

    row = types.Model

    def _shown(self) -> Output:
        return model_tables.models(self, empty="No models yet. Add one with pull or register.")


class LoadedModels(Table[Model]):
    """The models in memory."""

    row = types.Model

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
        return line(f"PullStatus {self.name}", parts)


class Pulls(Table[PullStatus]):
    """All pulls."""

    row = types.PullStatus

    def _shown(self) -> Output:
        return pull_progress.table(self, empty="No pulls yet. Start one with pull.")


class Estimate(Displayed, types.Estimate, frozen=True):
    __doc__ = types.Estimate.__doc__

    def _shown(self) -> Output:
        return model_tables.estimate(self)

    def _short(self) -> str:
        sizes = f"{formatting.size(self.total)} of {formatting.size(self.free)} free"
        return line(f"Estimate {self.id}", [sizes, "fits" if self.fits else "does not fit"])


class Removables(Table[Removable]):
    """Files that no model uses."""

    row = Removable

    def _shown(self) -> Output:
        return model_tables.removables(self)


def line(name: str, parts: Iterable[str]) -> str:
    """Return a short `repr`: ``<name: part, part>``, without empty parts."""
    return f"<{name}: {', '.join(filter(None, parts))}>"
