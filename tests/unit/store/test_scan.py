"""Models in the folders of other programs are found within limits, and what is no model is not."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from a3s_power_jupyter.store.names import check_name
from a3s_power_jupyter.store.scan import proposals, scanner
from a3s_power_jupyter.store.scan.budget import Budget
from a3s_power_jupyter.store.scan.places import Place, known_places
from a3s_power_jupyter.store.scan.proposals import FreeNames
from a3s_power_jupyter.store.scan.scanner import Scan, Scanner
from support.model_files import LLAMA, gguf, model_directory

HEX = "ab" * 32
CLIP = {"general.architecture": "clip", "clip.has_vision_encoder": True}


def write(path: Path, content: bytes | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gguf() if content is None else content)
    return path


def cached(root: Path, repository: str, file: str, commit: str = "c0ffee", hex_: str = HEX) -> Path:
    """Create a file as the hub's cache does: a link to a blob."""
    folder = root / f"models--{repository.replace('/', '--')}"
    blob = write(folder / "blobs" / hex_)
    link = folder / "snapshots" / commit / file
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(blob, link.parent))
    return link


def ollama_model(root: Path, name: str, *digests: tuple[str, str]) -> None:
    layers = [{"mediaType": kind, "digest": digest, "size": 1} for kind, digest in digests]
    write(root / "manifests" / name, json.dumps({"layers": layers}).encode())


def scan(source: str, root: Path, **limits: int) -> Scan:
    return Scanner().scan(Place(source, root), Budget(**limits))  # type: ignore[arg-type]


def names(found: Scan) -> dict[str, Path]:
    return {model.name: model.path for model in found.models}


# ---------------------------------------------------------------- the cache of the hub


def test_models_in_the_cache_of_the_hub_are_found(tmp_path: Path) -> None:
    small = cached(tmp_path, "org/tiny-GGUF", "tiny-Q4_K_M.gguf")
    other = cached(tmp_path, "org/tiny-GGUF", "sub/tiny-UD-Q4_K_XL.gguf", hex_="cd" * 32)
    cached(tmp_path, "org/tiny-GGUF", "old-Q8_0.gguf", commit="bad0")
    write(tmp_path / "models--org--tiny-GGUF/refs/main", b"c0ffee\n")
    directory = model_directory(tmp_path / "models--org--llama" / "snapshots" / "1")
    found = scan("huggingface", tmp_path)
    assert names(found) == {
        "org/tiny-GGUF:Q4_K_M": small,
        "org/tiny-GGUF/sub/tiny-UD-Q4_K_XL.gguf": other,
        "org/llama": directory,
    }
    assert {m.name: m.sha256 for m in found.models}["org/tiny-GGUF:Q4_K_M"] == HEX
    assert found.problems == []


def test_datasets_broken_links_and_incomplete_models_are_not_listed(tmp_path: Path) -> None:
    write(tmp_path / "datasets--org--data/snapshots/1/a.gguf")
    folder = tmp_path / "models--org--broken/snapshots/1"
    folder.mkdir(parents=True)
    (folder / "gone.gguf").symlink_to("../../blobs/gone")
    (folder / "loop.gguf").symlink_to("loop.gguf")
    write(folder / "text.gguf", b"GGUF but not really, or a file of zeros\0\0\0\0\0\0")
    write(folder / "huge.gguf", b"GGUF\3\0\0\0" + b"\xff" * 16)
    write(folder / "config.json", b"{")
    write(folder / "model.safetensors", b"")
    os.mkfifo(folder / "pipe.gguf")
    write(tmp_path / "models--org--empty/refs/main", b"../../..")
    assert scan("huggingface", tmp_path).models == []


# ---------------------------------------------------------------- LM Studio


def test_models_of_lm_studio_have_their_projector(tmp_path: Path) -> None:
    folder = tmp_path / "lmstudio-community" / "tiny-vl-GGUF"
    model = write(folder / "tiny-vl-Q4_K_M.gguf")
    write(folder / "mmproj-tiny-vl-F32.gguf", gguf(CLIP))
    projector = write(folder / "mmproj-tiny-vl-F16.gguf", gguf(CLIP))
    write(folder / "mmproj-tiny-vl-BF16.gguf", b"damaged")
    [found] = scan("lmstudio", tmp_path).models
    assert (found.name, found.path) == ("lmstudio-community/tiny-vl-GGUF:Q4_K_M", model)
    assert found.mmproj == projector
    assert "vision" in found.description.capabilities


def test_the_header_says_whether_a_file_is_an_importance_matrix(tmp_path: Path) -> None:
    folder = tmp_path / "me" / "tiny"
    model = write(folder / "tiny-imatrix-Q4_0.gguf")
    write(folder / "imatrix.gguf", gguf({"general.type": "imatrix"}))
    write(folder / "tiny-imatrix.gguf", gguf({**LLAMA, "general.type": "imatrix"}))
    assert names(scan("lmstudio", tmp_path)) == {"me/tiny:Q4_0": model}


def test_only_the_best_projectors_are_tried(tmp_path: Path) -> None:
    folder = tmp_path / "me" / "tiny"
    write(folder / "tiny-Q4_0.gguf")
    for number in range(50):
        write(folder / f"mmproj-{number:02}-f16.gguf", b"damaged")
    write(folder / "mmproj-q8_0.gguf", gguf(CLIP))
    [found] = scan("lmstudio", tmp_path).models
    assert found.mmproj is None


def test_a_projector_beside_different_models_belongs_to_none(tmp_path: Path) -> None:
    folder = tmp_path / "me" / "mixed"
    write(folder / "a-Q4_K_M.gguf")
    write(folder / "b-Q4_K_M.gguf", gguf({**LLAMA, "llama.embedding_length": 32}))
    write(folder / "mmproj-a.gguf", gguf(CLIP))
    assert [m.mmproj for m in scan("lmstudio", tmp_path).models] == [None, None]


def test_shards_are_one_model(tmp_path: Path) -> None:
    folder = tmp_path / "me" / "large"
    for number in (1, 2):
        split = {"split.no": number - 1, "split.count": 2, "split.tensors.count": 4}
        write(folder / f"large-Q8_0-0000{number}-of-00002.gguf", gguf({**LLAMA, **split}))
    [found] = scan("lmstudio", tmp_path).models
    assert found.name == "me/large:Q8_0"
    assert found.path.name == "large-Q8_0-00001-of-00002.gguf"
    assert len(found.description.files) == 2
    (folder / "large-Q8_0-00002-of-00002.gguf").unlink()
    assert scan("lmstudio", tmp_path).models == []


# ---------------------------------------------------------------- Ollama


def test_models_of_ollama_are_found(tmp_path: Path) -> None:
    blob = write(tmp_path / "blobs" / f"sha256-{HEX}")
    projector = write(tmp_path / "blobs" / f"sha256-{'cd' * 32}", gguf(CLIP))
    kind = "application/vnd.ollama.image"
    model, mmproj = (f"{kind}.model", f"sha256:{HEX}"), (f"{kind}.projector", f"sha256:{'cd' * 32}")
    ollama_model(
        tmp_path, "registry.ollama.ai/library/llama3.2/3b", model, (f"{kind}.license", "x")
    )
    [found] = scan("ollama", tmp_path).models
    assert (found.name, found.path, found.sha256) == ("llama3.2:3b", blob, HEX)
    ollama_model(tmp_path, "hf.co/org/tiny-GGUF/Q4_K_M", model)
    [found] = scan("ollama", tmp_path).models  # the same blob
    (tmp_path / "manifests/registry.ollama.ai/library/llama3.2/3b").unlink()
    ollama_model(tmp_path, "hf.co/org/tiny-GGUF/Q4_K_M", model, mmproj)
    [found] = scan("ollama", tmp_path).models
    assert (found.name, found.mmproj) == ("org/tiny-GGUF:Q4_K_M", projector)


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[" * 100_000,
        b'{"layers": 3}',
        b'{"layers": [{"mediaType": "application/vnd.ollama.image.model", '
        b'"digest": "sha256:../../x"}]}',
        b'{"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256-%s"}, '
        b'{"mediaType": "application/vnd.ollama.image.adapter", "digest": "sha256-%s"}]}'
        % (HEX.encode(), HEX.encode()),
    ],
)
def test_other_manifests_of_ollama_are_ignored(tmp_path: Path, manifest: bytes) -> None:
    write(tmp_path / "blobs" / f"sha256-{HEX}")
    write(tmp_path / "x")
    write(tmp_path / "manifests/registry.ollama.ai/library/m/latest", manifest)
    assert scan("ollama", tmp_path).models == []


# ---------------------------------------------------------------- limits


def test_a_folder_that_does_not_exist_has_no_models(tmp_path: Path) -> None:
    assert scan("ollama", tmp_path / "none") == Scan()


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "me" / "tiny"
    write(folder / "tiny-Q4_0.gguf")
    (folder / "again").symlink_to(folder)
    (folder / "up").symlink_to(tmp_path)
    assert len(scan("lmstudio", tmp_path).models) == 1


def test_a_scan_ends_at_its_limits_with_what_it_has(tmp_path: Path) -> None:
    for number in range(6):
        write(tmp_path / "me" / f"m{number}" / "tiny-Q4_0.gguf")
    found = scan("lmstudio", tmp_path, models=4)
    assert len(found.models) == 4
    assert [(path, "too many models" in why) for path, why in found.problems] == [(tmp_path, True)]
    found = scan("lmstudio", tmp_path, entries=10)
    assert 0 < len(found.models) < 6
    assert "too many files" in found.problems[0][1]
    times = iter(range(100))
    late = Scanner().scan(
        Place("lmstudio", tmp_path), Budget(seconds=12, clock=lambda: next(times))
    )
    assert 0 < len(late.models) < 6
    assert "within 12 seconds" in late.problems[0][1]


def test_a_folder_that_cannot_be_read_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "me" / "tiny" / "tiny-Q4_0.gguf")
    (tmp_path / "you").mkdir()
    scandir = os.scandir

    def refusing(path: Path) -> Any:  # the tests may run as root, who can read everything
        if path == tmp_path / "you":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    found = scan("lmstudio", tmp_path)
    assert len(found.models) == 1
    assert found.problems == [(tmp_path / "you", "Permission denied")]


def test_deep_folders_are_not_searched(tmp_path: Path) -> None:
    write(tmp_path / "me" / "tiny" / Path(*"abcdefgh") / "tiny-Q4_0.gguf")
    assert scan("lmstudio", tmp_path).models == []


def test_names_that_cannot_be_shown_are_skipped(tmp_path: Path) -> None:
    folder = tmp_path / "me" / "tiny"
    write(folder / "tiny-Q4_0.gguf")
    write(Path(os.fsdecode(os.fsencode(folder) + b"/\xff-Q4_0.gguf")))
    write(folder / "a\nb.gguf")
    assert len(scan("lmstudio", tmp_path).models) == 1


def test_an_unchanged_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "me" / "tiny" / "tiny-Q4_0.gguf")
    place, reused = Place("lmstudio", tmp_path), Scanner()
    [first] = reused.scan(place, Budget()).models
    monkeypatch.setattr(scanner, "describe_gguf", None)
    assert reused.scan(place, Budget()).models == [first]
    monkeypatch.undo()
    write(path, gguf({**LLAMA, "llama.context_length": 99}))
    [changed] = reused.scan(place, Budget()).models
    assert changed.description.context_length == 99


# ---------------------------------------------------------------- places and names


def test_the_places_follow_the_variables() -> None:
    home = Path("/home/ada")

    def hub(**variables: str) -> str:
        return str(known_places(variables, home)[0].path)

    assert hub() == "/home/ada/.cache/huggingface/hub"
    assert hub(XDG_CACHE_HOME="/c") == "/c/huggingface/hub"
    assert hub(HF_HOME="~/hf", XDG_CACHE_HOME="/c") == "/home/ada/hf/hub"
    assert hub(HF_HUB_CACHE="/hub", HF_HOME="/hf") == "/hub"
    assert hub(HF_HUB_CACHE="", HF_HOME="relative") == "/home/ada/.cache/huggingface/hub"
    assert Place("ollama", Path("/models")) in known_places({"OLLAMA_MODELS": "/models"}, home)
    assert Place("lmstudio", home / ".lmstudio/models") in known_places({}, home)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/models/Llama-3.2-3B-Q4_K_M.gguf", "Llama-3.2-3B-Q4_K_M"),
        ("/models/big-Q8_0-00001-of-00003.gguf", "big-Q8_0"),
        ("/models/My Modèle (v2).gguf", "My-Modele-v2"),
        ("/models/.gguf", "model"),
        ("/models/日本.gguf", "model"),
        ("/c/models--org--m-GGUF/snapshots/1/m-Q4_0.gguf", "org/m-GGUF:Q4_0"),
        ("/c/models--org--m/snapshots/1", "org/m"),
        ("/models/" + "x" * 300, "x" * 255),
    ],
)
def test_a_name_is_proposed_from_the_path(path: str, name: str) -> None:
    assert proposals.of_path(Path(path)) == name


def test_a_free_name_is_proposed() -> None:
    assert FreeNames([]).take("a") == "a"
    names = FreeNames(["A", "a-2"])
    assert [names.take("a") for _ in range(2)] == ["a-3", "a-4"]
    long = "x" * 255
    assert FreeNames([long]).take(long) == "x" * 253 + "-2"


def test_a_file_without_letters_of_names_is_called_model() -> None:
    assert proposals.in_repository("o/m", "漢.gguf") == "o/m/model.gguf"
    assert proposals.of_path(Path("/漢.gguf")) == "model"


@pytest.mark.parametrize("length", range(248, 257))
def test_a_name_that_is_cut_is_a_name(length: int) -> None:
    for end in ("/.b/c", "/..b/.c", "/...d"):
        name = proposals.clean("x" * length + end)
        check_name(name)
        check_name(FreeNames([name]).take(name))
