"""The memory of a repository's models, which one to choose, and which ones are here."""

from __future__ import annotations

import math

import pytest
from msgspec import UNSET

from a3s_power_jupyter.contract.types import Geometry, Manifest, Source, StoredFile
from a3s_power_jupyter.hub.search.protocol import Candidate, Shape
from a3s_power_jupyter.service.fits import Machine
from a3s_power_jupyter.service.hub_search import Recent
from a3s_power_jupyter.service.variants import formats_of, variants_of

GB = 10**9
SHAPE = Shape(
    "gguf",
    Geometry(layers=32, width=4096, heads=32, cache=32 * 2048, layer_cache=2048, vocabulary=32_000,
             context_length=131_072),
    ("completion", "chat"),
)  # fmt: skip


def gguf(label: str, size: int, *, is_choice: bool = True, known: bool = True) -> Candidate:
    geometry = SHAPE.geometry.__class__(**{**_fields(SHAPE.geometry), "weights": size})
    shape = Shape("gguf", geometry, SHAPE.capabilities) if known else UNSET
    return Candidate(f"ada/m:{label}", label, "gguf", size, size, 1, (f"{label:0>64}",), is_choice,
                     shape)  # fmt: skip


def _fields(geometry: Geometry) -> dict[str, int]:
    return {name: getattr(geometry, name) for name in Geometry.__struct_fields__}


QUANTIZATIONS = [
    gguf("Q4_K_M", 4 * GB),
    gguf("Q8_0", 8 * GB),
    gguf("F16", 15 * GB, is_choice=False),
]


def recommended(
    machine: Machine, candidates: list[Candidate], num_ctx: int | None = None
) -> list[str]:
    found = variants_of(candidates, machine, [], num_ctx)
    return [variant.label for variant in found if variant.recommended]


@pytest.mark.parametrize(
    ("memory", "expected"),
    [(64 * GB, ["Q8_0"]), (10 * GB, ["Q8_0"]), (9 * GB, ["Q4_K_M"]), (4 * GB, []), (0, [])],
)
def test_the_recommended_one_is_what_a_pull_chooses(memory: int, expected: list[str]) -> None:
    assert recommended(Machine(memory), QUANTIZATIONS) == expected


def test_one_that_does_not_fit_with_the_context_is_not_recommended() -> None:
    machine = Machine(11 * GB)
    assert recommended(machine, QUANTIZATIONS, num_ctx=4096) == ["Q8_0"]
    assert recommended(machine, QUANTIZATIONS, num_ctx=32_768) == ["Q4_K_M"]
    assert recommended(machine, QUANTIZATIONS, num_ctx=131_072) == []


def test_the_only_model_is_recommended_if_it_fits() -> None:
    assert recommended(Machine(5 * GB), [gguf("Q4_K_M", 4 * GB)], num_ctx=512) == ["Q4_K_M"]
    assert recommended(Machine(2 * GB), [gguf("Q4_K_M", 4 * GB)]) == []


def test_more_context_takes_more_memory() -> None:
    def memory(num_ctx: int | None) -> int:
        [variant] = variants_of([QUANTIZATIONS[0]], Machine(64 * GB), [], num_ctx)
        assert isinstance(variant.memory_bytes, int)
        return variant.memory_bytes

    assert 4 * GB < memory(2048) < memory(None) < memory(65_536)


def test_without_a_header_only_what_is_too_large_is_known() -> None:
    candidates = [gguf("Q4_K_M", 4 * GB, known=False), gguf("Q8_0", 8 * GB, known=False)]
    found = variants_of(candidates, Machine(6 * GB), [], None)
    assert [variant.fit for variant in found] == ["unknown", "too_large"]
    assert [variant.memory_bytes for variant in found] == [UNSET, UNSET]


def test_a_safetensors_model_has_a_size_for_each_quantization() -> None:
    shape = Shape("safetensors", SHAPE.geometry, ("completion",), parameter_count=7 * GB,
                  quantization="BF16")  # fmt: skip
    candidate = Candidate("ada/m", "BF16", "safetensors", 14 * GB, 14 * GB, 8, (), True, shape)
    [variant] = variants_of([candidate], Machine(12 * GB), [], 4096)
    assert isinstance(variant.quantized, tuple)
    by_kind = {each.isq: each for each in variant.quantized}
    assert by_kind["Q4_0"].memory_bytes < by_kind["Q8_0"].memory_bytes
    assert by_kind["Q8_0"].memory_bytes < by_kind["none"].memory_bytes
    assert (variant.memory_bytes, variant.fit) == (by_kind["Q8_0"].memory_bytes, "memory")
    assert by_kind["none"].fit == "too_large"
    assert variant.recommended


def test_the_same_files_are_found_under_any_name() -> None:
    def manifest(name: str, *hashes: str) -> Manifest:
        files = tuple(StoredFile("f", 1, sha256) for sha256 in hashes)
        return Manifest(name, "gguf", 1, files, source=Source(reference=name))

    manifests = [
        manifest("mine", f"{'Q8_0':0>64}", "0" * 64),
        manifest("ADA/m:q4_k_m", "f" * 64),  # pulled earlier, from another commit
    ]
    found = variants_of(QUANTIZATIONS, Machine(64 * GB), manifests, None)
    assert [variant.installed for variant in found] == ["ADA/m:q4_k_m", "mine", None]
    assert formats_of(QUANTIZATIONS) == ("gguf",)


def test_recent_answers_are_kept_for_a_time() -> None:
    now = [0.0]
    recent: Recent[str, int] = Recent(60.0, 2, lambda: now[0])
    recent.put("a", 1)
    now[0] = 60.0
    assert recent.get("a") == 1
    now[0] = 60.1
    assert recent.get("a") is None
    for key in "abc":
        recent.put(key, 2)
    assert [recent.get(key) for key in "abc"] == [None, 2, 2]
    recent.clear()
    assert recent.get("c") is None
    forever: Recent[str, int] = Recent(math.inf, 1, lambda: now[0])
    forever.put("a", 1)
    now[0] = 1e12
    assert forever.get("a") == 1
