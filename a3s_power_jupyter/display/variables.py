"""Describe the variables of a kernel to a model: type, size, and the head of the value.

JupyterLab sends the text of this file to a kernel and evaluates `listing` there, also where our
package is not installed. So it is one file that imports only the standard library, runs on Python
3.10 and later, and leaves nothing behind.

Values may be huge, lazy, remote, on a GPU or broken. So no code of the user's classes is run:
`__repr__`, `__len__`, properties and even `__class__` are not used. Only values of known types are
read, and only their first items.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import itertools
import os
import pathlib
import re
import sys
import time
import types
import uuid
from typing import Any

#: Seconds after which variables are listed without their values.
MAX_SECONDS = 1.0
#: Most variables with a value, and most variables at all.
MAX_VALUES = 200
MAX_NAMES = 1000
#: Characters of a value, of an item in a container, and of the values of all variables.
MAX_TEXT = 400
MAX_ITEM = 60
MAX_ALL = 100_000
#: Items of a container, rows and columns of a table, and values in a row of an array.
MAX_ITEMS = 8
MAX_ROWS = 5
MAX_COLUMNS = 12
#: Levels of containers in each other.
MAX_DEPTH = 3
#: Bits of an integer. The text of a larger one takes long.
MAX_BITS = 512

IPYTHON_NAMES = {"In", "Out", "get_ipython", "exit", "quit"}
HIDDEN = "<left out: it may be a secret>"

PLAIN = (bool, int, float, complex, str, bytes, type(None))
#: Types of the standard library with a short and harmless text.
SHOWN = (
    range, type(...), datetime.date, datetime.datetime, datetime.time, datetime.timedelta,
    datetime.timezone, decimal.Decimal, fractions.Fraction, pathlib.PosixPath, pathlib.WindowsPath,
    pathlib.PurePosixPath, pathlib.PureWindowsPath, uuid.UUID,
)  # fmt: skip
BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("{", "}"),
    collections.deque: ("[", "]"),
}
#: Packages with arrays and tables that know their shape without computing anything.
SHAPED = ("cudf", "cupy", "geopandas", "jax", "jaxlib", "numpy", "pandas", "polars", "pyarrow",
          "scipy", "tensorflow", "torch", "xarray")  # fmt: skip

#: Words in the name of a secret, and words that only mean one if the value can be text.
SECRET_WORDS = {"apikey", "apikeys", "credential", "credentials", "passphrase", "passwd",
                "password", "passwords", "pwd", "secret", "secrets"}  # fmt: skip
TEXT_WORDS = {
    "auth",
    "authorization",
    "bearer",
    "cookie",
    "cookies",
    "dsn",
    "jwt",
    "oauth",
    "token",
}
#: Words before "key" in the name of a secret.
KEY_WORDS = {
    "access",
    "account",
    "api",
    "auth",
    "encryption",
    "master",
    "private",
    "signing",
    "ssh",
}
#: What well-known tokens and keys look like, and passwords in addresses.
SECRET_TEXT = re.compile(
    r"\b(?:sk|pk|rk)[-_][\w-]{16,}|\bhf_\w{20,}|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}"
    r"|\bglpat-[\w-]{16,}|\bxox[abeprs]-[\w-]{10,}|\bAKIA[0-9A-Z]{16}\b|\bAIza[\w-]{30,}"
    r"|\beyJ[\w-]{10,}\.[\w-]{10,}\.|-----BEGIN [A-Z ]*PRIVATE KEY|\b\w+://[^/\s:@]*:[^/\s@]+@"
    r"|(?i:\bBearer\s+[\w.~+/-]{16,})"
)


class Listing:
    """What is displayed for the expression: only the JSON."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content

    def _repr_mimebundle_(self, **_options: object) -> dict[str, Any]:
        return {"application/json": self.content}


def listing(namespace: dict[str, Any], names: list[str] | None = None) -> Listing:
    """Describe the variables of a kernel for the page; see `describe`."""
    return Listing(describe(namespace, names))


def describe(namespace: dict[str, Any], names: list[str] | None = None) -> dict[str, Any]:
    """Describe variables.

    Parameters
    ----------
    namespace : dict
        The variables of the user.
    names : list of str, optional
        Those to describe. Without it, all that the user has defined, without what may be a secret.

    Returns
    -------
    dict
        `variables`, each with `name`, `type`, `size` and `text`, of which the last two may be '';
        `secrets`, the names that were left out; and `more`, the number of those not listed.
    """
    found = _defined(namespace) if names is None else [n for n in names if n in namespace]
    writer = _Writer()
    variables: list[dict[str, str]] = []
    secrets: list[str] = []
    deadline = time.monotonic() + MAX_SECONDS
    left = MAX_ALL
    for name in found[:MAX_NAMES]:
        value = namespace.get(name)
        if names is None and writer.is_secret(name, value):
            secrets.append(_clean(name))
            continue
        is_brief = time.monotonic() > deadline or left <= 0 or len(variables) >= MAX_VALUES
        try:
            size, text = ("", "") if is_brief else writer.describe(value, is_chosen=bool(names))
        except Exception:  # a broken array or table: its type is all that can be said
            size, text = "", ""
        left -= len(text)
        described = {"name": name, "type": _type_name(type(value)), "size": size, "text": text}
        variables.append({field: _clean(text) for field, text in described.items()})
    return {"variables": variables, "secrets": secrets, "more": max(0, len(found) - MAX_NAMES)}


def _defined(namespace: dict[str, Any]) -> list[str]:
    """Return the names that the user has defined, without imports and the names of IPython."""
    return [
        name
        for name, value in list(namespace.items())
        if type(name) is str
        and not name.startswith("_")
        and name not in IPYTHON_NAMES
        and not _is_imported(value)
    ]


def _is_imported(value: Any) -> bool:
    if type(value) is types.FunctionType:
        return bool(value.__module__ != "__main__")
    if _is_class(value):
        return _module_of(value) != "__main__"
    return type(value) in (types.ModuleType, types.BuiltinFunctionType)


def _is_class(value: Any) -> bool:
    return type in _bases(type(value))


def _bases(kind: type) -> tuple[type, ...]:
    bases: tuple[type, ...] = type.__dict__["__mro__"].__get__(kind)
    return bases


def _module_of(kind: type) -> str:
    """Return the module of a class, without running code of its metaclass."""
    module = type.__dict__["__module__"].__get__(kind)
    return module if type(module) is str else ""


def _type_name(kind: type) -> str:
    name: str = type.__dict__["__qualname__"].__get__(kind)
    package = _module_of(kind).partition(".")[0]
    return name if package in ("", "__main__", "builtins") else f"{package}.{name}"


def _clean(text: str) -> str:
    """Return a text that can be encoded."""
    return text.encode("utf-8", "replace").decode("utf-8")


class _Writer:
    """Writes values, without those that may be secrets."""

    def __init__(self) -> None:
        environment = dict(os.environ)
        self._values = {value for value in environment.values() if len(value) >= 8}
        self._tokens = [
            value
            for name, value in environment.items()
            if len(value) >= 8 and _names_secret(name, "")
        ]

    def is_secret(self, name: str, value: Any) -> bool:
        kind = type(value)
        return (
            _names_secret(name, value)
            or kind is type(os.environ)
            or (kind is str and self._is_secret_text(value))
            or (kind is bytes and self._is_secret_text(value[:10_000].decode("latin-1")))
        )

    def _is_secret_text(self, text: str) -> bool:
        if text in self._values:
            return True
        start = text[:10_000]
        return any(token in start for token in self._tokens) or bool(SECRET_TEXT.search(start))

    def describe(self, value: Any, is_chosen: bool = False) -> tuple[str, str]:
        """Return the size of a value, and its head."""
        kind = type(value)
        package = _module_of(kind).partition(".")[0]
        if package in SHAPED:
            return self._array_or_table(value, package)
        if kind is types.FunctionType:
            return "", _signature(value)
        size = _size(value)
        if kind in (str, bytes) and is_chosen:
            return size, _cut(repr(value[: MAX_TEXT + 1]), MAX_TEXT)
        return size, _cut(self._text(value, MAX_DEPTH, MAX_TEXT), MAX_TEXT)

    def _text(self, value: Any, depth: int, limit: int = MAX_ITEM) -> str:
        """Return a value as text; '' if only its type is known."""
        kind = type(value)
        if kind in (str, bytes):
            text = value if kind is str else value[:10_000].decode("latin-1")
            return HIDDEN if self._is_secret_text(text) else _cut(repr(value[: limit + 1]), limit)
        if kind is int and value.bit_length() > MAX_BITS:
            return f"<integer of {value.bit_length():,} bits>"
        if kind in PLAIN or kind in SHOWN:
            return _cut(repr(value), limit)
        base = _container(kind)
        if base is None:
            return self._scalar(value)
        if depth == 0:
            return "..."
        return self._items(value, base, depth)

    def _items(self, value: Any, base: type, depth: int) -> str:
        """Return the first items of a container, read as its base class does."""
        more = ", ..." if base.__len__(value) > MAX_ITEMS else ""  # type: ignore[attr-defined]
        if base is dict:
            pairs = list(itertools.islice(dict.items(value), MAX_ITEMS))
            inner = ", ".join(
                f"{self._item(key, depth)}: "
                + (HIDDEN if _names_secret(key, item) else self._item(item, depth))
                for key, item in pairs
            )
            return f"{{{inner}{more}}}"
        first, last = BRACKETS[base]
        items = itertools.islice(base.__iter__(value), MAX_ITEMS)  # type: ignore[attr-defined]
        return f"{first}{', '.join(self._item(item, depth) for item in items)}{more}{last}"

    def _item(self, value: Any, depth: int) -> str:
        return self._text(value, depth - 1) or f"<{_type_name(type(value))}>"

    def _scalar(self, value: Any) -> str:
        """Return a number of NumPy, or a date of pandas."""
        kind = type(value)
        name = _type_name(kind)
        if name in ("pandas.Timestamp", "pandas.Timedelta", "pandas.NaTType", "pandas.NAType"):
            return str(value)
        numpy = sys.modules.get("numpy")
        if name.startswith("numpy.") and numpy is not None and numpy.generic in _bases(kind):
            item = value.item()
            return self._text(item, 1) if type(item) in PLAIN else str(value)
        return ""

    def _array_or_table(self, value: Any, package: str) -> tuple[str, str]:
        name = _type_name(type(value)).rpartition(".")[2]
        if package in ("pandas", "geopandas") and name in ("DataFrame", "GeoDataFrame"):
            return _rows_and_columns(value.shape), self._table(value)
        if package in ("pandas", "geopandas") and name in ("Series", "GeoSeries"):
            return _values(value), self._row(value.iloc[:MAX_ITEMS])
        if package == "polars" and name == "DataFrame":
            return _rows_and_columns(value.shape), self._polars_table(value)
        if package == "polars" and name == "Series":
            return _values(value), self._row(value.head(MAX_ITEMS))
        scalar = self._scalar(value)
        if scalar:
            return "", scalar
        shape = _shape(value)
        if shape is None:
            return "", ""
        parts = [f"shape {shape}", _attribute(value, "dtype"), _attribute(value, "device")]
        size = ", ".join(part for part in parts if part not in ("", "cpu"))
        return size, self._array(value, package, shape)

    def _array(self, value: Any, package: str, shape: tuple[int, ...]) -> str:
        """Return the first values of an array in memory, without waiting for a GPU."""
        name = _type_name(type(value)).rpartition(".")[2]
        if package == "torch":
            is_near = value.device.type == "cpu" and str(value.layout) == "torch.strided"
            if name not in ("Tensor", "Parameter") or not is_near:
                return ""
            value = value.detach()
        elif package != "numpy" or name != "ndarray":
            return ""
        width = MAX_ITEMS if len(shape) < 2 else 3
        head = value[tuple(slice(0, width) for _ in shape[:MAX_DEPTH])]
        for _ in shape[MAX_DEPTH:]:
            head = head[..., 0] if 0 not in shape else head
        return self._nested(head.tolist(), any(size > width for size in shape))

    def _nested(self, values: Any, is_cut: bool) -> str:
        text = self._text(values, MAX_DEPTH + 1) if type(values) is list else self._item(values, 2)
        return _cut(f"{text} ..." if is_cut else text, MAX_TEXT)

    def _row(self, values: Any) -> str:
        return self._text(list(values), 2)

    def _table(self, frame: Any) -> str:
        """Return the first rows of a DataFrame of pandas. Its own text shows any object in it."""
        width = min(frame.shape[1], MAX_COLUMNS)
        names = [frame.columns[number] for number in range(width)]
        head = frame.iloc[:MAX_ROWS]
        columns = [list(head.iloc[:, number]) for number in range(width)]
        kinds = [str(kind) for kind in frame.dtypes.iloc[:width]]
        return self._grid(names, kinds, columns, list(head.index), frame.shape)

    def _polars_table(self, frame: Any) -> str:
        head = frame.head(MAX_ROWS)
        columns = [column.to_list() for column in head.get_columns()[:MAX_COLUMNS]]
        kinds = [str(kind) for kind in frame.dtypes[:MAX_COLUMNS]]
        names = frame.columns[:MAX_COLUMNS]
        return self._grid(names, kinds, columns, list(range(head.height)), frame.shape)

    def _grid(
        self,
        names: list[Any],
        kinds: list[str],
        columns: list[list[Any]],
        index: list[Any],
        shape: tuple[int, ...],
    ) -> str:
        """Return a table as lines: the names with their types, then the rows."""
        labels = [self._cell(name) for name in names]
        heads = [f"{label} ({kind})" for label, kind in zip(labels, kinds)]  # noqa: B905
        hidden = [_names_secret(name, "") for name in names]
        lines = ["\t".join(["", *heads]) + ("\t..." if shape[1] > len(names) else "")]
        for row, label in enumerate(index):
            cells = [
                HIDDEN if hidden[number] else self._cell(column[row])
                for number, column in enumerate(columns)
            ]
            lines.append("\t".join([self._cell(label), *cells]))
        return "\n".join(lines)

    def _cell(self, value: Any) -> str:
        if type(value) is str and not self._is_secret_text(value):
            return _cut(" ".join(value[: MAX_ITEM + 1].split()), MAX_ITEM)
        return self._item(value, 2)


def _names_secret(name: Any, value: Any) -> bool:
    """Return whether a name says that `value` is a secret."""
    if type(name) is not str:
        return False
    words = re.split(r"[\W\d_]+", re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name[:200]).lower())
    if SECRET_WORDS.intersection(words):
        return True
    if any(a in KEY_WORDS and b in ("key", "keys") for a, b in itertools.pairwise(words)):
        return True
    is_text = type(value) in (str, bytes, dict) or _container(type(value)) is None
    is_number = type(value) in (bool, int, float, complex, type(None))
    return bool(TEXT_WORDS.intersection(words)) and is_text and not is_number


def _container(kind: type) -> type | None:
    """Return the built-in class that a container is an instance of, or None."""
    for base in _bases(kind):
        if base is dict or base in BRACKETS:
            return base
    return None


def _size(value: Any) -> str:
    kind = type(value)
    if kind is str:
        return f"{len(value)} characters" if len(value) > MAX_ITEM else ""
    if kind is bytes:
        return f"{len(value)} bytes"
    base = _container(kind)
    if base is None:
        return ""
    count = base.__len__(value)  # type: ignore[attr-defined]
    return "1 item" if count == 1 else f"{count} items"


def _signature(function: Any) -> str:
    code = function.__code__
    count = code.co_argcount + code.co_kwonlyargcount
    return f"({', '.join(code.co_varnames[:count])})"


def _rows_and_columns(shape: Any) -> str:
    return f"{int(shape[0])} rows x {int(shape[1])} columns"


def _shape(value: Any) -> tuple[int, ...] | None:
    shape = getattr(value, "shape", None)
    try:
        return tuple(int(size) for size in shape) if shape is not None else None
    except (TypeError, ValueError):  # a shape that is not known yet
        return None


def _values(series: Any) -> str:
    return f"{int(series.shape[0])} values, {series.dtype}"


def _attribute(value: Any, name: str) -> str:
    found = getattr(value, name, None)
    return "" if found is None or callable(found) else _cut(str(found), MAX_ITEM)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."
