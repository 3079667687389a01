"""Only the owner has access to what the store creates, whatever the umask is."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from a3s_power_jupyter.contract.types import Upstream
from a3s_power_jupyter.store import ModelStore
from a3s_power_jupyter.store import blobs as blobs_module
from a3s_power_jupyter.store.conversions import conversion_of
from a3s_power_jupyter.store.directories import make_directory
from a3s_power_jupyter.store.files import create_file, write_atomically
from a3s_power_jupyter.store.locks import ProcessLock
from support.registering import register

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o277], ids=oct)
def _umask(request: pytest.FixtureRequest, tmp_path: Path, model: Path) -> Iterator[None]:
    old = os.umask(request.param)
    yield
    os.umask(old)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def modes_below(home: Path) -> set[tuple[bool, int]]:
    """Return whether each path is a directory, and its mode."""
    return {(path.is_dir(), mode(path)) for path in (home, *home.rglob("*"))}


@pytest.mark.usefixtures("_umask")
@pytest.mark.parametrize("reflinks", [False, True])
def test_everything_in_a_new_home(
    tmp_path: Path, model: Path, reflinks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clone(source: blobs_module.SourceFile, target: object) -> bool:
        if reflinks:
            target.write(source.path.read_bytes())  # type: ignore[attr-defined]
        return reflinks

    monkeypatch.setattr(blobs_module, "clone", clone)
    model.chmod(0o644)
    home = tmp_path / "new" / "home"
    store = ModelStore(home)
    manifest, _ = register(store, "copied", model, copy=True)
    register(store, "in-place", model)
    upstream = Upstream("http://localhost:8000/v1", "m")
    register(store, "remote", None, format="remote", upstream=upstream)
    with store.blobs.temporary() as converted:
        converted.write_bytes(b"converted")
        conversion = msgspec.structs.replace(conversion_of(manifest, "Q4K"), sha256="0" * 64)
        store.save_conversion(conversion, converted)
    lock = ProcessLock(home / "pulls" / "a.lock")
    assert lock.acquire()
    assert len({*home.rglob("*.json")}) == 4
    assert modes_below(tmp_path / "new") == {(True, 0o700), (False, 0o600)}
    lock.release()
    assert mode(model) == 0o644
    assert store.resolve(manifest)[0].read_bytes() == model.read_bytes()


@pytest.mark.usefixtures("_umask")
def test_existing_directories_keep_their_mode(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    make_directory(shared)
    make_directory(shared / "a" / "b")
    write_atomically(shared / "file.json", b"{}")
    assert [mode(path) for path in (shared, shared / "a", shared / "a" / "b")] == [
        0o755, 0o700, 0o700,
    ]  # fmt: skip
    assert mode(shared / "file.json") == 0o600


@pytest.mark.usefixtures("_umask")
def test_who_may_read_a_manifest_may_read_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_atomically(path, b"{}", keep_mode=True)
    assert mode(path) == 0o600
    path.chmod(0o666)
    write_atomically(path, b"[]", keep_mode=True)
    assert (mode(path), path.read_bytes()) == (0o644, b"[]")


def test_a_file_in_place_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises((FileExistsError, NotADirectoryError)):
            make_directory(path)


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(FileExistsError):
        create_file(tmp_path / "link")
    assert not (tmp_path / "target").exists()
