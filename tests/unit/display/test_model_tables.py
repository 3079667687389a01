"""Test the text and HTML of command results."""

from __future__ import annotations

import re

import msgspec
import pytest
from IPython.lib.pretty import pretty

from a3s_power_jupyter.contract.types import Estimate, Model
from a3s_power_jupyter.display import formatting, model_tables, output

NOW = 1_000_000.0


def model(**changes: object) -> Model:
    wire = {
        "id": "smol_lm|2",
        "created": 1,
        "format": "gguf",
        "size_bytes": 98_100_000,
        "size": 98_100_000,
        "state": "loaded",
        "loaded": True,
        "parameters": {"family": "llama", "parameter_count": 134_515_008, "quantization": "Q4_1"},
        "default_parameters": {"num_ctx": 2048, "temperature": 0.2},
        "capabilities": ["completion", "chat"],
        "source": {"path": "/models/a_b*.gguf"},
        "pinned": False,
        "context_length": 8192,
        "num_ctx": 2048,
        "memory_bytes": 212_000_000,
        "device": "cpu",
        "expires_at": NOW + 240,
    }
    return msgspec.convert({**wire, **changes}, Model)


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (98_100_000, "98.1 MB"),
        (999_600, "1.0 MB"),
        (376_176_640, "376 MB"),
        (4_661_224_676, "4.7 GB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_sizes(count: int, shown: str) -> None:
    assert formatting.size(count) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(134_515_008, "135 M"), (8_030_261_248, "8.0 B"), (999, "999")]
)
def test_parameter_counts(count: int, shown: str) -> None:
    assert formatting.parameter_count(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (299.9, "5 min"),
        (3590, "1 h"),
        (86300, "1 d"),
        (2e5, "2 d"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert formatting.duration(seconds) == shown


# The same numbers as in labextension/test/views/format.test.js.
def test_tokens_rates_and_times() -> None:
    counts = {0: "0", 999: "999", 1712: "1.7k", 8192: "8.2k", 131_072: "131k"}
    for count, shown in counts.items():
        assert formatting.tokens(count) == shown
    rates = map(formatting.rate, (0, 0.05, 0.25, 9.94, 9.95, 44.5, 1333.3))
    shown_rates = ["<0.1", "0.1", "0.3", "9.9", "10", "45", "1,333"]
    assert [*rates] == [f"{shown} tokens/s" for shown in shown_rates]
    seconds = map(formatting.seconds, (0.04, 0.15, 9.94, 9.95, 59.6))
    assert [*seconds] == ["<0.1 s", "0.2 s", "9.9 s", "10 s", "1 min"]


@pytest.mark.parametrize(
    ("changes", "description"),
    [
        ({}, "loaded, 4 min left"),
        ({"expires_at": msgspec.UNSET}, "loaded, does not expire"),
        ({"pinned": True}, "loaded, pinned"),
        ({"state": "loading", "progress": 0.4}, "loading 40%"),
        ({"state": "busy"}, "busy"),
        ({"state": "unloaded", "pinned": True}, "unloaded, pinned"),
        ({"state": "failed"}, "failed"),
    ],
)
def test_states(changes: dict[str, object], description: str) -> None:
    given = {name: value for name, value in changes.items() if value is not msgspec.UNSET}
    shown = model(**given)
    if "expires_at" in changes:
        shown = msgspec.structs.replace(shown, expires_at=msgspec.UNSET)
    assert model_tables.state(shown, now=NOW) == description


def test_a_table_is_aligned_text_and_escaped_html() -> None:
    rows = [("a|<b>", "1", ""), ("long name", "22", "x")]
    shown = output.table(("Name", "Size", "Note"), rows, empty="-", numbers=("Size",))
    assert repr(shown) == "Name       Size  Note\na|<b>         1\nlong name    22  x"
    left, right = 'style="text-align: left"', 'style="text-align: right"'
    assert shown._repr_html_() == (
        "<table>\n"
        f'<thead><tr><th scope="col" {left}>Name</th><th scope="col" {right}>Size</th>'
        f'<th scope="col" {left}>Note</th></tr></thead>\n'
        "<tbody>\n"
        f"<tr><td {left}>a|&lt;b&gt;</td><td {right}>1</td><td {left}></td></tr>\n"
        f"<tr><td {left}>long name</td><td {right}>22</td><td {left}>x</td></tr>\n"
        "</tbody>\n</table>"
    )
    assert pretty(shown) == repr(shown)


def test_notes_are_escaped_in_html() -> None:
    shown = output.note("<b>x</b> [a](b) $y$ `c` &lt;\n# e")
    assert repr(shown) == "<b>x</b> [a](b) $y$ `c` &lt;\n# e"
    dollar = "<span>$</span>"  # not math
    assert shown.html == (f"<p>&lt;b&gt;x&lt;/b&gt; [a](b) {dollar}y{dollar} `c` &amp;lt;\n# e</p>")


def test_facts_are_escaped_in_html_and_have_no_control_sequences() -> None:
    shown = output.stack([output.facts([("Error", "\x1b[2J<img src=x>"), ("Empty", "")])])
    assert repr(shown) == "Error:  <img src=x>"
    assert "&lt;img src=x&gt;" in shown.html
    assert "\x1b" not in shown.html


def test_lists_of_models() -> None:
    assert repr(model_tables.models([])).startswith("No models yet")
    assert repr(model_tables.processes([])).startswith("No models are loaded")
    bare = msgspec.json.decode(
        b'{"id":"r","created":1,"format":"remote","size_bytes":0,"size":0,"state":"unloaded",'
        b'"loaded":false,"parameters":{},"default_parameters":{},"capabilities":[],"source":{},'
        b'"pinned":false}',
        type=Model,
    )
    lines = repr(model_tables.models([model(state="busy"), bare])).splitlines()
    whole = ["smol_lm|2", "gguf Q4_1", "98.1 MB", "135 M", "8192", "chat", "busy"]
    assert re.split(r"\s{2,}", lines[1]) == whole
    assert lines[2].split() == ["r", "remote", "unloaded"]
    process = repr(model_tables.processes([model(state="busy")])).splitlines()[1]
    assert process.split() == ["smol_lm|2", "busy", "212", "MB", "cpu", "2048"]


BUSY = {
    "state": "busy",
    "requests_running": 2,
    "requests_waiting": 1,
    "tokens_per_second": 45.2,
    "cache_tokens": 1712,
    "cache_capacity": 8192,
    "prompt_cache_bytes": 34_000_000,
}


def test_ps_shows_what_a_busy_model_does_and_nothing_about_an_idle_one() -> None:
    idle = model(id="idle", expires_at=0, cache_tokens=0, cache_capacity=8192)
    shown = model_tables.processes([model(**BUSY), idle])
    rows = [re.split(r"\s{2,}", line) for line in repr(shown).splitlines()]
    assert rows[0] == ["Name", "State", "Speed", "Memory", "Warm", "Device", "Context"]
    assert rows[1][1:5] == ["2 running, 1 waiting", "45 tokens/s", "212 MB", "34.0 MB"]
    assert rows[1][5:] == ["cpu", "1.7k of 8.2k"]
    assert rows[2] == ["idle", "loaded, 0 s left", "212 MB", "cpu", "2048"]
    assert shown.html.count('<div style="width: ') == 1
    assert '1.7k of 8.2k<div style="height: 3px; ' in shown.html
    assert '<div style="width: 21%; ' in shown.html


def test_the_details_have_the_exact_numbers() -> None:
    text = repr(model_tables.details(model(**BUSY)))
    assert "1,712 of 8,192 tokens in use" in text
    assert "212 MB (34.0 MB for warm conversations)" in text


def test_details_omit_unknown_values() -> None:
    text = repr(model_tables.details(model(state="failed", error={"message": "Out of memory."})))
    for line in (
        "Error:         Out of memory.",
        "Parameters:    135 M",
        "Context:       8192 tokens trained, 2048 loaded",
        "Defaults:      num_ctx=2048, temperature=0.2",
        "File:          /models/a_b*.gguf",
    ):
        assert line in text.splitlines()
    assert "SHA-256" not in text


@pytest.mark.parametrize(
    ("limits", "note"),
    [
        ({"largest_num_ctx": 8192, "context_length": 8192},
         "fits. It was trained with 8192 tokens, and all of them fit."),
        ({"largest_num_ctx": 4096, "context_length": 8192},
         "fits. The largest context that fits has 4096 tokens, of the 8192 that it was trained "
         "with."),
        ({"largest_num_ctx": 4096}, "fits. The largest context that fits has 4096 tokens."),
        ({"largest_num_ctx": 1000, "context_length": 1000, "num_ctx": 4096},
         "fits. It was trained with 1000 tokens. Its answers get worse beyond them."),
        ({"largest_num_ctx": 2000, "context_length": 2000},  # 2048 is 2000, rounded up
         "fits. It was trained with 2000 tokens, and all of them fit."),
        ({"largest_num_ctx": 1000, "context_length": 1000, "num_ctx": 4096, "fits": False},
         "does not fit. It was trained with 1000 tokens, and all of them fit."),
        ({"context_length": 1000, "fits": False}, "does not fit."),
    ],
)  # fmt: skip
def test_an_estimate_says_what_limits_the_context(limits: dict[str, int], note: str) -> None:
    sizes = dict.fromkeys(("weights", "cache", "buffers", "other", "total", "gpu", "free"), 1)
    wire = {"id": "m", "num_ctx": 2048, "source": "header", "fits": True, **sizes, **limits}
    text = repr(model_tables.estimate(msgspec.convert(wire, Estimate)))
    assert text.endswith(f" tokens of context {note}"), text


def test_loading() -> None:
    assert model_tables.loading("a_b", "loading", 0.425) == "Loading a_b: 42%"
    assert (
        model_tables.loading("a", "converting", 0.5)
        == "Converting a to GGUF (first load only): 50%"
    )
    shown = model_tables.loaded(model(pinned=True), seconds=1.26)
    assert shown == "Loaded smol_lm|2 in 1.3 s: on cpu, 2048 tokens of context, pinned."


def test_notes_of_a_model_are_shown() -> None:
    notes = ("It is not converted to GGUF: no such family. It runs on transformers, slower.",)
    assert "no such family" in model_tables.loaded(model(notes=notes), seconds=1.0)
    text = repr(model_tables.details(model(notes=notes, engine="transformers")))
    assert "transformers" in text.split("Engine")[1].splitlines()[0]
    assert "no such family" in text
    converting = model(state="loading", phase="converting", progress=0.5)
    assert model_tables.state(converting) == "converting 50%"


def test_several_upstreams_have_their_states() -> None:
    urls = ["http://a/v1", "http://b/v1"]
    idle = {"base_url": urls[0], "state": "available", "requests_running": 0, "failures": 0}
    failed = {"base_url": urls[1], "state": "failed", "requests_running": 1, "failures": 3}
    remote = model(
        format="remote",
        upstream={"base_url": urls, "model": "m"},
        upstreams=[idle, {**failed, "error": {"message": "Refused."}}],
    )
    text = pretty(model_tables.details(remote))
    assert "http://a/v1: available\n" in text
    assert "http://b/v1: failed, 1 running, 3 failed. Refused." in text
    assert "1 of 2 upstreams" in pretty(model_tables.processes([remote]))
