"""The models of a repository are those that pulls find."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from a3s_power_jupyter.contract.errors import AmbiguousReference
from a3s_power_jupyter.hub.resolve.hub_api import HubApi
from a3s_power_jupyter.hub.resolve.plan import make_plan
from a3s_power_jupyter.hub.resolve.reference import parse
from a3s_power_jupyter.hub.search.contents import look
from a3s_power_jupyter.hub.search.protocol import Contents, Look
from support.hub_server import HubServer
from support.model_files import LLAMA, gguf, safetensors

REPO = "ada/Model-GGUF"
MODEL = gguf()
CONFIG = b'{"architectures": ["LlamaForCausalLM"], "num_hidden_layers": 2, "hidden_size": 8}'

REPOSITORIES: dict[str, dict[str, bytes]] = {
    "quantizations": {"m-Q4_K_M.gguf": MODEL, "m-Q8_0.gguf": MODEL, "m-F16.gguf": MODEL},
    "one name in another": {"m-Q4_K_M.gguf": MODEL, "m-UD-Q4_K_M.gguf": MODEL},
    "shards": {f"big-Q8_0-{n:05}-of-00003.gguf": MODEL + b"\0" * n for n in (1, 2, 3)},
    "folders": {"a/m-Q4_0.gguf": MODEL, "b/m-Q4_0.gguf": MODEL, "b/mmproj-F16.gguf": gguf({})},
    "families": {"tiny-Q4_0.gguf": MODEL, "huge-Q4_0.gguf": MODEL, "huge-Q8_0.gguf": MODEL},
    "no quantization": {"model.gguf": MODEL, "imatrix.gguf": MODEL},
    "other characters": {"My Modèle (v2)-Q4_0.gguf": MODEL, "b-Q4_0.gguf": MODEL},
    "vision": {"m-Q4_0.gguf": MODEL, "mmproj-m-F16.gguf": gguf({"clip.vision.image_size": 64})},
    "both": {"m-Q4_0.gguf": MODEL, "config.json": CONFIG, "tokenizer.json": b"{}",
             "model.safetensors": safetensors({"a": ("BF16", (2, 2))}), "pytorch_model.bin": b"x"},
}  # fmt: skip


def contents(hub: HubServer, repository: str = REPO) -> Contents:
    found = look(HubApi(hub.url), Look(repository, repository.partition("@")[0], "main"))
    assert found.contents is not None
    return found.contents


@pytest.mark.parametrize("files", REPOSITORIES.values(), ids=REPOSITORIES)
def test_each_reference_pulls_its_model(hub: HubServer, files: dict[str, Any]) -> None:
    hub.add(REPO, files)
    found = contents(hub)
    assert found.candidates
    assert found.problem is None
    for candidate in found.candidates:
        plan = make_plan(parse(candidate.reference), HubApi(hub.url))
        assert (plan.size, len(plan.files)) == (candidate.size_bytes, candidate.file_count)
        hashes = {file.sha256 for file in plan.files}
        assert set(candidate.sha256) <= hashes
    assert len({candidate.label for candidate in found.candidates}) == len(found.candidates)


def test_the_choices_are_those_of_a_pull_without_a_tag(hub: HubServer) -> None:
    def choices(files: dict[str, bytes]) -> list[str]:
        hub.add(REPO, files)
        return [c.reference for c in contents(hub).candidates if c.is_choice]

    assert choices(REPOSITORIES["quantizations"]) == [f"{REPO}:Q4_K_M", f"{REPO}:Q8_0"]
    assert choices(REPOSITORIES["families"]) == []
    assert choices(REPOSITORIES["both"]) == [REPO]


def test_folders_may_separate_models_or_quantizations(hub: HubServer) -> None:
    """Each model has the context of its own header, and no other model is chosen instead."""
    small = gguf()
    large = gguf(LLAMA | {"llama.embedding_length": 4096}, fill=b"\1")
    hub.add(REPO, {"1B/m-Q4_0.gguf": small, "70B/m-Q4_0.gguf": large, "70B/m-Q8_0.gguf": large})
    found = contents(hub).candidates
    widths = {c.reference: c.shape.geometry.width for c in found if c.shape is not UNSET}
    assert widths == {
        f"{REPO}/1B/m-Q4_0.gguf": 64,
        f"{REPO}/70B/m-Q4_0.gguf": 4096,
        f"{REPO}:Q8_0": 4096,
    }
    assert not any(c.is_choice for c in found)
    with pytest.raises(AmbiguousReference, match="several models"):
        make_plan(parse(REPO), HubApi(hub.url))
    hub.add(REPO, {"Q4_0/m-Q4_0.gguf": small, "m-Q8_0.gguf": small + b"\0"})
    assert all(c.is_choice for c in contents(hub).candidates)


def test_a_renamed_repository_has_its_new_name(hub: HubServer) -> None:
    hub.add(REPO, REPOSITORIES["quantizations"])
    hub.rename(REPO, "ada/New-GGUF")
    assert contents(hub).candidates[0].reference.startswith("ada/New-GGUF:")


def test_an_invalid_header_leaves_the_memory_unknown(hub: HubServer) -> None:
    hub.add(REPO, {"m-Q4_0.gguf": b"GGUF", "n-Q8_0.gguf": MODEL})
    found = contents(hub)
    assert found.problem == "m-Q4_0.gguf is not a valid GGUF file."
    assert [candidate.label for candidate in found.candidates] == ["Q4_0", "Q8_0"]
