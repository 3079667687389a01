"""Hostile variables, and secrets within values, in a kernel's list of variables."""

from __future__ import annotations

import collections
import datetime
import fractions
import pathlib
import zoneinfo
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from a3s_power_jupyter.display import variables

touched: list[str] = []


@pytest.fixture(autouse=True)
def _untouched() -> Iterator[None]:
    """Check that no test runs code of the classes below."""
    touched.clear()
    yield
    assert touched == []


def touch(name: str) -> Any:
    def method(self: object, *args: object) -> Any:
        touched.append(name)
        raise RuntimeError(name)

    return method


DAY = "datetime.datetime(2026, 1, 2, 0, 0"
METHODS = ("__repr__", "__str__", "__format__", "__len__", "__iter__", "__getattr__", "__bool__")


class Zone(datetime.tzinfo):
    """A time zone with code of its own."""

    __repr__ = __str__ = touch("text")
    utcoffset = tzname = dst = touch("zone")


class Offset(datetime.timedelta):
    __repr__ = __str__ = touch("offset")


class Text(str):
    __repr__ = __str__ = __eq__ = __len__ = replace = touch("text")
    __hash__ = str.__hash__


class Meta(type):
    """A class of classes that compares its classes by code of its own."""

    __eq__ = __ne__ = touch("eq")  # type: ignore[assignment]
    __hash__ = touch("hash")  # type: ignore[assignment]
    __repr__ = touch("repr")


class Compared(metaclass=Meta):
    __repr__ = __len__ = touch("compared")


def fake(module: str, name: str) -> Any:
    """Return an object of a class that says that it is in a package."""
    body = {method: touch(method) for method in METHODS}
    properties = {key: property(touch(key)) for key in ("shape", "dtype", "iloc", "head", "item")}
    return type(name, (), {**body, **properties, "__module__": module})()


def shown(value: Any, name: str = "value") -> tuple[str, str]:
    [found] = variables.describe({name: value})["variables"]
    return found["size"], found["text"]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("numpy", "ndarray"),
        ("numpy", "Mine"),
        ("numpy", "float64"),
        ("numpy.core", "generic"),
        ("pandas", "Timestamp"),
        ("pandas.core.frame", "DataFrame"),
        ("polars", "Series"),
        ("torch", "Tensor"),
        ("jax", "Array"),
        ("xarray", "DataArray"),
        ("zoneinfo", "ZoneInfo"),
    ],
)
def test_a_class_that_names_a_package_is_not_of_it(module: str, name: str) -> None:
    assert shown(fake(module, name)) == ("", "")
    assert shown([fake(module, name)]) == ("1 item", f"[<{module.partition('.')[0]}.{name}>]")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime.datetime(2026, 1, 2, tzinfo=Zone()), f"{DAY}, tzinfo=<Zone>)"),
        (datetime.time(3, tzinfo=Zone()), "datetime.time(3, 0, tzinfo=<Zone>)"),
        (datetime.timezone(Offset(hours=1)), "<datetime.timezone>"),
        (datetime.timezone(datetime.timedelta(hours=1), Text("a")), "<datetime.timezone>"),
        (
            datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
            f"{DAY}, tzinfo=datetime.timezone.utc)",
        ),
        (datetime.time(3), "datetime.time(3, 0)"),
        (fractions.Fraction(1, 3), "Fraction(1, 3)"),
        (pathlib.PurePosixPath("a/b"), "PurePosixPath('a/b')"),
    ],
)  # fmt: skip
def test_times_are_written_without_code_of_their_zone(value: Any, text: str) -> None:
    text = text.replace("<Zone>", f"<{__name__.partition('.')[0]}.Zone>")
    assert shown(value) == ("", text)
    assert shown([value]) == ("1 item", f"[{text}]"[:400])


def test_a_well_known_zone_has_its_name() -> None:
    if zoneinfo.available_timezones():
        value = datetime.datetime(2026, 1, 2, tzinfo=zoneinfo.ZoneInfo("UTC"))
        assert "zoneinfo.ZoneInfo(key='UTC')" in shown(value)[1]


def test_the_types_of_values_are_not_compared_by_their_metaclass() -> None:
    names = {"one": Compared(), "two": [Compared()], "token": Compared(), "kind": Compared}
    found = variables.describe(names)
    assert [v["name"] for v in found["variables"]] == ["one", "two"]  # `kind` is imported
    assert found["secrets"] == ["token"]


def test_odd_modules_and_names_of_functions_and_classes_are_not_used() -> None:
    def function() -> None: ...

    function.__module__ = Compared()  # type: ignore[assignment]
    odd = type("Odd", (), {"__qualname__": Text("numpy.ndarray"), "__module__": "__main__"})()
    found = variables.describe({"function": function, "odd": odd})
    assert [v["type"] for v in found["variables"]] == ["object"]


Account = collections.namedtuple("Account", ["user", "password"])
ROWS = np.array(
    [(1, "hunter2", (2, "hunter3"))],
    dtype=[("n", "i4"), ("password", "U9"), ("inner", [("m", "i4"), ("api_key", "U9")])],
)


@pytest.mark.parametrize(
    "value",
    [
        ROWS,
        ROWS[0],
        ROWS.reshape(1, 1, 1),
        ROWS["inner"],
        [ROWS[0]],
        {"rows": ROWS[0]},
        np.array([[ROWS[0]]], dtype=object),
        Account("ada", "hunter2"),
        [Account("ada", "hunter2")],
        {("user", "password"): "hunter2"},
        {b"password": "hunter2"},
        {"login": {"db-password": "hunter2"}},
    ],
)
def test_a_field_with_the_name_of_a_secret_is_left_out(value: Any) -> None:
    size, text = shown(value)
    assert "hunter" not in size + text
    assert variables.HIDDEN[1:-1] in text


def test_a_structured_array_has_the_names_and_types_of_its_fields() -> None:
    rows = np.array([(1, 2.5), (3, 4.5)], dtype=[("n", "i4"), ("x", "f8")])
    assert shown(rows) == ("shape (2,), (n: int32, x: float64)", "[(n=1, x=2.5), (n=3, x=4.5)]")
    titled = np.zeros(
        1, dtype=np.dtype({"names": ["a"], "formats": ["i4"], "titles": [Compared()]})
    )
    assert shown(titled)[0] == "shape (1,), (a: int32)"
