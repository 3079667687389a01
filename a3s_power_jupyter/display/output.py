"""Render texts, tables and facts as text for terminals and HTML for notebooks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ..contract.text import printable
from . import formatting
from .markup import escape


@dataclass(frozen=True)
class Output:
    """Result of a command, as plain text and as HTML. The front end selects the form."""

    text: str
    html: str

    def __repr__(self) -> str:
        return printable(self.text)

    def _repr_html_(self) -> str:
        return self.html


def note(text: str) -> Output:
    """Render plain text."""
    return Output(text, f"<p>{escape(text)}</p>")


def preformatted(text: str) -> Output:
    """Render text of which line breaks and spaces matter."""
    return Output(text, f'<pre style="white-space: pre-wrap">{escape(text)}</pre>')


class Gauge(str):
    """Text of a cell with a bar below it in HTML. `share` is the bar's length, from 0 to 1."""

    share: float

    def __new__(cls, text: str, share: float) -> Gauge:
        gauge = super().__new__(cls, text)
        gauge.share = share
        return gauge


def table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    empty: str,
    numbers: Collection[str] = (),
) -> Output:
    """Render a table, or the sentence `empty` if there are no rows.

    Texts begin on the left. The columns with a header in `numbers` end on the right.
    """
    if not rows:
        return note(empty)
    sides = ["right" if header in numbers else "left" for header in headers]
    head = "".join(
        _cell("th", header, side, scope="col") for header, side in zip(headers, sides, strict=True)
    )
    body = "".join(f"<tr>{_cells(row, sides)}</tr>\n" for row in rows)
    html = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>"
    return Output(formatting.columns(headers, rows, numbers), html)


def _cells(row: Sequence[str], sides: Sequence[str]) -> str:
    return "".join(_cell("td", cell, side) for cell, side in zip(row, sides, strict=True))


def _cell(tag: str, text: str, side: str, *, scope: str = "") -> str:
    # Front ends have different defaults: JupyterLab aligns the cells of HTML tables to the right.
    attributes = (f' scope="{scope}"' if scope else "") + f' style="text-align: {side}"'
    return f"<{tag}{attributes}>{escape(text)}{_bar(text)}</{tag}>"


def _bar(text: str) -> str:
    if not isinstance(text, Gauge):
        return ""
    # Colors that front ends keep in untrusted notebooks, and that fit light and dark themes.
    filled = f"width: {text.share:.0%}; height: 3px; background: #1e88e5"
    whole = "height: 3px; background: rgba(128, 128, 128, 0.3)"
    return f'<div style="{whole}"><div style="{filled}"></div></div>'


def facts(pairs: Iterable[tuple[str, str]], *, numbers: bool = False) -> Output:
    """Render names and values as a table of two columns, omitting pairs without a value.

    Values end on the right if they are `numbers`.
    """
    shown = [(name, value) for name, value in pairs if value]
    width = max(len(name) for name, _ in shown) + 1
    digits = max(len(value) for _, value in shown) if numbers else 0
    text = "\n".join(f"{f'{name}:'.ljust(width)}  {value.rjust(digits)}" for name, value in shown)
    side = "right" if numbers else "left"
    rows = "".join(
        f"<tr>{_cell('th', name, 'left', scope='row')}{_cell('td', value, side)}</tr>\n"
        for name, value in shown
    )
    return Output(text, f"<table>\n<tbody>\n{rows}</tbody>\n</table>")


def stack(outputs: Iterable[Output]) -> Output:
    """Join outputs vertically."""
    parts = list(outputs)
    return Output("\n\n".join(part.text for part in parts), "\n".join(part.html for part in parts))
