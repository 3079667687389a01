"""Describe the variables of a kernel to a model: type, size, and the head of the value.

JupyterLab sends the text of this file to a kernel and evaluates `listing` there, also where our
package is not installed. So it is one file that imports only the standard library, runs on Python
3.10 and later, and leaves nothing behind.

Values may be huge, lazy, remote, on a GPU or broken. So no code of the user's classes is run:
`__repr__`, `__len__`, properties and even `__class__` are not used, and types are compared by
identity, because a metaclass may define `==` and `hash`. Only values of known types are read, and
only their first items. A class is of a package if the package has it under its name.
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
from collections.abc import Iterable, Mapping
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
SHOWN = (range, type(...), datetime.date, datetime.timedelta, decimal.Decimal, uuid.UUID)
PATHS = (
    pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePosixPath, pathlib.PureWindowsPath,
)  # fmt: skip
#: Packages with time zones.
ZONES = ("dateutil", "pytz", "zoneinfo")
#: What the class of a zone of pytz has.
PYTZ_DATA = {"__doc__", "__module__", "zone", "_utc_transition_times", "_transition_info",
             "_utcoffset", "_tzname"}  # fmt: skip
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


_MODULE_NAMES = vars(types.ModuleType)["__dict__"]


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
        module = value.__module__
        return not (type(module) is str and module == "__main__")
    if _is_one_of(type, _bases(type(value))):  # a class
        return _module_of(value) != "__main__"
    return _is_one_of(type(value), (types.ModuleType, types.BuiltinFunctionType))


def _is_one_of(kind: Any, kinds: Iterable[Any]) -> bool:
    """Return whether a type is one of `kinds`, without `==` and `hash` of its metaclass."""
    return any(kind is other for other in kinds)


def _bases(kind: type) -> tuple[type, ...]:
    bases: tuple[type, ...] = type.__dict__["__mro__"].__get__(kind)
    return bases


def _module_of(kind: type) -> str:
    """Return the module of a class, without running code of its metaclass."""
    module = type.__dict__["__module__"].__get__(kind)
    return module if type(module) is str else ""


def _package_of(kind: type) -> str:
    """Return the package that a class is in, or '' if its module does not have it.

    Any class can say that it is in `numpy`.
    """
    name = _module_of(kind)
    module = sys.modules.get(name)
    is_module = _is_one_of(types.ModuleType, _bases(type(module)))
    found: Any = _MODULE_NAMES.__get__(module) if is_module else {}
    first, *inner = _qualname(kind).split(".")
    found = found.get(first)
    for part in inner:
        is_class = _is_one_of(type, _bases(type(found)))
        found = _namespace_of(found).get(part) if is_class else None
    return name.partition(".")[0] if found is kind else ""


def _namespace_of(kind: type) -> Mapping[str, Any]:
    namespace: Mapping[str, Any] = type.__dict__["__dict__"].__get__(kind)
    return namespace


def _qualname(kind: type) -> str:
    name = type.__dict__["__qualname__"].__get__(kind)
    return name if type(name) is str else "object"


def _type_name(kind: type) -> str:
    name = _qualname(kind)
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
        package = _package_of(kind)
        if package in SHAPED:
            return self._array_or_table(value, package)
        if kind is types.FunctionType:
            return "", _signature(value)
        size = _size(value)
        if (kind is str or kind is bytes) and is_chosen:
            return size, _cut(repr(value[: MAX_TEXT + 1]), MAX_TEXT)
        return size, _cut(self._text(value, MAX_DEPTH, MAX_TEXT), MAX_TEXT)

    def _text(self, value: Any, depth: int, limit: int = MAX_ITEM) -> str:
        """Return a value as text; '' if only its type is known."""
        kind = type(value)
        if kind is str or kind is bytes:
            text = value if kind is str else value[:10_000].decode("latin-1")
            return HIDDEN if self._is_secret_text(text) else _cut(repr(value[: limit + 1]), limit)
        if kind is int and value.bit_length() > MAX_BITS:
            return f"<integer of {value.bit_length():,} bits>"
        if _is_one_of(kind, PLAIN) or _is_one_of(kind, SHOWN) or _is_plain_path(value):
            return _cut(repr(value), limit)
        if kind is fractions.Fraction:
            return f"Fraction({self._item(value.numerator, 1)}, {self._item(value.denominator, 1)})"
        if kind is datetime.datetime or kind is datetime.time:
            return _time(value)
        if kind is datetime.timezone:
            return _zone(value)
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
        fields = _fields(type(value)) if base is tuple else ()
        if fields:
            return self._record(fields, tuple.__getitem__(value, slice(0, MAX_ITEMS)), more, depth)
        first, last = BRACKETS[base]
        items = itertools.islice(base.__iter__(value), MAX_ITEMS)  # type: ignore[attr-defined]
        return f"{first}{', '.join(self._item(item, depth) for item in items)}{more}{last}"

    def _record(self, names: tuple[str, ...], values: Any, more: str, depth: int) -> str:
        """Return values with the names of their fields."""
        inner = ", ".join(
            f"{name}={HIDDEN if _names_secret(name, value) else self._item(value, depth)}"
            for name, value in zip(names, values)  # noqa: B905
        )
        return f"({inner}{more})"

    def _item(self, value: Any, depth: int) -> str:
        return self._text(value, depth - 1) or f"<{_type_name(type(value))}>"

    def _scalar(self, value: Any) -> str:
        """Return a number of NumPy, or a date of pandas."""
        kind = type(value)
        package, name = _package_of(kind), _qualname(kind)
        if package == "pandas" and name in ("Timestamp", "Timedelta", "NaTType", "NAType"):
            return str(value) if name != "Timestamp" or _is_known_zone(value.tzinfo) else ""
        numpy = sys.modules.get("numpy")
        if package == "numpy" and numpy is not None and _is_one_of(numpy.generic, _bases(kind)):
            if value.dtype.names is not None:
                return self._fields_of(value, MAX_DEPTH)
            item = value.item()
            return self._text(item, 1) if _is_one_of(type(item), PLAIN) else str(value)
        return ""

    def _fields_of(self, row: Any, depth: int) -> str:
        """Return a row of a structured array with the names of its fields."""
        names = row.dtype.names
        more = ", ..." if len(names) > MAX_ITEMS else ""
        values = []
        for name in names[:MAX_ITEMS]:
            # A column with a name of a secret is text, or may be.
            value = row[name]
            values.append(HIDDEN if _names_secret(name, "") else self._field(value, depth - 1))
        pairs = zip(names, values)  # noqa: B905
        return f"({', '.join(f'{_clean(name)}={value}' for name, value in pairs)}{more})"

    def _field(self, value: Any, depth: int) -> str:
        kind = type(value)
        if _package_of(kind) == "numpy" and getattr(value, "dtype", None) is not None:
            if value.dtype.names is not None:
                return self._fields_of(value, depth) if value.ndim == 0 and depth > 0 else "..."
            if value.ndim > 0:
                return self._item(value[(slice(0, 3),) * value.ndim].tolist(), 2)
        return self._item(value, 2)

    def _array_or_table(self, value: Any, package: str) -> tuple[str, str]:
        name = _qualname(type(value))
        if package in ("pandas", "geopandas") and name in (
            "DataFrame", "GeoDataFrame", "Series", "GeoSeries",
        ):  # fmt: skip
            if not _has_known_columns(value):
                return "", ""
            if name.endswith("DataFrame"):
                return _rows_and_columns(value.shape), self._table(value)
            return _values(value), self._series(value.name, list(value.iloc[:MAX_ITEMS]))
        if package == "polars" and name == "DataFrame":
            return _rows_and_columns(value.shape), self._polars_table(value)
        if package == "polars" and name == "Series":
            return _values(value), self._series(value.name, value.head(MAX_ITEMS).to_list())
        scalar = self._scalar(value)
        if scalar:
            return "", scalar
        shape = _shape(value)
        if shape is None:
            return "", ""
        dtype = getattr(value, "dtype", None)
        parts = [f"shape {shape}", _kind(dtype), _attribute(value, "device")]
        size = ", ".join(part for part in parts if part not in ("", "cpu"))
        return size, self._array(value, package, shape)

    def _array(self, value: Any, package: str, shape: tuple[int, ...]) -> str:
        """Return the first values of an array in memory, without waiting for a GPU."""
        name = _qualname(type(value))
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
        is_cut = any(size > width for size in shape)
        if package == "numpy" and value.dtype.names is not None:
            rows = [self._field(row, MAX_DEPTH) for row in head.reshape(-1)[:MAX_ITEMS]]
            return _cut(f"[{', '.join(rows)}]{' ...' if is_cut else ''}", MAX_TEXT)
        return self._nested(head.tolist(), is_cut)

    def _nested(self, values: Any, is_cut: bool) -> str:
        text = self._text(values, MAX_DEPTH + 1) if type(values) is list else self._item(values, 2)
        return _cut(f"{text} ..." if is_cut else text, MAX_TEXT)

    def _series(self, name: Any, values: list[Any]) -> str:
        return HIDDEN if _names_secret(name, "") else self._text(values, 2)

    def _table(self, frame: Any) -> str:
        """Return the first rows of a DataFrame of pandas. Its own text shows any object in it."""
        width = min(frame.shape[1], MAX_COLUMNS)
        names = [frame.columns[number] for number in range(width)]
        head = frame.iloc[:MAX_ROWS]
        columns = [list(head.iloc[:, number]) for number in range(width)]
        kinds = [_kind(kind) for kind in frame.dtypes.iloc[:width]]
        is_secret = any(_names_secret(name, "") for name in frame.index.names)
        index = [None] * len(head.index) if is_secret else list(head.index)
        return self._grid(names, kinds, columns, index, frame.shape)

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
    """Return whether a name, or a part of one in a tuple, says that `value` is a secret."""
    if type(name) is tuple:
        return any(_names_secret(part, value) for part in name)
    if type(name) is bytes:
        name = name[:200].decode("latin-1")
    if type(name) is not str:
        return False
    words = re.split(r"[\W\d_]+", re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name[:200]).lower())
    if SECRET_WORDS.intersection(words):
        return True
    if any(a in KEY_WORDS and b in ("key", "keys") for a, b in itertools.pairwise(words)):
        return True
    kind = type(value)
    is_text = _is_one_of(kind, (str, bytes, dict)) or _container(kind) is None
    is_number = _is_one_of(kind, (bool, int, float, complex, type(None)))
    return bool(TEXT_WORDS.intersection(words)) and is_text and not is_number


def _container(kind: type) -> type | None:
    """Return the built-in class that a container is an instance of, or None."""
    for base in _bases(kind):
        if base is dict or _is_one_of(base, BRACKETS):
            return base
    return None


def _fields(kind: type) -> tuple[str, ...]:
    """Return the names of the fields of a named tuple."""
    for base in _bases(kind):
        fields = _namespace_of(base).get("_fields")
        if type(fields) is tuple and all(type(name) is str for name in fields):
            return fields
    return ()


def _is_plain_path(value: Any) -> bool:
    """Return whether a value is a path of plain strings; Python 3.12 keeps subclasses."""
    return _is_one_of(type(value), PATHS) and all(
        type(part) is str for part in getattr(value, "_raw_paths", ())
    )


def _time(value: Any) -> str:
    """Return a time, without code of its time zone."""
    zone = value.tzinfo
    if zone is None:
        return repr(value)
    return f"{repr(value.replace(tzinfo=None))[:-1]}, tzinfo={_zone(zone)})"


def _zone(zone: Any) -> str:
    if zone is datetime.timezone.utc:  # noqa: UP017
        return "datetime.timezone.utc"
    if _is_known_zone(zone):
        return repr(zone)
    return f"<{_type_name(type(zone))}>"


def _is_known_zone(zone: Any) -> bool:
    """Return whether a time zone is None or of a well-known package."""
    if type(zone) is datetime.timezone:
        # Its offset and its name may be of subclasses. A name is not written.
        offset = datetime.timezone.utcoffset(zone, None)
        name = datetime.timezone.__getinitargs__(zone)[1:]  # type: ignore[attr-defined]
        return type(offset) is datetime.timedelta and all(type(text) is str for text in name)
    kind = type(zone)
    if zone is None or _package_of(kind) in ZONES:
        return True
    # pytz makes a class for each zone, with data only.
    base = _bases(kind)[1]
    return _package_of(base) == "pytz" and PYTZ_DATA.issuperset(_namespace_of(kind))


def _has_known_columns(value: Any) -> bool:
    """Return whether the columns and the index of a table of pandas are of known packages."""
    indexes = [value.index] + ([value.columns] if value.ndim == 2 else [])
    arrays = [block.values for block in value._mgr.blocks]
    return all(map(_is_known_array, arrays)) and all(map(_is_known_index, indexes))


def _is_known_array(values: Any) -> bool:
    """Return whether items of a column can be read without code of its type or its time zone."""
    if _package_of(type(values)) not in SHAPED:
        return False
    name = _qualname(type(values))
    if name == "Categorical":
        return _is_known_index(values.categories)
    return name != "DatetimeArray" or _is_known_zone(values.tz)


def _is_known_index(index: Any) -> bool:
    if _package_of(type(index)) not in SHAPED:
        return False
    name = _qualname(type(index))
    if name == "MultiIndex":
        return all(_is_known_index(level) for level in index.levels)
    return name == "RangeIndex" or _is_known_array(index._data)


def _kind(dtype: Any) -> str:
    """Return the type of the values of an array or a column."""
    if dtype is None or callable(dtype):
        return ""
    names = getattr(dtype, "names", None)
    if type(names) is tuple:  # a title of a field may be any object
        return _cut(f"({', '.join(f'{n}: {_kind(dtype.fields[n][0])}' for n in names)})", MAX_TEXT)
    name = _qualname(type(dtype))
    if name in ("ArrowDtype", "DatetimeTZDtype", "IntervalDtype", "SparseDtype", "StringDType"):
        return name  # their texts contain other objects
    return _cut(str(dtype), MAX_ITEM)


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
    return f"{int(series.shape[0])} values, {_kind(series.dtype)}"


def _attribute(value: Any, name: str) -> str:
    found = getattr(value, name, None)
    return "" if found is None or callable(found) else _cut(str(found), MAX_ITEM)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."
