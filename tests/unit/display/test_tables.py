"""Columns of numbers end on the right in all tables."""

from __future__ import annotations

import re

import msgspec
import pytest

from a3s_power_jupyter.client.ranking import Match, Ranking
from a3s_power_jupyter.contract.types import (
    Estimate,
    HubModel,
    HubRepository,
    LocalModel,
    LocalModels,
    Model,
    ModelDetails,
    Removable,
    Variant,
)
from a3s_power_jupyter.display import hub_tables, model_tables, source_tables
from a3s_power_jupyter.display.output import Output
from a3s_power_jupyter.service.fits import Machine
from a3s_power_jupyter.service.recommended import recommended
from a3s_power_jupyter.service.recommended_list import built_in_list
from a3s_power_jupyter.widgets import fallback

CELL = re.compile(r'<t[hd][^>]* style="text-align: (?P<side>\w+)">(?P<text>[^<]*)')
NUMBER = re.compile(r"[\d.,]+k?( ([kMGT]?B|M|B|tokens/s))?( of [\d.,]+k?)?")

MODEL = msgspec.convert(
    {
        "id": "smollm2",
        "created": 1,
        "format": "gguf",
        "size_bytes": 98_100_000,
        "size": 98_100_000,
        "state": "busy",
        "loaded": True,
        "parameters": {"parameter_count": 134_515_008},
        "default_parameters": {},
        "capabilities": ["chat"],
        "source": {},
        "pinned": False,
        "context_length": 8192,
        "num_ctx": 2048,
        "memory_bytes": 212_000_000,
        "prompt_cache_bytes": 34_000_000,
        "tokens_per_second": 45.2,
        "device": "cpu",
    },
    Model,
)
DETAILS = ModelDetails()
LOCAL = LocalModels((LocalModel("/m", "a", "gguf", 10**9, "ollama", DETAILS, ()),))
VARIANT = Variant("a/b:Q8_0", "Q8_0", "gguf", 2 * 10**9, memory_bytes=3 * 10**9, fit="memory")
REPOSITORY = HubRepository("a/b", ("gguf",), num_ctx=4096, revision="c", variants=(VARIANT,))
MACHINE = Machine(6 * 10**9)
RECOMMENDED = [recommended(entry, MACHINE, [], 8192) for entry in built_in_list()]
ESTIMATE = Estimate("m", 2048, 98_400_000, 2, 3, 4, 10**9, 0, "header", free=9, fits=False)
RANKING = Ranking([Match(0, 0.5, "x")])
SAVED = fallback.models([MODEL])

TABLES = {
    "models": model_tables.models([MODEL]),
    "processes": model_tables.processes([MODEL]),
    "removables": model_tables.removables([Removable("partial", "f", 5)]),
    "estimate": model_tables.estimate(ESTIMATE),
    "repositories": hub_tables.repositories([HubModel("a/b", ("gguf",), parameter_count=10**9)]),
    "repository": Output("", hub_tables.repository(REPOSITORY).html.split("</table>")[1]),
    "recommended": source_tables.recommended(RECOMMENDED),
    "local models": source_tables.local_models(LOCAL),
    "ranking": Output(repr(RANKING), RANKING._repr_html_()),
    "saved": Output(SAVED["text/plain"], SAVED["text/html"]),
}


@pytest.mark.parametrize("shown", TABLES.values(), ids=TABLES)
def test_numbers_are_on_the_right(shown: Output) -> None:
    cells = [(found["side"], found["text"]) for found in CELL.finditer(shown.html)]
    numbers = [(side, text) for side, text in cells if NUMBER.fullmatch(text)]
    assert numbers
    assert all(side == "right" for side, _ in numbers), numbers


def test_lines_of_text_have_the_alignment_of_the_table() -> None:
    head, row = repr(TABLES["models"]).splitlines()
    for header, cell in (("Size", "98.1 MB"), ("Parameters", "135 M"), ("Context", "8192")):
        assert head.index(header) + len(header) == row.index(cell) + len(cell)
    for header, cell in (("Format", "gguf"), ("Capabilities", "chat"), ("State", "busy")):
        assert head.index(header) == row.index(cell)
    sizes = repr(TABLES["estimate"]).splitlines()[:6]
    assert sizes[:2] == ["Weights:  98.4 MB", "Cache:        2 B"]
    assert len({len(line) for line in sizes}) == 1
