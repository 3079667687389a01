"""Test how results of the client are displayed in notebooks, in terminals and by `print`."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from IPython.lib.pretty import pretty

from a3s_power_jupyter.client import Health
from a3s_power_jupyter.client.results import (
    Estimate,
    LoadedModels,
    Model,
    Models,
    Pulls,
    PullStatus,
    Removables,
)
from a3s_power_jupyter.contract.types import Removable

SOURCE = {"path": "/models/<b>.gguf"}
MODEL = {
    "id": "smollm2",
    "created": 1,
    "format": "gguf",
    "size_bytes": 98_400_000,
    "size": 98_400_000,
    "state": "loaded",
    "loaded": True,
    "parameters": {"quantization": "Q4_1"},
    "default_parameters": {},
    "capabilities": ["chat"],
    "source": SOURCE,
    "pinned": True,
}
model = msgspec.convert(MODEL, Model)
status = msgspec.convert(
    {"name": "a/b:Q4", "status": "failed", "started_at": 1.0, "completed": 5, "total": 10,
     "error": {"message": "The disk <is> full."}},
    PullStatus,
)  # fmt: skip
estimate = Estimate("smollm2", 2048, 1, 2, 3, 4, 10, 0, "header", free=100, fits=True)
health = Health("ok", "1.2", 120.0, ["smollm2"], [], {}, "/home", ["/shared"], ["Install <x>."])


@pytest.mark.parametrize(
    ("value", "short"),
    [
        (model, "<Model smollm2: gguf Q4_1, 98.4 MB, loaded, pinned>"),
        (status, "<PullStatus a/b:Q4: failed, 5 B of 10 B>"),
        (estimate, "<Estimate smollm2: 10 B of 100 B free, fits>"),
        (health, "<Health: ok, version 1.2, up for 2 min, loaded: smollm2>"),
    ],
)
def test_objects_have_a_short_repr_and_full_displays(value: Any, short: str) -> None:
    assert repr(value) == short
    assert pretty(value) != short
    html = value._repr_html_()
    for hidden in ("<b>", "<is>", "<x>"):
        assert hidden not in html
    assert isinstance(value, msgspec.Struct)
    assert msgspec.json.encode(value)  # it still has its fields only


def test_details() -> None:
    assert "State:         loaded, pinned\n" in pretty(model)
    assert '<th scope="row" style="text-align: left">State</th>' in model._repr_html_()
    assert "The disk <is> full." in pretty(status)
    assert "&lt;is&gt;" in status._repr_html_()
    assert "smollm2 with 2048 tokens of context fits." in pretty(estimate)
    assert "Shared store:  /shared\n" in pretty(health)
    assert "Install <x>." in pretty(health)


@pytest.mark.parametrize(
    ("values", "head", "row"),
    [
        (Models([model]), "Name     Format", "smollm2  gguf Q4_1"),
        (LoadedModels([model]), "Name     State", "smollm2  loaded, pinned"),
        (Pulls([status]), "Name    Status", "a/b:Q4  failed"),
        (Removables([Removable("orphan_blob", "f", 5)]), "Kind         Name", "orphan blob  f"),
    ],
)
def test_lists_are_tables(values: Any, head: str, row: str) -> None:
    for shown in (repr(values), str(values), pretty(values)):
        first, second = shown.splitlines()
        assert first.startswith(head)
        assert second.startswith(row)
    assert '<th scope="col"' in values._repr_html_()


def test_lists_stay_lists() -> None:
    models = Models([model])
    assert models == [model]
    assert isinstance(models, list)
    assert models[0] is model
    assert not Models()


@pytest.mark.parametrize("kind", [Models, LoadedModels, Pulls, Removables])
def test_empty_lists_are_a_sentence(kind: Any) -> None:
    assert repr(kind()).endswith(".")
    assert kind()._repr_html_().startswith("<p>")


def test_slices_and_copies_are_tables_and_lists_with_other_elements_are_not() -> None:
    models = Models([model, model])
    for part in (models[:1], models[::-1], models.copy()):
        assert isinstance(part, Models)
        assert "<table" in (part._repr_html_() or "")
    assert models[0] is model
    mixed = Models([model])
    mixed.append("a note")  # type: ignore[arg-type]
    assert mixed._repr_html_() is None
    assert repr(mixed) == f"[{model!r}, 'a note']"
    assert pretty(mixed) == repr(mixed)
