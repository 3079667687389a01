"""Test that a check finds each fault of a store, says what to do, and that a repair mends it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest

from a3s_power_jupyter.contract.errors import StoreUnavailable
from a3s_power_jupyter.contract.types import Source
from a3s_power_jupyter.fsck.check import Outcome, check_store, repair
from a3s_power_jupyter.fsck.finding import Finding, Repair
from a3s_power_jupyter.store import ModelStore
from a3s_power_jupyter.store.conversions import conversion_of
from support.fsck_checks import content_of, found, mended, only, repaired
from support.model_files import model_directory
from support.registering import register


def blob(store: ModelStore) -> Path:
    [path] = store.resolve(store.get("copied"))
    return path


def test_a_home_that_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "none")
    for home in (tmp_path / "none", tmp_path / "link"):
        with pytest.raises(StoreUnavailable, match=f"{tmp_path}/none.* does not exist"):
            check_store(ModelStore(home), contents=True)
        assert not home.exists()


def test_a_folder_without_models_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StoreUnavailable, match=f"{tmp_path} has no folder models"):
        check_store(ModelStore(tmp_path), contents=True)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("folder", ["models", "pulls"])
def test_a_store_without_models_stays_as_it_is(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    assert check_store(ModelStore(tmp_path), contents=True) == []
    assert [path.name for path in tmp_path.rglob("*")] == [folder]


def test_a_directory_in_place_of_the_lock(store: ModelStore) -> None:
    store.lock_path.unlink(missing_ok=True)
    store.lock_path.mkdir()
    blob(store).unlink()
    lock, missing = found(store)
    assert (lock.kind, lock.path, lock.advice) == ("problem", store.lock_path, "Remove it.")
    assert "is a directory, not a file" in lock.reason
    assert "missing in the store" in missing.reason


def test_a_directory_in_place_of_a_blob(store: ModelStore) -> None:
    path = blob(store)
    path.unlink()
    path.mkdir()
    assert f"directory is in place of the file model.gguf in the store ({path})" in (
        only(store, "problem").reason
    )


def test_a_home_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/models").write_text("a file")
    with pytest.raises(StoreUnavailable):
        check_store(ModelStore(tmp_path / "home"), contents=False)


@pytest.mark.parametrize(
    ("text", "reason", "advice"),
    [
        ("{", "truncated", "does not say which model"),
        ('{"name": "a"}', "format", "%power register a PATH --overwrite"),
        ('{"name": "../../x"}', "format", "No model can have its name"),
        (
            '{"name": "../../x", "format": "gguf", "created": 1, "files": []}',
            "must not be empty, '.' or '..'.",
            "No model can have its name",
        ),
        ('{"name": "a", "schema": 3}', "newer version", "left alone"),
    ],
)
def test_a_manifest_that_cannot_be_read(
    store: ModelStore, text: str, reason: str, advice: str
) -> None:
    path = store.home / "models/manifests/a.json"
    path.write_text(text)
    finding, note = found(store)
    assert (finding.kind, finding.path) == ("problem", path)
    assert reason in finding.reason
    assert not finding.reason.endswith("..")
    assert advice in finding.advice
    assert note.kind == "note"
    assert "neither listed nor removed" in note.reason
    assert [f.path for f in mended(store)] == [path, note.path]
    assert path.read_text() == text


def test_what_is_no_manifest(store: ModelStore) -> None:
    folder = store.home / "models/manifests"
    (folder / "folder.json").mkdir()
    (folder / "link.json").symlink_to("nowhere")
    (folder / "twice.json").write_bytes((folder / "copied.json").read_bytes())
    problems = [f for f in found(store) if f.kind == "problem"]
    assert [f.path.name for f in problems] == ["folder.json", "link.json", "twice.json"]
    assert "is a directory" in problems[0].reason
    assert "which does not exist" in problems[1].reason
    assert problems[0].advice == problems[1].advice
    assert "Remove one of the two" in problems[2].advice
    assert not any(".." in f.reason for f in problems)


def test_a_directory_that_a3s_power_registered(store: ModelStore, tmp_path: Path) -> None:
    model_directory(tmp_path / "llama")
    manifest = {
        "name": "llama",
        "format": "safetensors",
        "size": 1,
        "sha256": "",
        "parameters": None,
        "created_at": "2026-02-11T09:30:15Z",
        "path": str(tmp_path / "llama"),
    }
    (store.home / "models/manifests/llama.json").write_text(json.dumps(manifest))
    problem, _ = found(store)
    assert problem.repair is not None
    assert "register it in place" in problem.repair.action
    assert mended(store) == []
    assert store.get("llama").format == "safetensors"


def test_a_model_of_a3s_power_without_its_file(store: ModelStore, tmp_path: Path) -> None:
    manifest = {
        "name": "gone",
        "format": "gguf",
        "size": 1,
        "sha256": "0" * 64,
        "parameters": None,
        "created_at": "2026-02-11T09:30:15Z",
        "path": str(tmp_path / "gone.gguf"),
    }
    (store.home / "models/manifests/gone.json").write_text(json.dumps(manifest))
    problem, _ = found(store)
    assert problem.reason.endswith("gone.gguf does not exist on the server.")
    assert "'gone'" in problem.advice


def test_a_blob_that_is_missing_or_too_short(store: ModelStore) -> None:
    path = blob(store)
    content = path.read_bytes()
    source = store.get("copied").source.path
    for damage, reason in (
        (lambda: path.write_bytes(content[:-1]), f"should have {len(content):,}"),
        (path.unlink, "missing in the store"),
    ):
        damage()
        finding = only(store, "problem")
        assert reason in finding.reason
        assert (
            f"Register 'copied' again (%power register copied {source} --copy)." in finding.reason
        )
        assert len(mended(store)) == 1
        assert store.get("copied")


def test_a_blob_with_another_content(store: ModelStore, tmp_path: Path) -> None:
    register(store, "second", tmp_path / "model.gguf", copy=True)
    path = blob(store)
    size = path.stat().st_size
    path.write_bytes(bytes(reversed(path.read_bytes())))
    assert found(store, contents=False) == []
    finding = only(store, "problem")
    assert finding.reason.startswith("copied, second: the content of model.gguf does not match")
    assert finding.advice.startswith("After the repair, register 'copied' again (%power")
    assert (
        f"or register 'second' again (%power register second {tmp_path}/model.gguf --copy)."
        in finding.advice
    )
    assert "for all of them" in finding.advice
    assert "pull" not in finding.advice
    assert (finding.size, finding.needs_user) == (size, True)
    assert repaired(store) == size
    assert not path.exists()
    finding = only(store, "problem")
    assert finding.reason.startswith("copied, second: The file model.gguf is missing in the store")
    assert "Register 'copied' again (" in finding.reason
    assert finding.advice.startswith("Or register 'second' again (")
    register(store, "second", tmp_path / "model.gguf", copy=True)
    assert found(store) == []


def test_a_pulled_blob_with_another_content(store: ModelStore) -> None:
    manifest = store.get("copied")
    store.save(msgspec.structs.replace(manifest, source=Source(reference="hub/model:q4")))
    blob(store).write_bytes(bytes(reversed(blob(store).read_bytes())))
    assert only(store, "problem").advice == (
        "After the repair, pull 'hub/model:q4' again (%power pull hub/model:q4)."
    )


def test_a_blob_that_is_right_again_is_not_removed(store: ModelStore) -> None:
    content = blob(store).read_bytes()
    blob(store).write_bytes(bytes(reversed(content)))
    findings = found(store)
    blob(store).write_bytes(content)
    assert [*repair(findings).values()] == [Outcome(0)]
    blob(store).unlink()
    assert [*repair(findings).values()] == [Outcome(0)]


def test_files_in_place_that_changed(store: ModelStore, tmp_path: Path) -> None:
    path = tmp_path / "other.gguf"
    path.touch()
    assert f"(%power register in-place {path} --overwrite)." in only(store, "problem").reason
    path.unlink()
    finding = only(store, "problem")
    assert finding.path == path
    assert "moved or deleted" in finding.reason


def test_a_content_in_place_that_changed_unnoticed(store: ModelStore, tmp_path: Path) -> None:
    path = tmp_path / "other.gguf"
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_bytes(bytes(reversed(path.read_bytes())))
    os.utime(path, ns=times)
    finding = only(store, "problem")
    assert finding.repair is None
    command = f"%power register in-place {path} --overwrite"
    assert finding.advice == f"Register 'in-place' again ({command})."
    mended(store)
    assert path.exists()


def test_leftovers(store: ModelStore) -> None:
    blobs, pulls = store.home / "models/blobs", store.home / "pulls"
    pulls.mkdir()
    leftovers = {
        blobs / f"sha256-{'0' * 64}": b"orphan",
        blobs / f"partial-{'1' * 64}": b"without a state",
        blobs / "tmp-a-copy": b"torn",
        store.home / "models/manifests/tmp-b": b"torn",
        pulls / f"{'2' * 64}.ranges": b"without a state",
        pulls / f"{'3' * 64}.lock": b"",
    }
    for path, content in leftovers.items():
        path.write_bytes(content)
    before = content_of(store.home)
    findings = found(store)
    assert content_of(store.home) == before
    assert {f.path for f in findings} == {*leftovers}
    assert {f.kind for f in findings} == {"leftover"}
    assert repaired(store) == sum(map(len, leftovers.values()))
    assert found(store) == []
    assert not any(path.exists() for path in leftovers)
    assert blob(store).exists()


def test_blobs_are_kept_while_a_manifest_is_unreadable(store: ModelStore) -> None:
    orphan = store.home / f"models/blobs/sha256-{'0' * 64}"
    orphan.write_bytes(b"may be in use")
    (store.home / "models/manifests/a.json").write_text("{")
    assert [finding.kind for finding in mended(store)] == ["problem", "note"]
    assert orphan.exists()


def test_other_files_are_left_alone(store: ModelStore) -> None:
    places = [
        "models/manifests/notes.txt",
        "models/blobs/model.gguf",
        f"models/blobs/{blob(store).name}.bak",
        f"models/blobs/sha256-{'0' * 64}.part",
        f"models/blobs/partial-{'0' * 64}.bak",
        "models/conversions/notes.json",
        "pulls/readme",
        "pulls/notes.json",
        "pulls/notes.lock",
        "pulls/notes.ranges",
        "pulls/notes.tmp",
    ]
    others = [store.home / place for place in places]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    assert {(f.kind, f.path) for f in mended(store)} == {("note", path) for path in others}
    assert all(path.exists() for path in others)


def test_a_conversion_without_its_result(store: ModelStore) -> None:
    manifest = store.get("copied")
    record = msgspec.structs.replace(conversion_of(manifest, "Q8_0"), sha256="4" * 64, size=9)
    store.save_conversion(record, None)
    assert "converts it again" in only(store, "problem").reason
    assert mended(store) == []
    store.save_conversion(msgspec.structs.replace(record, size=1), None)
    result = store.blobs.path(record.sha256)
    result.write_bytes(b"x")  # its SHA-256 is another one
    finding = only(store, "problem")
    assert (finding.path, finding.needs_user) == (result, False)
    assert "converts the model again" in finding.reason
    assert repaired(store) > 1
    assert found(store) == []
    assert not result.exists()
    refused = msgspec.structs.replace(record, sha256="", size=0, refused="unknown family")
    store.save_conversion(refused, None)
    assert found(store) == []


def test_a_repair_that_fails_says_why(store: ModelStore) -> None:
    def fail() -> int:
        raise PermissionError(13, "no")

    mend = Repair(fail)
    finding = Finding("problem", store.home, "a reason", repair=mend)
    assert repair([finding, finding]) == {mend: Outcome(0, "no")}


@pytest.mark.skipif(os.name == "nt", reason="needs pipes and symbolic links")
@pytest.mark.parametrize(
    "name",
    [
        f"models/blobs/sha256-{'5' * 64}",
        f"models/blobs/partial-{'5' * 64}",
        f"models/conversions/{'5' * 64}.json",
        *(f"pulls/{'5' * 64}.{suffix}" for suffix in ("json", "lock", "ranges", "tmp")),
    ],
)
def test_what_is_no_file_stops_no_check(store: ModelStore, name: str) -> None:
    path = store.home / name
    path.parent.mkdir(exist_ok=True)
    for create in (path.mkdir, lambda: os.mkfifo(path), lambda: path.symlink_to(path)):
        create()
        assert path in {finding.path for finding in found(store)}
        assert repaired(store) == 0
        path.rmdir() if path.is_dir() else path.unlink()
