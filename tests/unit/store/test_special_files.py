"""Test that pipes, sockets, devices and directories in place of files never block or end a task."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import pytest

from a3s_power_jupyter.contract.errors import (
    FileChanged,
    InvalidParameter,
    ManifestUnreadable,
    NotAFile,
    PathUnreadable,
    PowerError,
    StoreUnavailable,
)
from a3s_power_jupyter.contract.regular_file import open_regular, read_regular
from a3s_power_jupyter.contract.types import PullStatus
from a3s_power_jupyter.hub.http.token import hub_token
from a3s_power_jupyter.hub.states import PullState, PullStates
from a3s_power_jupyter.hub.transfer.partial_state import bytes_on_disk, discard, read_states
from a3s_power_jupyter.store import ModelStore
from a3s_power_jupyter.store.conversions import conversion_of
from a3s_power_jupyter.store.files import chunks, source_file
from support.model_files import LLAMA, gguf, model_directory
from support.registering import register
from support.special_files import KINDS, make_special

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("kind", KINDS)
def test_a_special_file_is_not_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file"
    make_special(path, kind)
    for access in (os.O_RDONLY, os.O_RDWR):
        with pytest.raises(NotAFile, match=kind.split()[-1]):
            open_regular(path, access)
    with pytest.raises(NotAFile):
        source_file(path)


def test_a_pipe_that_has_just_replaced_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    source = source_file(path)
    regular = path.stat()
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(Path, "stat", lambda _path: regular)
    with pytest.raises(NotAFile):
        open_regular(path)
    with pytest.raises(NotAFile):
        list(chunks(source))


def test_a_small_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_regular(path, 5) == b"12345"
    with pytest.raises(PathUnreadable, match="larger than 4 bytes"):
        read_regular(path, 4)


@pytest.mark.skipif(not Path("/proc/self/pagemap").exists(), reason="needs Linux")
def test_files_of_proc(store: ModelStore) -> None:
    """Their size is 0, even if they have content."""
    endless = Path("/proc/self/pagemap")
    assert list(chunks(source_file(endless))) == []
    for path in (endless, Path("/proc/kmsg"), Path("/proc/self/mem")):
        with pytest.raises(PowerError):
            register(store, "a", path, format="gguf")
    shorter = next(path for path in Path("/sys/kernel").iterdir() if path.is_file())
    with pytest.raises(FileChanged):
        list(chunks(source_file(shorter)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name",
    [
        "config.json", "tokenizer.json", "tokenizer_config.json", "modules.json", "vocab.txt",
        "model.safetensors", "model.safetensors.index.json", "chat_template.jinja",
    ],
)  # fmt: skip
@pytest.mark.parametrize("copy", [False, True])
def test_model_directories(
    store: ModelStore, tmp_path: Path, kind: str, name: str, copy: bool
) -> None:
    folder = model_directory(tmp_path / "m")
    (folder / name).unlink(missing_ok=True)
    if name == "model.safetensors.index.json":
        (folder / "model.safetensors").unlink()
    make_special(folder / name, kind)
    try:
        manifest, _ = register(store, "a", folder, copy=copy)
    except PowerError as error:
        assert error.status == 400  # noqa: PT017 - or it is registered without the file
    else:
        assert name not in [file.name for file in manifest.files]
        assert name in ("vocab.txt", "chat_template.jinja")


@pytest.mark.parametrize("kind", KINDS)
def test_gguf_shards_and_projectors(store: ModelStore, tmp_path: Path, kind: str) -> None:
    first = tmp_path / "m-00001-of-00002.gguf"
    first.write_bytes(gguf(LLAMA | {"split.count": 2, "split.no": 0}))
    make_special(tmp_path / "m-00002-of-00002.gguf", kind)
    make_special(tmp_path / "mmproj.gguf", kind)
    (tmp_path / "model.gguf").write_bytes(gguf())
    for path, more in [
        (first, {}),
        (tmp_path / "model.gguf", {"mmproj": str(tmp_path / "mmproj.gguf")}),
        (tmp_path / "model.gguf", {"format": "vision"}),
    ]:
        with pytest.raises(NotAFile):
            register(store, "a", path, **more)


@pytest.mark.parametrize("kind", KINDS)
def test_a_registered_file_that_is_replaced(store: ModelStore, model: Path, kind: str) -> None:
    in_place, _ = register(store, "a", model)
    copied, _ = register(store, "b", model, copy=True)
    for path in (model, store.blobs.path(copied.files[0].sha256)):
        path.unlink()
        make_special(path, kind)
    for manifest in (in_place, copied):
        with pytest.raises(PowerError):
            store.resolve(manifest)
    assert store.delete("a") == 0
    assert store.delete("b") == 0


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_the_home(home: Path, store: ModelStore, model: Path, kind: str) -> None:
    manifest, _ = register(store, "a", model, copy=True)
    conversion = conversion_of(manifest, "Q4K")
    key = hashlib.sha256(b"url").hexdigest()
    for path in (
        home / "models/manifests/x.json",
        store.conversions.path(conversion.key),
        store.conversions.path("0" * 64),
        store.blobs.path("0" * 64),
        home / "models/blobs/tmp-0",
        home / f"models/blobs/partial-{key}",
        home / f"pulls/{key}.json",
        home / f"pulls/{key}.ranges",
    ):
        make_special(path, kind)
    [problem] = store.problems()
    assert (problem.file, kind.split()[-1] in problem.reason) == ("x.json", True)
    assert store.list() == [manifest]
    assert store.find_conversion(conversion) is None
    x = home / "models/manifests/x.json"
    x.rmdir() if kind == "directory" else x.unlink()
    assert store.problems() == []
    assert store.collect_garbage(dry_run=False) == []
    assert register(store, "b", model, copy=True)[0].files == manifest.files
    store.delete("b")
    assert bytes_on_disk(home, "url") == discard(home, "a") == 0
    assert read_states(home) == []


@pytest.mark.parametrize("kind", KINDS)
def test_states_of_pulls(home: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    states = PullStates(home, logging.getLogger("pulls"))
    state = PullState(PullStatus("owner/repo", "pulling", 1.0))
    states.write(state)
    broken = home / "pulls" / f"{hashlib.sha256(b'other').hexdigest()}.json"
    make_special(broken, kind)
    make_special(states._lock_path("owner/repo"), kind)
    [found] = states.read_all()
    assert (found.status.name, found.status.status) == ("owner/repo", "paused")
    assert broken.name in caplog.text
    assert states.read("other") is None


def test_the_lock(home: Path, store: ModelStore, model: Path) -> None:
    make_special(home / "lock", "pipe")
    register(store, "a", model, copy=True)
    (home / "lock").unlink(missing_ok=True)
    make_special(home / "lock", "directory")
    with pytest.raises(StoreUnavailable, match="directory"):
        store.delete("a")


def test_the_token_of_a_hub_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token"
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(path))
    assert hub_token(None) is None
    path.write_text("hf_secret\n")
    assert hub_token(None) == "hf_secret"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(NotAFile, match="token is a pipe"):
        hub_token(None)


def test_a_login_that_is_not_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token"
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(path))
    path.write_bytes(b"\xff\xfe\0")
    with pytest.raises(InvalidParameter, match=r"token does not contain a token.*%power login"):
        hub_token(None)
    path.write_bytes(b"x" * 100_000)
    with pytest.raises(PathUnreadable, match="larger than"):
        hub_token(None)
    assert hub_token("hf_given") == "hf_given"
    monkeypatch.setenv("HF_TOKEN", "hf_environment")
    assert hub_token(None) == "hf_environment"


@pytest.mark.parametrize("kind", KINDS)
def test_what_replaces_a_manifest_is_deleted_or_replaced_unless_it_is_a_directory(
    home: Path, store: ModelStore, model: Path, kind: str
) -> None:
    path = home / "models/manifests/a.json"
    make_special(path, kind)
    with pytest.raises(ManifestUnreadable, match=rf"{path} .*\. Make {path} a file"):
        store.get("a")
    if kind == "directory":
        (path / "of the user").touch()
        for change in (
            lambda: store.delete("a"),
            lambda: register(store, "a", model, overwrite=True),
            lambda: register(store, "a", model, copy=True, overwrite=True),
        ):
            with pytest.raises(ManifestUnreadable, match="or remove it"):
                change()
        assert (path / "of the user").exists()
    else:
        assert store.delete("a") == 0
        assert not path.is_symlink()
        make_special(path, kind)
        register(store, "a", model, overwrite=True)
        assert store.resolve(store.get("a")) == [model]


def test_a_link_in_place_of_a_manifest(home: Path, store: ModelStore, model: Path) -> None:
    register(store, "a", model, copy=True)
    path, real = home / "models/manifests/a.json", home / "elsewhere.json"
    path.rename(real)
    path.symlink_to(real)
    assert [manifest.name for manifest in store.list()] == ["a"]
    real.rename(home / "away.json")
    assert store.list() == []
    [problem] = store.problems()
    assert problem.reason == f"{path} is a link to {real}, which does not exist"
    assert store.collect_garbage(dry_run=False) == []  # what is away uses a blob
    (home / "away.json").rename(real)
    assert store.resolve(store.get("a"))
    (home / "models/manifests/b.json").symlink_to(home / "models")  # a directory
    assert "is a directory" in store.problems()[0].reason
    store.delete("b")
    assert store.problems() == []
