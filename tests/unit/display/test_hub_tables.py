"""Tables of the hub's repositories as text and HTML."""

from __future__ import annotations

from a3s_power_jupyter.contract.types import (
    HubModel,
    HubRepository,
    QuantizedOnLoad,
    Variant,
)
from a3s_power_jupyter.display import hub_tables

MODEL = HubModel(
    id="ada/model-GGUF",
    formats=("gguf", "safetensors"),
    downloads=1_234_567,
    likes=89,
    license="apache-2.0",
    gated="auto",
    parameter_count=135_000_000,
    installed=True,
)


def test_the_results_of_a_search() -> None:
    shown = hub_tables.repositories([MODEL, HubModel("b/<img src=x>", ("gguf",))])
    first, row, other = repr(shown).splitlines()
    assert first.split() == ["Name", "Format", "Parameters", "Downloads", "Likes", "License"]
    assert " ".join(row.split()) == (
        "ada/model-GGUF gguf, safetensors 135 M 1,234,567 89 apache-2.0 gated, pulled"
    )
    assert other.startswith("b/<img src=x>")
    assert "<img" not in shown.html


def test_a_search_without_results_says_what_to_do() -> None:
    assert "Try fewer or other words" in repr(hub_tables.repositories([]))


def test_a_repository_with_its_models() -> None:
    quantized = (
        QuantizedOnLoad("Q4K", 5_000_000_000, "memory"),
        QuantizedOnLoad("none", 16_000_000_000, "too_large"),
    )
    found = HubRepository(
        id="ada/model-GGUF",
        formats=("gguf", "safetensors"),
        num_ctx=4096,
        revision="c" * 40,
        note="ada/model-GGUF is gated.",
        variants=(
            Variant("ada/model-GGUF:Q4_K_M", "Q4_K_M", "gguf", 10**9, memory_bytes=2 * 10**9,
                    fit="gpu", recommended=True, installed="mine"),
            Variant("ada/model-GGUF:Q8_0", "Q8_0", "gguf", 2 * 10**9),
            Variant("ada/model-GGUF", "BF16", "safetensors", 10**10, memory_bytes=9 * 10**9,
                    fit="memory", quantized=quantized, installed="ada/model-GGUF"),
        ),
    )  # fmt: skip
    text = repr(hub_tables.repository(found))
    words = [line.split() for line in text.splitlines()]
    assert ["Format:", "gguf,", "safetensors"] in words
    assert ["Model", "Size", "Memory", "with", "4096", "tokens", "Fits"] in words
    assert "ada/model-GGUF:Q4_K_M 1.0 GB 2.0 GB on the GPU recommended, here as mine" in [
        " ".join(line) for line in words
    ]
    assert ["ada/model-GGUF:Q8_0", "2.0", "GB", "unknown"] in words
    assert ["loaded", "with", "isq=none", "16.0", "GB", "too", "large"] in words
    assert text.endswith("ada/model-GGUF is gated.")
