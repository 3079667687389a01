"""From references to files: what is taken of a repository, and what is refused, and why."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import hub_repository
import model_files
import pytest
from hub_server import HubServer, run_hub
from huggingface_hub import constants

from a3s_power_jupyter.errors import (
    AmbiguousReference,
    HubError,
    HubUnauthorized,
    InsufficientMemory,
    InvalidModelDirectory,
    InvalidReference,
)
from a3s_power_jupyter.hub import hub_api
from a3s_power_jupyter.hub.hub_api import HubApi
from a3s_power_jupyter.hub.listing import make_plan
from a3s_power_jupyter.hub.plan import Plan
from a3s_power_jupyter.hub.reference import parse
from a3s_power_jupyter.store.model_directory import describe_directory

REPO = "ada/Model-GGUF"
QUANTIZATIONS = ("Q2_K", "Q4_0", "Q4_1", "Q4_K_S", "Q4_K_M", "Q4_K_L", "Q8_0", "F16", "BF16", "F32")


@pytest.fixture(autouse=True)
def no_token_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with run_hub() as running:
        yield running


def add(hub: HubServer, *paths: str, repo: str = REPO) -> None:
    """A repository of files of one byte more each."""
    hub.add(repo, {path: b"x" * size for size, path in enumerate(paths, 100)})


def plan(hub: HubServer, text: str, memory: int | None = None, token: str | None = None) -> Plan:
    return make_plan(parse(text), HubApi(hub.url, token), name=text, memory_bytes=memory)


def taken(found: Plan) -> list[str]:
    return [file.path for file in found.files]


def ggufs(names: Iterable[str], model: str = "Model") -> list[str]:
    return [f"{model}-{name}.gguf" for name in names]


# ---------------------------------------------------------------- tags


@pytest.mark.parametrize("tag", QUANTIZATIONS)
def test_a_tag_is_a_whole_word(hub: HubServer, tag: str) -> None:
    add(hub, *ggufs(QUANTIZATIONS), "mmproj-model-f16.gguf.txt")
    for text in (tag, tag.lower()):
        assert taken(plan(hub, f"{REPO}:{text}")) == [f"Model-{tag}.gguf"]


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
    assert taken(plan(hub, f"{REPO}:{tag}")) == [file]


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
def test_a_part_of_a_word_is_no_match(hub: HubServer, file: str, tag: str) -> None:
    add(hub, file)
    with pytest.raises(InvalidReference, match=r"It has: I?B?[QF]\d"):
        plan(hub, f"{REPO}:{tag}")


def test_through_folders_and_pages(hub: HubServer) -> None:
    names = [f"{q}/Model-{q}.gguf" for q in QUANTIZATIONS]
    add(hub, *names, *(f"notes/{number:03}.txt" for number in range(40)))
    hub.page = 7
    assert taken(plan(hub, f"{REPO}:q8_0")) == ["Q8_0/Model-Q8_0.gguf"]
    assert len([r for r in hub.requests if "/tree/" in r.path]) == -(-(50 + 11) // 7)


def test_an_image_part_is_no_match(hub: HubServer) -> None:
    add(hub, "Model-F16.gguf", "mmproj-Model-F16.gguf", "Model.mmproj-f16.gguf", "imatrix.gguf")
    assert taken(plan(hub, f"{REPO}:F16"))[0] == "Model-F16.gguf"


def test_several_matches_are_listed(hub: HubServer) -> None:
    add(hub, "a/Small-Q4_0.gguf", "b/Large-Q4_0.gguf", "b/Large-Q8_0.gguf")
    with pytest.raises(AmbiguousReference) as caught:
        plan(hub, f"{REPO}@main:Q4_0")
    assert f"{REPO}/a/Small-Q4_0.gguf, {REPO}/b/Large-Q4_0.gguf" in caught.value.message
    assert "Q8_0" not in caught.value.message
    assert taken(plan(hub, f"{REPO}/b/Large-Q4_0.gguf")) == ["b/Large-Q4_0.gguf"]


def test_candidates_keep_the_revision(hub: HubServer) -> None:
    repository = hub.add(REPO, {"x.txt": b""})
    repository.commit({"a-Q4_0.gguf": b"a", "b-Q4_0.gguf": b"b"}, ref="refs/pr/1")
    with pytest.raises(AmbiguousReference, match=f"{REPO}@refs/pr/1/a-Q4_0.gguf"):
        plan(hub, f"{REPO}@refs/pr/1:Q4_0")
    with pytest.raises(InvalidReference, match=f"Did you mean {REPO}@refs/pr/1/a-Q4_0.gguf"):
        plan(hub, f"{REPO}@refs/pr/1/a-q4_0.gguf")


def test_a_missing_tag_is_answered_with_what_there_is(hub: HubServer) -> None:
    add(hub, *ggufs(("Q4_K_M", "Q8_0")))
    with pytest.raises(InvalidReference, match=r"'Q5_K_M'.* It has: Q4_K_M, Q8_0\."):
        plan(hub, f"{REPO}:Q5_K_M")
    add(hub, "model.safetensors", repo="ada/other")
    with pytest.raises(InvalidReference, match="It has no GGUF models"):
        plan(hub, "ada/other:Q4_0")


# ---------------------------------------------------------------- shards and paths


def shards(stem: str, total: int) -> list[str]:
    return [f"{stem}-{number:05}-of-{total:05}.gguf" for number in range(1, total + 1)]


def test_shards_come_together_and_in_order(hub: HubServer) -> None:
    large = shards("Q8_0/Model-Q8_0", 12)
    add(hub, *reversed(large), *shards("Q4_0/Model-Q4_0", 2), "Model-F16.gguf")
    assert taken(plan(hub, f"{REPO}:Q8_0")) == large
    assert taken(plan(hub, f"{REPO}/{large[4]}")) == large


def test_a_set_of_shards_that_is_not_complete(hub: HubServer) -> None:
    add(hub, *shards("Model-Q8_0", 3)[:2], "Model-Q4_0.gguf")
    with pytest.raises(InvalidReference, match=r"It has: Q4_0\."):
        plan(hub, f"{REPO}:Q8_0")
    with pytest.raises(InvalidReference, match="set that is not complete"):
        plan(hub, f"{REPO}/{shards('Model-Q8_0', 3)[0]}")


def test_a_path_that_is_no_model(hub: HubServer) -> None:
    add(hub, "Model-Q4_K_M.gguf", "mmproj-F16.gguf")
    with pytest.raises(InvalidReference, match=f"Did you mean {REPO}/Model-Q4_K_M.gguf"):
        plan(hub, f"{REPO}/Model-Q4_K_S.gguf")
    with pytest.raises(InvalidReference, match=r"It has: Q4_K_M\."):
        plan(hub, f"{REPO}/qqq.gguf")
    with pytest.raises(InvalidReference, match="Pull the model's own file"):
        plan(hub, f"{REPO}/mmproj-F16.gguf")


# ---------------------------------------------------------------- image parts


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
def test_the_image_part_that_belongs_to_a_model(
    hub: HubServer, parts: list[str], expected: str
) -> None:
    add(hub, "a/Model-Q4_0.gguf", "a/Model-Q8_0.gguf", *parts)
    for text in (f"{REPO}:Q4_0", f"{REPO}/a/Model-Q4_0.gguf"):
        found = plan(hub, text)
        assert taken(found) == ["a/Model-Q4_0.gguf", expected]
        assert found.mmproj == expected


def test_the_image_part_of_another_model(hub: HubServer) -> None:
    add(hub, "Text-Q4_0.gguf", "Vision-Q8_0.gguf", "mmproj-Vision-F16.gguf")
    assert taken(plan(hub, f"{REPO}:Q4_0")) == ["Text-Q4_0.gguf"]
    assert taken(plan(hub, f"{REPO}:Q8_0")) == ["Vision-Q8_0.gguf", "mmproj-Vision-F16.gguf"]


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
    found = plan(hub, REPO, memory)
    assert taken(found) == [f"M-{expected}.gguf"]
    assert f"Of 3 quantizations, {expected} (" in str(found.note)
    assert ("free memory" in str(found.note)) == (memory is not None)


def test_shards_and_the_image_part_count(hub: HubServer) -> None:
    first, second = shards("M-Q8_0", 2)
    sized(hub, {first: 300, second: 300, "M-Q4_0.gguf": 300, "mmproj-F16.gguf": 200})
    assert taken(plan(hub, REPO, 1000)) == [first, second, "mmproj-F16.gguf"]
    assert taken(plan(hub, REPO, 999)) == ["M-Q4_0.gguf", "mmproj-F16.gguf"]


def test_none_fits(hub: HubServer) -> None:
    sized(hub, SIZES)
    with pytest.raises(InsufficientMemory, match=f"pull {REPO}:Q2_K to have it anyway"):
        plan(hub, REPO, 249)


def test_unquantized_where_there_is_nothing_else(hub: HubServer) -> None:
    sized(hub, {"M-F16.gguf": 100, "M-F32.gguf": 200})
    assert taken(plan(hub, REPO, 1000)) == ["M-F32.gguf"]
    assert taken(plan(hub, REPO, 200)) == ["M-F16.gguf"]


def test_a_single_model_is_taken_as_it_is(hub: HubServer) -> None:
    sized(hub, {"whatever.gguf": 1000, "README.md": 1})
    found = plan(hub, REPO, 10)
    assert taken(found) == ["whatever.gguf"]
    assert not found.note


@pytest.mark.parametrize("paths", [["a-Q4_0.gguf", "b-Q8_0.gguf"], ["a.gguf", "b.gguf"]])
def test_several_models_in_one_repository(hub: HubServer, paths: list[str]) -> None:
    add(hub, *paths)
    with pytest.raises(AmbiguousReference, match=f"{REPO}/{paths[0]}, {REPO}/{paths[1]}"):
        plan(hub, REPO, 10_000)


# ---------------------------------------------------------------- models of transformers


JUNK = {
    "README.md": b"", "LICENSE": b"", ".gitattributes": b"", "modeling_custom.py": b"",
    "pytorch_model.bin": b"x", "pytorch_model.bin.index.json": b"{}", "tf_model.h5": b"x",
    "flax_model.msgpack": b"x", "consolidated.safetensors": b"x", "model.fp16.safetensors": b"x",
    "onnx/model.onnx": b"x", "onnx/config.json": b"{}", "original/params.json": b"{}",
    "original/tokenizer.model": b"x", "runs/events.out": b"x", "image.png": b"x",
}  # fmt: skip


def check_like_the_store(hub: HubServer, folder: Path, repo: str = "ada/m") -> Plan:
    """The plan has what the store would register of the same directory, in the same order."""
    hub.add(repo, hub_repository.files_of(folder))
    found = plan(hub, repo)
    described = describe_directory(folder, None)
    assert taken(found) == [file.name for file in described.files]
    assert found.kind == "directory"
    return found


def write(folder: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def test_a_directory_without_junk(hub: HubServer, tmp_path: Path) -> None:
    folder = model_files.model_directory(tmp_path / "m")
    write(folder, JUNK | {"additional_chat_templates/rag.jinja": b"x", "chat_template.jinja": b"x"})
    found = check_like_the_store(hub, folder)
    assert taken(found) == [
        "model.safetensors", "chat_template.jinja", "config.json", "tokenizer.json",
        "tokenizer_config.json", "additional_chat_templates/rag.jinja",
    ]  # fmt: skip
    by_path = {file.path: file for file in found.files}
    assert by_path["model.safetensors"].sha256
    assert by_path["config.json"].blob_id == hub_repository.git_blob_id(
        (folder / "config.json").read_bytes()
    )


def index(folder: Path, placed: dict[str, str], name: str = "model") -> None:
    text = json.dumps({"metadata": {}, "weight_map": placed})
    (folder / f"{name}.safetensors.index.json").write_text(text)


def sharded(folder: Path) -> Path:
    model_files.model_directory(folder)
    (folder / "model.safetensors").unlink()
    placed = {}
    for number in (1, 2):
        name = f"model-{number:05}-of-00002.safetensors"
        tensors = {f"t{number}": ("F32", (2, 2))}
        (folder / name).write_bytes(model_files.safetensors(tensors))  # type: ignore[arg-type]
        placed[f"t{number}"] = name
    index(folder, placed)
    return folder


def test_a_directory_of_shards(hub: HubServer, tmp_path: Path) -> None:
    folder = sharded(tmp_path / "m")
    write(folder, {"model-00003-of-00003.safetensors": b"left over"})
    found = check_like_the_store(hub, folder)
    assert taken(found)[:2] == [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    assert "model.safetensors.index.json" in taken(found)


def test_a_pipeline_of_sentence_transformers(hub: HubServer, tmp_path: Path) -> None:
    folder = model_files.model_directory(tmp_path / "m")
    modules = [{"path": ""}, {"path": "1_Pooling"}, {"path": "2_Dense"}, {"path": "3_Normalize"}]
    dense = model_files.safetensors({"w": ("F32", (2, 2))})
    files = {
        "modules.json": json.dumps(modules).encode(), "1_Pooling/config.json": b"{}",
        "2_Dense/config.json": b"{}", "2_Dense/model.safetensors": dense,
        "2_Dense/pytorch_model.bin": b"x", "4_Other/config.json": b"{}",
    }  # fmt: skip
    write(folder, files)
    found = check_like_the_store(hub, folder)
    assert "2_Dense/model.safetensors" in taken(found)
    assert "1_Pooling/config.json" in taken(found)
    (folder / "2_Dense/model.safetensors").unlink()
    hub.add("ada/pickled", hub_repository.files_of(folder))
    with pytest.raises(InvalidModelDirectory, match=r"ada/pickled/2_Dense has no weights.*pickled"):
        plan(hub, "ada/pickled")


def test_a_repository_with_both(hub: HubServer, tmp_path: Path) -> None:
    folder = model_files.model_directory(tmp_path / "m")
    write(folder, {"M-Q4_0.gguf": b"x", "M-Q8_0.gguf": b"x"})
    found = check_like_the_store(hub, folder)
    assert "pull it by its path, for example ada/m/M-Q4_0.gguf" in str(found.note)
    assert taken(plan(hub, "ada/m:Q8_0")) == ["M-Q8_0.gguf"]
    hub.add("ada/gguf", {"M-Q4_0.gguf": b"x", "config.json": b"{}", "extra.safetensors": b"x"})
    assert taken(plan(hub, "ada/gguf")) == ["M-Q4_0.gguf"]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"config.json", "tokenizer.json", "pytorch_model.bin"}, r"pickled \(pytorch_model.bin\)"),
        ({"adapter_config.json", "adapter_model.safetensors"}, "LoRA"),
        ({"model_index.json", "unet/diffusion_pytorch_model.safetensors"}, "diffusers"),
        ({"README.md"}, "Weights must be"),
        (set(), "Weights must be"),
        ({"model.safetensors", "tokenizer.json"}, r"no config\.json"),
        ({"model.safetensors", "config.json"}, "no tokenizer"),
    ],
)
def test_what_is_no_model(hub: HubServer, files: set[str], why: str) -> None:
    hub.add("ada/m", dict.fromkeys(files, b"x"))
    with pytest.raises(InvalidModelDirectory, match=why):
        plan(hub, "ada/m")


@pytest.mark.parametrize(
    ("placed", "why"),
    [
        ({"t": "gone.safetensors"}, r"'gone\.safetensors', which is not there"),
        ({"t": "../model.safetensors"}, "which is not there"),
        ({"t": "config.json"}, "which is not there"),
        ({}, "is empty"),
        ({"t": 1}, "is empty"),
    ],
)
def test_a_wrong_index(hub: HubServer, tmp_path: Path, placed: dict[str, str], why: str) -> None:
    folder = sharded(tmp_path / "m")
    index(folder, placed)
    hub.add("ada/m", hub_repository.files_of(folder))
    with pytest.raises(InvalidModelDirectory, match=why):
        plan(hub, "ada/m")


def test_wrong_modules(hub: HubServer, tmp_path: Path) -> None:
    folder = model_files.model_directory(tmp_path / "m")
    for number, text in enumerate(("{}", '["x"]', '[{"path": 1}]', "[{}]")):
        write(folder, {"modules.json": text.encode()})
        hub.add(f"ada/m{number}", hub_repository.files_of(folder))
        with pytest.raises(InvalidModelDirectory, match=r"modules\.json"):
            plan(hub, f"ada/m{number}")


# ---------------------------------------------------------------- the plan


def test_the_plan_is_of_one_commit(hub: HubServer) -> None:
    repository = hub.add(REPO, {"a b/M-Q4_0.gguf": b"1", "x.txt": b"2"})
    commit = repository.refs["main"]
    found = make_plan(parse(f"{REPO}:Q4_0"), HubApi(f"{hub.url}/"), name="mine")
    [file] = found.files
    assert (found.name, found.repo, found.revision, found.kind) == ("mine", REPO, commit, "gguf")
    assert file.url == f"{hub.url}/{REPO}/resolve/{commit}/a%20b/M-Q4_0.gguf"
    assert (file.size, found.size) == (1, 1)
    assert file.etag == file.sha256 == hub_repository.blob("a.gguf", b"1").sha256
    assert not file.blob_id


def test_revisions(hub: HubServer) -> None:
    repository = hub.add(REPO, {"M-Q4_0.gguf": b"old"})
    old = repository.refs["main"]
    new = repository.commit({"M-Q4_0.gguf": b"newer"})
    branch = repository.commit({"M-Q8_0.gguf": b"branch"}, ref="feature/x")
    assert plan(hub, f"{REPO}:Q4_0").revision == new
    assert plan(hub, f"{REPO}@{old}:Q4_0").files[0].size == 3
    found = make_plan(parse(REPO, "feature/x"), HubApi(hub.url), name=REPO)
    assert (found.revision, taken(found)) == (branch, ["M-Q8_0.gguf"])
    with pytest.raises(InvalidReference, match="has no revision 'v9'"):
        plan(hub, f"{REPO}@v9:Q4_0")


def test_a_renamed_repository(hub: HubServer) -> None:
    add(hub, "M-Q4_0.gguf", repo="ada/old")
    hub.rename("ada/old", "ada/new")
    found = plan(hub, "ada/old:Q4_0")
    assert found.repo == "ada/new"
    assert "/ada/new/resolve/" in found.files[0].url


# ---------------------------------------------------------------- who may


def test_gated(hub: HubServer) -> None:
    hub.add(REPO, {"M-Q4_0.gguf": b"x"}, gated=True, readers=("hf_good",))
    hub.tokens.add("hf_other")
    with pytest.raises(HubUnauthorized, match=f"Ask for access at {hub.url}/{REPO}, then pull"):
        plan(hub, f"{REPO}:Q4_0")
    with pytest.raises(HubUnauthorized, match=f"no access to it. Ask for it at {hub.url}/{REPO}"):
        plan(hub, f"{REPO}:Q4_0", token="hf_other")
    assert taken(plan(hub, f"{REPO}:Q4_0", token="hf_good")) == ["M-Q4_0.gguf"]
    assert {record.host for record in hub.requests} == {"hub"}


def test_private_and_missing(hub: HubServer) -> None:
    hub.add(REPO, {"M-Q4_0.gguf": b"x"}, private=True, readers=("hf_good",))
    hub.tokens.add("hf_other")
    for repo in (REPO, "ada/none"):
        with pytest.raises(HubUnauthorized, match="no public model"):
            plan(hub, repo)
        with pytest.raises(InvalidReference, match="that this token may read"):
            plan(hub, repo, token="hf_other")
    assert taken(plan(hub, REPO, token="hf_good")) == ["M-Q4_0.gguf"]


def test_a_wrong_token(hub: HubServer) -> None:
    add(hub, "M-Q4_0.gguf")
    with pytest.raises(HubUnauthorized, match="refuses the token") as caught:
        plan(hub, REPO, token="hf_wrong")
    assert "hf_wrong" not in caught.value.message


def test_where_a_token_comes_from(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(REPO, {"M-Q4_0.gguf": b"x"}, readers=("hf_stored", "hf_environ", "hf_request"))
    (tmp_path / "token").write_text("hf_stored\n")
    plan(hub, REPO)
    assert hub.requests[-1].authorization == "Bearer hf_stored"
    monkeypatch.setenv("HF_TOKEN", "hf_environ")
    plan(hub, REPO)
    assert hub.requests[-1].authorization == "Bearer hf_environ"
    plan(hub, REPO, token="hf_request")
    assert hub.requests[-1].authorization == "Bearer hf_request"


def test_the_token_stays_with_the_hub(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_repository, "LFS_SIZE", 1)  # the index is redirected to the other host
    folder = sharded(tmp_path / "m")
    files = hub_repository.files_of(folder)
    hub.add("ada/m", files, private=True, gated=True, readers=("hf_good",))
    assert len(plan(hub, "ada/m", token="hf_good").files) == len(files)
    elsewhere = [record for record in hub.requests if record.host == "cdn"]
    assert [record.path for record in elsewhere] == ["model.safetensors.index.json"]
    assert elsewhere[0].authorization is None
    assert {r.authorization for r in hub.requests if r.host == "hub"} == {"Bearer hf_good"}


def test_a_next_page_on_another_host(hub: HubServer) -> None:
    hub.add(REPO, {f"{number}.txt": b"" for number in range(5)} | {"M-Q4_0.gguf": b"x"},
            readers=("hf_good",))  # fmt: skip
    hub.page = 2
    own = hub.url
    hub.url = hub.cdn_url  # the base of the links
    found = make_plan(parse(REPO), HubApi(own, "hf_good"), name=REPO)
    assert taken(found) == ["M-Q4_0.gguf"]
    assert {record.host for record in hub.requests} == {"hub"}


# ---------------------------------------------------------------- a hub in trouble


def test_trouble_that_passes(hub: HubServer) -> None:
    add(hub, "M-Q4_0.gguf")
    hub.fail("/main", stage="api", status=503)
    hub.fail("", stage="api", skip=2, status=429, headers={"Retry_After": "0"})
    assert taken(plan(hub, REPO)) == ["M-Q4_0.gguf"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_api, "RETRIES", 0)
    monkeypatch.setattr(hub_api, "TIMEOUT", 0.3)


@pytest.mark.usefixtures("impatient")
def test_trouble_that_stays(hub: HubServer) -> None:
    add(hub, "M-Q4_0.gguf")
    hub.fail(stage="api", status=503, headers={"Retry_After": "17"})
    with pytest.raises(HubError, match="status 503") as caught:
        plan(hub, REPO)
    assert caught.value.retry_after == 17
    hub.fail(stage="api", delay=60)
    with pytest.raises(HubError, match=r"127\.0\.0\.1:\d+ cannot be reached"):
        plan(hub, REPO)
    hub.fail(stage="api", status=200)
    with pytest.raises(HubError, match="does not answer as the hub does"):
        plan(hub, REPO)


@pytest.mark.usefixtures("impatient")
def test_no_hub_there() -> None:
    with pytest.raises(HubError, match=r"127\.0\.0\.1:1 cannot be reached") as caught:
        make_plan(parse(REPO), HubApi("http://ada:secret@127.0.0.1:1"), name=REPO)
    assert "secret" not in caught.value.message


def test_an_index_that_is_too_large(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_api, "MAX_JSON", 10)
    hub.add("ada/m", hub_repository.files_of(sharded(tmp_path / "m")))
    with pytest.raises(HubError, match="too many to be right"):
        plan(hub, "ada/m")


CODE = """
from a3s_power_jupyter.errors import PowerError
from a3s_power_jupyter.hub.hub_api import HubApi
from a3s_power_jupyter.hub.listing import make_plan
from a3s_power_jupyter.hub.reference import parse
try:
    print(make_plan(parse("ada/Model-GGUF"), HubApi(), name="m").files[0].path)
except PowerError as error:
    print(error.code, error.message)
"""


def in_a_process(**environ: str) -> str:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "TRANSFORMERS_")) and not name.lower().endswith("_proxy")
    }
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, env=kept | environ, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_endpoint_of_the_environment(hub: HubServer) -> None:
    add(hub, "M-Q4_0.gguf")
    assert in_a_process(HF_ENDPOINT=hub.url) == "M-Q4_0.gguf"


def test_offline(hub: HubServer) -> None:
    add(hub, "M-Q4_0.gguf")
    said = in_a_process(HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="1")
    assert said.startswith("hub_error The hub is switched off for this server: HF_HUB_OFFLINE")
    assert hub.requests == []


def test_through_a_proxy(hub: HubServer) -> None:
    """The stand-in is the proxy too: it answers for any host."""
    add(hub, "M-Q4_0.gguf")
    assert in_a_process(HF_ENDPOINT="http://hub.invalid", HTTP_PROXY=hub.url) == "M-Q4_0.gguf"
    assert hub.requests[0].headers["Host"] == "hub.invalid"
