"""Test listing models, damaged manifests, garbage and many threads."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from a3s_power_jupyter.contract.errors import (
    FileNotFound,
    InvalidModelName,
    ManifestUnreadable,
    ModelNotFound,
)
from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import Manifest, RegisterRequest, StoredFile, Upstream
from a3s_power_jupyter.store import ModelStore
from a3s_power_jupyter.store.blobs import BLOBS
from a3s_power_jupyter.store.conversions import CONVERSIONS
from a3s_power_jupyter.store.files import source_file
from a3s_power_jupyter.store.garbage import PULLS
from a3s_power_jupyter.store.manifest import MANIFESTS, decode, encode
from a3s_power_jupyter.store.prompts import PROMPTS
from support.model_files import LLAMA, gguf


def write_model(tmp_path: Path, context_length: int = 128) -> Path:
    path = tmp_path / f"{context_length}.gguf"
    path.write_bytes(gguf(LLAMA | {"llama.context_length": context_length}))
    return path


def register(store: ModelStore, name: str, path: Path, *, copy: bool = False) -> Manifest:
    request = RegisterRequest(name=name, path=str(path), copy=copy, overwrite=True)
    return store.register(request, DefaultParameters())[0]


def remote(name: str) -> Manifest:
    return Manifest(
        name=name, format="remote", created=1, upstream=Upstream("http://localhost/v1", "m")
    )


def manifests(home: Path) -> Path:
    return home / "models" / "manifests"


def ids(store: ModelStore) -> list[str]:
    return [manifest.name for manifest in store.list()]


def test_models_are_sorted_by_name(store: ModelStore) -> None:
    for name in ("b", "a:1", "a/1", "A"):
        store.save(remote(name))
    assert ids(store) == ["A", "a/1", "a:1", "b"]
    assert store.get("a/1").name == "a/1"
    assert store.get("a:1").name == "a:1"


def test_unknown_names_get_suggestions(store: ModelStore) -> None:
    store.save(remote("llama3.2:3b"))
    with pytest.raises(ModelNotFound, match=r"'llama3\.2:3b'"):
        store.get("llama3.2:1b")
    with pytest.raises(ModelNotFound, match="Register"):
        store.delete("x")
    with pytest.raises(InvalidModelName):
        store.get("../x")


def test_an_unknown_name_lists_the_models_if_they_are_few(store: ModelStore) -> None:
    with pytest.raises(ModelNotFound, match=r"'gpt'\. Register or pull it\.$"):
        store.get("gpt")
    for number in range(1, 6):
        store.save(remote(f"owner/model{number}"))
    with pytest.raises(ModelNotFound, match=r"use one of: 'owner/model1', .*'owner/model5'\.$"):
        store.get("gpt")
    store.save(remote("owner/model6"))
    with pytest.raises(ModelNotFound, match=r"'gpt'\. Register or pull it\.$"):
        store.get("gpt")


def test_changes_of_another_store_are_visible(store: ModelStore, home: Path) -> None:
    other = ModelStore(home)
    other.save(remote("a"))
    assert ids(store) == ["a"]
    other.save(msgspec.structs.replace(remote("a"), created=2))
    assert store.get("a").created == 2
    other.delete("a")
    assert ids(store) == []


def test_a_manual_edit_is_visible(store: ModelStore, home: Path) -> None:
    store.save(remote("a"))
    assert ids(store) == ["a"]
    path = manifests(home) / "a.json"
    path.write_text(path.read_text().replace('"created": 1', '"created": 12'))
    assert store.get("a").created == 12


GOOD = json.loads(msgspec.json.encode(remote("broken")))
FILE = {"name": "w", "size": 1, "sha256": "0" * 64}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[" * 100_000,
        "\xff",
        "[]",
        json.dumps(GOOD | {"schema": 3}),
        json.dumps(GOOD | {"name": "../escape"}),
        json.dumps(GOOD | {"format": "onnx"}),
        json.dumps(GOOD | {"files": [FILE | {"name": "../w"}]}),
        json.dumps(GOOD | {"files": [FILE | {"name": "/w"}]}),
        json.dumps(GOOD | {"files": [FILE | {"sha256": "../../w"}]}),
        json.dumps(GOOD | {"files": [FILE | {"path": "/w"}]}),
    ],
)
def test_a_damaged_manifest_does_not_hide_other_models(
    store: ModelStore, home: Path, content: str
) -> None:
    store.save(remote("a"))
    broken = manifests(home) / "broken.json"
    broken.write_text(content, encoding="latin-1")
    assert ids(store) == ["a"]
    [problem] = store.problems()
    assert problem.file == "broken.json"
    assert problem.reason
    assert broken.read_text(encoding="latin-1") == content
    if "escape" in content:
        return  # it claims to belong to another model
    with pytest.raises(ManifestUnreadable, match=r"broken\.json"):
        store.get("broken")
    assert store.delete("broken") == 0
    assert not broken.exists()
    assert store.problems() == []


def test_other_entries_among_the_manifests(store: ModelStore, home: Path) -> None:
    store.save(remote("a"))
    (manifests(home) / "folder.json").mkdir()
    (manifests(home) / "loop.json").symlink_to("loop.json")
    (manifests(home) / "gone.json").symlink_to("nowhere")
    (manifests(home) / "copy.json").write_bytes((manifests(home) / "a.json").read_bytes())
    (manifests(home) / "notes.txt").write_text("ignored")
    assert ids(store) == ["a"]
    files = [problem.file for problem in store.problems()]
    assert files == ["copy.json", "folder.json", "gone.json", "loop.json"]


def test_an_unreadable_manifest_is_replaced_only_by_overwriting(
    store: ModelStore, home: Path, tmp_path: Path
) -> None:
    path = write_model(tmp_path)
    register(store, "a", path)
    (manifests(home) / "a.json").write_text("{")
    request = RegisterRequest(name="a", path=str(path))
    with pytest.raises(ManifestUnreadable, match="overwrite"):
        store.register(request, DefaultParameters())
    assert register(store, "a", path) == store.get("a")
    assert [entry.name for entry in manifests(home).iterdir()] == ["a.json"]


def test_an_unreadable_manifest_keeps_its_file_name(store: ModelStore, home: Path) -> None:
    store.save(remote("a:b"))
    text = (manifests(home) / "a-b.json").read_text()
    (manifests(home) / "a-b.json").write_text(text.replace("remote", "later"))
    store.save(remote("a/b"))
    assert ids(store) == ["a/b"]
    with pytest.raises(ManifestUnreadable):
        store.get("a:b")


def test_save_requires_the_blobs(store: ModelStore) -> None:
    file = StoredFile(name="w", size=1, sha256="0" * 64)
    with pytest.raises(FileNotFound):
        store.save(Manifest(name="a", format="gguf", created=1, files=(file,)))
    assert store.list() == []


# ---------------------------------------------------------------- garbage


def put(path: Path, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_what_a_user_puts_beside_the_files_of_the_store_is_no_garbage(
    store: ModelStore, home: Path, tmp_path: Path
) -> None:
    [used] = store.resolve(register(store, "a", write_model(tmp_path), copy=True))
    kept = [
        put(used.with_name(f"{used.name}.bak")),
        put(used.with_name(f"{used.name}.part")),
        put(used.with_name(f"sha256-{'0' * 64}.bak")),
        put(used.with_name("sha256-notes")),
        put(used.with_name(f"partial-{'0' * 64}.bak")),
        put(home / CONVERSIONS / "notes.json"),
        put(home / PROMPTS / "backup" / "notes"),
    ]
    assert store.collect_garbage(dry_run=False) == []
    assert all(path.exists() for path in kept)


def test_garbage(store: ModelStore, home: Path, tmp_path: Path) -> None:
    kept = store.resolve(register(store, "a", write_model(tmp_path), copy=True))
    blobs = home / "models" / "blobs"
    garbage = [
        put(blobs / f"sha256-{'0' * 64}", "orphan"),
        put(blobs / f"partial-{'1' * 64}"),
        put(blobs / "tmp-1", "torn"),
        put(manifests(home) / "tmp-2"),
    ]
    kept.append(put(blobs / f"partial-{'2' * 64}"))
    kept.append(put(home / "pulls" / f"{'2' * 64}.json"))
    found = store.collect_garbage(dry_run=True)
    assert [(one.kind, one.name, one.size) for one in found] == [
        ("orphan_blob", garbage[0].name, 6),
        ("partial", garbage[1].name, 1),
        ("temporary", "tmp-1", 4),
        ("temporary", "tmp-2", 1),
    ]
    assert all(path.exists() for path in garbage)
    assert store.collect_garbage(dry_run=False) == found
    assert not any(path.exists() for path in garbage)
    assert all(path.exists() for path in kept)
    assert store.collect_garbage(dry_run=False) == []


def test_blobs_stay_while_a_manifest_is_unreadable(
    store: ModelStore, home: Path, tmp_path: Path
) -> None:
    [hidden] = store.resolve(register(store, "a", write_model(tmp_path), copy=True))
    [other] = store.resolve(register(store, "b", write_model(tmp_path, 256), copy=True))
    good = (manifests(home) / "a.json").read_text()
    (manifests(home) / "a.json").write_text(good[:-5])
    assert store.collect_garbage(dry_run=False) == []
    assert store.delete("b") == 0
    assert hidden.exists()
    (manifests(home) / "a.json").write_text(good)
    assert [one.name for one in store.collect_garbage(dry_run=False)] == [other.name]
    assert store.resolve(store.get("a")) == [hidden]


def test_a_copy_in_progress_is_not_garbage(store: ModelStore, tmp_path: Path) -> None:
    path = write_model(tmp_path)
    with store.blobs.import_files([source_file(path)]) as [incoming]:
        assert store.collect_garbage(dry_run=False) == []
        assert incoming.temporary is not None
        assert incoming.temporary.read_bytes() == path.read_bytes()
    assert not incoming.temporary.exists()


def test_temporary_files_of_killed_processes(store: ModelStore, home: Path, model: Path) -> None:
    register(store, "a", model)
    with store.blobs.temporary() as in_use:
        abandoned = [home / name / "tmp-0" for name in (BLOBS, MANIFESTS, CONVERSIONS, PULLS)]
        for path in abandoned:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            os.utime(path, (10**9, 10**9))
        (home / PULLS / "tmp-1").touch()  # a state that is being written
        assert len(store.collect_garbage(dry_run=True)) == 4
        store.remove_abandoned()
        assert not abandoned[0].exists()
        assert len(store.collect_garbage(dry_run=False)) == 3
        assert not any(path.exists() for path in abandoned)
        assert in_use.exists()
        assert (home / PULLS / "tmp-1").exists()


def test_a_file_that_a_pull_has_just_removed_is_not_garbage(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(remote("a"))
    monkeypatch.setattr(store.blobs, "partials", lambda: [store.blobs.path("0" * 64)])
    assert store.collect_garbage(dry_run=False) == []


# ---------------------------------------------------------------- many threads and models


def test_many_threads(store: ModelStore, tmp_path: Path) -> None:
    paths = [write_model(tmp_path, 128 + number % 3) for number in range(3)]

    def work(number: int) -> None:
        name = f"m{number % 7}"
        register(store, name, paths[number % 3], copy=number % 2 == 0)
        store.list()
        store.collect_garbage(dry_run=False)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(60)))
    assert ids(store) == [f"m{number}" for number in range(7)]
    for manifest in store.list():
        store.resolve(manifest)
    assert store.collect_garbage(dry_run=True) == []


def test_a_thousand_models(store: ModelStore, home: Path) -> None:
    manifests(home).mkdir(parents=True)
    for number in range(1000):
        text = msgspec.json.encode(remote(f"m{number:04}"))
        (manifests(home) / f"m{number:04}.json").write_bytes(text)
    for _ in range(2):  # read from the disk, then from the cache
        assert len(store.list()) == 1000


def test_a_manifest_of_an_earlier_version_is_read() -> None:
    manifest = Manifest("m", "gguf", created=1, files=(StoredFile("m.gguf", 1, "0" * 64),))
    text = encode(manifest).replace(
        b'"schema"', b'"geometry": {"layers": 1, "kv_heads": 2}, "schema"'
    )
    assert decode(text) == manifest


FILE = StoredFile("m.gguf", 1, "0" * 64)


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        (Manifest("m", "remote", created=1), "needs an upstream"),
        (Manifest("m", "gguf", created=1), "no files"),
        (Manifest("m", "safetensors", created=1), "no files"),
        (
            Manifest("m", "gguf", created=1, files=(msgspec.structs.replace(FILE, size=-1),)),
            "negative",
        ),
    ],
)
def test_a_manifest_that_lacks_what_its_format_needs_is_unreadable(
    store: ModelStore, home: Path, model: Path, manifest: Manifest, reason: str
) -> None:
    register(store, "a", model)
    (manifests(home) / "m.json").write_bytes(encode(manifest))
    assert [found.name for found in store.list()] == ["a"]
    [problem] = store.problems()
    assert problem.file == "m.json"
    assert reason in problem.reason
