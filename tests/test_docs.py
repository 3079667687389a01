"""What the code offers is what the documentation describes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

from a3s_power_jupyter.environment import _READERS
from a3s_power_jupyter.errors import BY_CODE
from a3s_power_jupyter.extension import PowerApp
from a3s_power_jupyter.handlers import metrics
from a3s_power_jupyter.magics.parser import line_parser
from a3s_power_jupyter.parameters import DefaultParameters

ROOT = Path(__file__).parents[1]


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_every_error_code(code: str) -> None:
    rows = [line for line in page("errors").splitlines() if f"`{code}`" in line]
    assert any(row.startswith(f"| {BY_CODE[code].status} |") for row in rows)


def test_every_trait() -> None:
    own = [name for name in PowerApp.class_own_traits(config=True) if not name.startswith("_")]
    assert [name for name in own if f"`PowerApp.{name}`" not in page("configuration")] == []


def test_every_variable() -> None:
    assert [name for name in _READERS if f"`{name}`" not in page("configuration")] == []


def test_every_parameter_of_a_model() -> None:
    fields = DefaultParameters.__struct_fields__
    assert [name for name in fields if f"`{name}`" not in page("configuration")] == []


def test_every_metric() -> None:
    collectors = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
    names = [family.name for collector in collectors for family in collector.describe()]
    assert len(names) > 10
    assert [name for name in names if f"`{name}" not in page("configuration")] == []


def test_every_command() -> None:
    actions = [a for a in line_parser().arguments if a.choices and a.dest != "command"]
    commands = [name for action in actions for name in action.choices or ()]
    assert "register" in commands
    assert [name for name in commands if f"`%power {name}" not in page("use")] == []


def test_every_link_leads_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    links = [
        (source, target)
        for source in pages
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", source.read_text(encoding="utf-8"))
    ]
    assert links
    assert [f"{s.name} -> {t}" for s, t in links if not (s.parent / t).exists()] == []
