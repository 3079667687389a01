"""Test which GGUF model of a repository a reference means, and which files belong to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from a3s_power_jupyter.contract.errors import (
    AmbiguousReference,
    InsufficientMemory,
    InvalidModelDirectory,
    InvalidReference,
    PowerError,
)
from a3s_power_jupyter.hub.resolve.gguf_files import GGUF
from a3s_power_jupyter.store.formats.ggml import FILE_TYPES
from support.hub_plans import REPO, add, paths_of, plan
from support.hub_repository import files_of
from support.hub_server import HubServer
from support.model_files import model_directory

QUANTIZATIONS = ("Q2_K", "Q4_0", "Q4_1", "Q4_K_S", "Q4_K_M", "Q4_K_L", "Q8_0", "F16", "BF16", "F32")


def ggufs(names: Iterable[str], model: str = "Model") -> list[str]:
    return [f"{model}-{name}.gguf" for name in names]


# ---------------------------------------------------------------- tags


@pytest.mark.parametrize("separator", ["-", ".", "_"])
def test_of_all_quantizations_a_tag_matches_its_own(separator: str) -> None:
    for one in FILE_TYPES.values():
        model = GGUF((), f"Qwen2.5-1.5B-it{separator}{one.lower()}")
        assert [tag for tag in FILE_TYPES.values() if model.has_token(tag)] == [one]
        assert model.quantization == one
        assert model.family == "qwen2-5-1-5b-it"


@pytest.mark.parametrize("tag", QUANTIZATIONS)
def test_a_tag_is_a_whole_word(hub: HubServer, tag: str) -> None:
    add(hub, *ggufs(QUANTIZATIONS), "mmproj-model-f16.gguf.txt")
    for text in (tag, tag.lower()):
        assert paths_of(plan(hub, f"{REPO}:{text}")) == [f"Model-{tag}.gguf"]


@pytest.mark.parametrize(
    ("file", "tag"),
    [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "q4_1"),
        ("model_Q4_K_M.gguf", "Q4_K_M"),
        ("ggml-model-q8_0.GGUF", "Q8_0"),
        ("Model-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("Model-UD-Q4_K_XL.gguf", "Q4_K_XL"),
        ("Model-IQ4_XS.gguf", "IQ4_XS"),
        ("Model.i1-IQ2_XXS.gguf", "i1-IQ2_XXS"),
        ("gpt-oss-20b-MXFP4.gguf", "MXFP4"),
        ("deep/er/Model-BF16.gguf", "BF16"),
        ("Model-1.5B-fp16.gguf", "fp16"),
        ("Model-instruct.gguf", "instruct"),
    ],
)
def test_tags_of_other_spellings(hub: HubServer, file: str, tag: str) -> None:
    add(hub, file, "Other-Q3_K_S.gguf")
    assert paths_of(plan(hub, f"{REPO}:{tag}")) == [file]


@pytest.mark.parametrize(
    ("file", "tag"),
    [
        ("Model-Q4_K_M.gguf", "Q4_K"),
        ("Model-Q4_K_M.gguf", "K_M"),
        ("Model-Q4_K_M.gguf", "Q4"),
        ("Model-IQ4_XS.gguf", "Q4_XS"),
        ("Model-BF16.gguf", "F16"),
        ("Model-Q4_0_4_4.gguf", "Q4_0"),
        ("Model-Q4_K_M.gguf", "gguf"),
        ("Model-Q4_K_M.gguf", "Q4.K.M"),
        ("Q8_0/Model-Q4_K_M.gguf", "Q8_0"),
        ("Model-Q8_0-00001-of-00001.gguf", "00001"),
    ],
)
def test_a_part_of_a_token_does_not_match(hub: HubServer, file: str, tag: str) -> None:
    add(hub, file)
    with pytest.raises(InvalidReference, match=r"It has: I?B?[QF]\d"):
        plan(hub, f"{REPO}:{tag}")


def test_through_folders_and_pages(hub: HubServer) -> None:
    names = [f"{q}/Model-{q}.gguf" for q in QUANTIZATIONS]
    add(hub, *names, *(f"notes/{number:03}.txt" for number in range(40)))
    hub.page = 7
    assert paths_of(plan(hub, f"{REPO}:q8_0")) == ["Q8_0/Model-Q8_0.gguf"]
    assert len([r for r in hub.requests if "/tree/" in r.path]) == -(-(50 + 11) // 7)


def test_an_mmproj_does_not_match(hub: HubServer) -> None:
    add(hub, "Model-F16.gguf", "mmproj-Model-F16.gguf", "Model.mmproj-f16.gguf", "imatrix.gguf")
    assert paths_of(plan(hub, f"{REPO}:F16"))[0] == "Model-F16.gguf"


def test_several_matches_are_listed(hub: HubServer) -> None:
    add(hub, "a/Small-Q4_0.gguf", "b/Large-Q4_0.gguf", "b/Large-Q8_0.gguf")
    with pytest.raises(AmbiguousReference) as caught:
        plan(hub, f"{REPO}@main:Q4_0")
    assert f"{REPO}/a/Small-Q4_0.gguf, {REPO}/b/Large-Q4_0.gguf" in caught.value.message
    assert "Q8_0" not in caught.value.message
    assert paths_of(plan(hub, f"{REPO}/b/Large-Q4_0.gguf")) == ["b/Large-Q4_0.gguf"]


def test_candidates_keep_the_revision(hub: HubServer) -> None:
    repository = hub.add(REPO, {"x.txt": b""})
    repository.commit({"a-Q4_0.gguf": b"a", "b-Q4_0.gguf": b"b"}, ref="refs/pr/1")
    with pytest.raises(AmbiguousReference, match=f"{REPO}@refs/pr/1/a-Q4_0.gguf"):
        plan(hub, f"{REPO}@refs/pr/1:Q4_0")
    with pytest.raises(InvalidReference, match=f"Did you mean {REPO}@refs/pr/1/a-Q4_0.gguf"):
        plan(hub, f"{REPO}@refs/pr/1/a-q4_0.gguf")


def test_the_error_for_a_missing_tag_lists_the_quantizations(hub: HubServer) -> None:
    add(hub, *ggufs(("Q4_K_M", "Q8_0")))
    with pytest.raises(InvalidReference, match=r"'Q5_K_M'.* It has: Q4_K_M, Q8_0\."):
        plan(hub, f"{REPO}:Q5_K_M")
    add(hub, "model.safetensors", repo="ada/other")
    with pytest.raises(InvalidReference, match="It has no GGUF models"):
        plan(hub, "ada/other:Q4_0")


# ---------------------------------------------------------------- candidates of errors


def candidates(hub: HubServer, reference: str, memory: int | None = None) -> Sequence[str]:
    """Return the candidates of the error of `reference`, which can all be pulled."""
    with pytest.raises(PowerError) as caught:
        plan(hub, reference, memory)
    for candidate in caught.value.candidates:
        assert plan(hub, candidate).name == candidate
    return caught.value.candidates


def test_an_unknown_quantization_has_all_others_as_candidates(hub: HubServer) -> None:
    add(hub, *ggufs(("Q2_K", "Q4_K_M", "Q8_0")), *shards("Model-F16", 2), "mmproj-F16.gguf")
    found = candidates(hub, f"{REPO}:Q4_K_S")
    assert found[0] == f"{REPO}:Q4_K_M"
    assert set(found) == {f"{REPO}:{tag}" for tag in ("Q2_K", "Q4_K_M", "Q8_0", "F16")}


def test_a_quantization_that_two_models_have_is_written_as_a_path(hub: HubServer) -> None:
    add(hub, "a/M-Q4_0.gguf", "b/N-Q4_0.gguf", "b/N-Q8_0.gguf", "b/N it.gguf")
    paths = [f"{REPO}/a/M-Q4_0.gguf", f"{REPO}/b/N-Q4_0.gguf"]
    assert candidates(hub, f"{REPO}:Q4_0") == (*paths,)
    found = candidates(hub, f"{REPO}:Q4_1")
    assert {*paths, f"{REPO}:Q8_0"} < set(found)
    assert found[-1].startswith(f"{REPO}/b/N-it-")  # a name, without a space
    assert set(candidates(hub, REPO)) == {*paths, f"{REPO}/b/N-Q8_0.gguf"}


@pytest.mark.parametrize(
    "path", ["Model-q4_0.gguf", "a/b.gguf", "mmproj-F16.gguf", "S-00001-of-00002.gguf"]
)
def test_a_file_that_is_no_model(hub: HubServer, path: str) -> None:
    add(hub, *ggufs(("Q4_0", "Q8_0")), "mmproj-F16.gguf", "S-00001-of-00002.gguf")
    assert set(candidates(hub, f"{REPO}/{path}")) == {f"{REPO}:Q4_0", f"{REPO}:Q8_0"}


def test_the_smallest_quantization_if_none_fits(hub: HubServer) -> None:
    sized(hub, SIZES)
    assert candidates(hub, REPO, 249) == (f"{REPO}:Q2_K",)


def test_a_revision_that_does_not_exist(hub: HubServer) -> None:
    add(hub, *ggufs(("Q4_0", "Q8_0")))
    assert candidates(hub, f"{REPO}@v9:Q4_0") == (f"{REPO}:Q4_0",)
    assert candidates(hub, f"{REPO}@v9/Model-Q4_0.gguf") == (f"{REPO}/Model-Q4_0.gguf",)


def test_the_revision_is_kept(hub: HubServer) -> None:
    repository = hub.add(REPO, {"x.txt": b""})
    repository.commit({"a-Q4_0.gguf": b"a", "b-Q4_0.gguf": b"b"}, ref="refs/pr/1")
    found = candidates(hub, f"{REPO}@refs/pr/1:Q4_0")
    assert found == (f"{REPO}@refs/pr/1/a-Q4_0.gguf", f"{REPO}@refs/pr/1/b-Q4_0.gguf")


def test_a_safetensors_repository_is_pulled_whole(hub: HubServer, tmp_path: Path) -> None:
    hub.add(REPO, files_of(model_directory(tmp_path / "m")))
    for end in (":Q4_0", "/Model-Q4_0.gguf"):
        assert candidates(hub, f"{REPO}{end}") == (REPO,)


def test_gguf_files_beside_an_incomplete_safetensors_model(hub: HubServer) -> None:
    add(hub, "config.json", "model.safetensors", *ggufs(("Q4_0",)))
    with pytest.raises(InvalidModelDirectory, match="also has GGUF files") as caught:
        plan(hub, REPO)
    assert caught.value.candidates == (f"{REPO}:Q4_0",)


def test_a_misspelt_repository(hub: HubServer) -> None:
    add(hub, *ggufs(("Q4_0",)))
    add(hub, *ggufs(("Q4_0",)), repo="bob/Other-GGUF")
    hub.add("ada/Model-GGUF2", {"M-Q4_0.gguf": b"x"}, private=True)
    for wrong in ("ada/Modl-GGUF", "ada/model-guff", "aba/Model-GGUF"):
        assert candidates(hub, f"{wrong}:Q4_0") == (f"{REPO}:Q4_0",)
    assert candidates(hub, "ada/Modl-GGUF") == (REPO,)
    assert candidates(hub, "ada/Entirely-Different:Q4_0") == ()


def test_a_misspelt_repository_on_a_hub_that_does_not_list(hub: HubServer) -> None:
    add(hub, *ggufs(("Q4_0",)))
    hub.fail("/api/models", stage="api", status=503, times=None)
    assert candidates(hub, "ada/Modl-GGUF") == ()


def test_an_error_lists_forty_candidates(hub: HubServer) -> None:
    add(hub, *(f"m{number}.gguf" for number in range(1200)))
    for reference in (REPO, f"{REPO}:Q4_0", f"{REPO}/x.gguf"):
        with pytest.raises(PowerError) as caught:
            plan(hub, reference)
        assert len(caught.value.candidates) == 40


# ---------------------------------------------------------------- shards and paths


def shards(stem: str, total: int) -> list[str]:
    return [f"{stem}-{number:05}-of-{total:05}.gguf" for number in range(1, total + 1)]


def test_all_shards_are_pulled_in_order(hub: HubServer) -> None:
    large = shards("Q8_0/Model-Q8_0", 12)
    add(hub, *reversed(large), *shards("Q4_0/Model-Q4_0", 2), "Model-F16.gguf")
    assert paths_of(plan(hub, f"{REPO}:Q8_0")) == large
    assert paths_of(plan(hub, f"{REPO}/{large[4]}")) == large


def test_a_set_of_shards_that_is_not_complete(hub: HubServer) -> None:
    add(hub, *shards("Model-Q8_0", 3)[:2], "Model-Q4_0.gguf")
    with pytest.raises(InvalidReference, match=r"It has: Q4_0\."):
        plan(hub, f"{REPO}:Q8_0")
    with pytest.raises(InvalidReference, match="set that is not complete"):
        plan(hub, f"{REPO}/{shards('Model-Q8_0', 3)[0]}")


def test_a_path_that_is_not_a_model(hub: HubServer) -> None:
    add(hub, "Model-Q4_K_M.gguf", "mmproj-F16.gguf")
    with pytest.raises(InvalidReference, match=f"Did you mean {REPO}/Model-Q4_K_M.gguf"):
        plan(hub, f"{REPO}/Model-Q4_K_S.gguf")
    with pytest.raises(InvalidReference, match=r"It has: Q4_K_M\."):
        plan(hub, f"{REPO}/qqq.gguf")
    with pytest.raises(InvalidReference, match="Pull the model's own file"):
        plan(hub, f"{REPO}/mmproj-F16.gguf")


# ---------------------------------------------------------------- mmproj


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["mmproj-F32.gguf", "mmproj-BF16.gguf", "mmproj-F16.gguf"], "mmproj-F16.gguf"),
        (["mmproj-F32.gguf", "mmproj-BF16.gguf"], "mmproj-BF16.gguf"),
        (["mmproj-Q4_0.gguf", "mmproj-Q8_0.gguf"], "mmproj-Q8_0.gguf"),
        (["mmproj-model-f16.gguf"], "mmproj-model-f16.gguf"),
        (["Model.mmproj-Q8_0.gguf", "mmproj-F16.gguf"], "Model.mmproj-Q8_0.gguf"),
        (["mmproj-Other-F16.gguf", "mmproj-Model-F16.gguf"], "mmproj-Model-F16.gguf"),
        (["mmproj-F16.gguf", "a/mmproj-BF16.gguf", "b/mmproj-F16.gguf"], "a/mmproj-BF16.gguf"),
        (["a/x/mmproj-F16.gguf", "mmproj-F16.gguf"], "a/x/mmproj-F16.gguf"),
    ],
)
def test_the_mmproj_of_a_model(hub: HubServer, parts: list[str], expected: str) -> None:
    add(hub, "a/Model-Q4_0.gguf", "a/Model-Q8_0.gguf", *parts)
    for text in (f"{REPO}:Q4_0", f"{REPO}/a/Model-Q4_0.gguf"):
        planned = plan(hub, text)
        assert paths_of(planned) == ["a/Model-Q4_0.gguf", expected]
        assert planned.mmproj == expected


def test_the_mmproj_of_another_model(hub: HubServer) -> None:
    add(hub, "Text-Q4_0.gguf", "Vision-Q8_0.gguf", "mmproj-Vision-F16.gguf")
    assert paths_of(plan(hub, f"{REPO}:Q4_0")) == ["Text-Q4_0.gguf"]
    assert paths_of(plan(hub, f"{REPO}:Q8_0")) == ["Vision-Q8_0.gguf", "mmproj-Vision-F16.gguf"]


# ---------------------------------------------------------------- the best that fits


def sized(hub: HubServer, sizes: dict[str, int]) -> None:
    hub.add(REPO, {path: b"x" * size for path, size in sizes.items()})


SIZES = {"M-Q2_K.gguf": 200, "M-Q4_K_M.gguf": 400, "M-Q8_0.gguf": 800, "M-F16.gguf": 1600}


@pytest.mark.parametrize(
    ("memory", "expected"),
    [(None, "Q8_0"), (10_000, "Q8_0"), (1000, "Q8_0"), (999, "Q4_K_M"), (250, "Q2_K")],
)
def test_the_best_quantization_that_fits(hub: HubServer, memory: int | None, expected: str) -> None:
    sized(hub, SIZES)
    planned = plan(hub, REPO, memory)
    assert paths_of(planned) == [f"M-{expected}.gguf"]
    assert f"Of 3 quantizations, {expected} (" in str(planned.note)
    assert ("free memory" in str(planned.note)) == (memory is not None)


def test_shards_and_mmproj_count_towards_the_memory(hub: HubServer) -> None:
    first, second = shards("M-Q8_0", 2)
    sized(hub, {first: 300, second: 300, "M-Q4_0.gguf": 300, "mmproj-F16.gguf": 200})
    assert paths_of(plan(hub, REPO, 1000)) == [first, second, "mmproj-F16.gguf"]
    assert paths_of(plan(hub, REPO, 999)) == ["M-Q4_0.gguf", "mmproj-F16.gguf"]


def test_none_fits(hub: HubServer) -> None:
    sized(hub, SIZES)
    with pytest.raises(InsufficientMemory, match=f"pull {REPO}:Q2_K to have it anyway"):
        plan(hub, REPO, 249)


def test_unquantized_models_if_there_is_nothing_else(hub: HubServer) -> None:
    sized(hub, {"M-F16.gguf": 100, "M-F32.gguf": 200})
    assert paths_of(plan(hub, REPO, 1000)) == ["M-F16.gguf"]
    sized(hub, {"M-F32.gguf": 100, "M-fp32-00001-of-00001.gguf": 200})
    assert paths_of(plan(hub, REPO, 200)) == ["M-F32.gguf"]


def test_a_single_model_is_always_chosen(hub: HubServer) -> None:
    sized(hub, {"whatever.gguf": 1000, "README.md": 1})
    planned = plan(hub, REPO, 10)
    assert paths_of(planned) == ["whatever.gguf"]
    assert not planned.note


@pytest.mark.parametrize("paths", [["a-Q4_0.gguf", "b-Q8_0.gguf"], ["a.gguf", "b.gguf"]])
def test_several_models_in_one_repository(hub: HubServer, paths: list[str]) -> None:
    add(hub, *paths)
    with pytest.raises(AmbiguousReference, match=f"{REPO}/{paths[0]}, {REPO}/{paths[1]}"):
        plan(hub, REPO, 10_000)
