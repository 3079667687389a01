"""Render texts, tables and facts as text for terminals and HTML for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> Output:
    """Render a table, or the sentence `empty` if there are no rows."""
    if not rows:
        return note(empty)
    head = "".join(_cell("th", header, scope="col") for header in headers)
    body = "".join(f"<tr>{''.join(_cell('td', cell) for cell in row)}</tr>\n" for row in rows)
    html = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>"
    return Output(formatting.columns((headers, *rows)), html)


def _cell(tag: str, text: str, *, scope: str = "") -> str:
    # JupyterLab aligns the cells of HTML tables to the right.
    attributes = (f' scope="{scope}"' if scope else "") + ' style="text-align: left"'
    return f"<{tag}{attributes}>{escape(text)}{_bar(text)}</{tag}>"


def _bar(text: str) -> str:
    if not isinstance(text, Gauge):
        return ""
    # Colors that front ends keep in untrusted notebooks, and that fit light and dark themes.
    filled = f"width: {text.share:.0%}; height: 3px; background: #1e88e5"
    whole = "height: 3px; background: rgba(128, 128, 128, 0.3)"
    return f'<div style="{whole}"><div style="{filled}"></div></div>'


def facts(pairs: Iterable[tuple[str, str]]) -> Output:
    """Render names and values as a table of two columns, omitting pairs without a value."""
    shown = [(name, value) for name, value in pairs if value]
    width = max(len(name) for name, _ in shown) + 1
    text = "\n".join(f"{f'{name}:'.ljust(width)}  {value}" for name, value in shown)
    rows = "".join(
        f"<tr>{_cell('th', name, scope='row')}{_cell('td', value)}</tr>\n" for name, value in shown
    )
    return Output(text, f"<table>\n<tbody>\n{rows}</tbody>\n</table>")


def stack(outputs: Iterable[Output]) -> Output:
    """Join outputs vertically."""
    parts = list(outputs)
    return Output("\n\n".join(part.text for part in parts), "\n".join(part.html for part in parts))
