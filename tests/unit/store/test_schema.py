"""Test files of newer versions: they are refused with a clear error, and left alone."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from a3s_power_jupyter.contract.errors import ManifestUnreadable
from a3s_power_jupyter.contract.types import Upstream
from a3s_power_jupyter.store import ModelStore
from a3s_power_jupyter.store.conversions import CONVERTER_VERSION
from support.model_files import gguf
from support.registering import register


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    (tmp_path / "model.gguf").write_bytes(gguf())
    return ModelStore(tmp_path / "home")


@pytest.mark.parametrize("more", [{}, {"files": "in another form"}])
def test_a_newer_manifest(store: ModelStore, tmp_path: Path, more: dict[str, str]) -> None:
    register(store, "a", tmp_path / "model.gguf", copy=True)
    path = store.home / "models/manifests/a.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "schema": 3, **more}))
    before = path.read_bytes()
    [problem] = store.problems()
    assert "newer version" in problem.reason
    with pytest.raises(ManifestUnreadable, match="Upgrade"):
        store.get("a")
    with pytest.raises(ManifestUnreadable, match="Upgrade"):
        register(store, "a", tmp_path / "model.gguf", overwrite=True)
    other, _ = register(store, "b", tmp_path / "model.gguf")
    with pytest.raises(ManifestUnreadable, match="Upgrade"):
        store.save(other.__class__(name="a", format="gguf", created=1))
    assert store.collect_garbage(dry_run=False) == []
    assert path.read_bytes() == before
    store.delete("a")  # as the user says so
    assert not path.exists()


def test_several_upstreams_have_a_schema_of_their_own(store: ModelStore) -> None:
    """Older versions refuse them with a clear error, and read all other models."""
    path = store.home / "models/manifests/far.json"
    for urls, schema in ((["http://a/v1", "http://b/v1"], 2), (["http://a/v1"], 1)):
        upstream = msgspec.convert({"base_url": urls, "model": "m"}, Upstream)
        register(store, "far", None, format="remote", upstream=upstream, overwrite=True)
        stored = json.loads(path.read_bytes())
        assert stored["schema"] == schema
        assert stored["upstream"]["base_url"] == (urls if schema == 2 else urls[0])
        assert store.get("far").upstream == upstream
        assert upstream.base_urls == tuple(urls)


@pytest.mark.parametrize("urls", [[], [f"http://host-{n}/v1" for n in range(17)], [5]])
def test_lists_of_upstreams_are_bounded(urls: list[object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"base_url": urls, "model": "m"}, Upstream)


def test_a_conversion_of_a_newer_converter_is_kept(store: ModelStore, tmp_path: Path) -> None:
    register(store, "a", tmp_path / "model.gguf")
    store.conversions.directory.mkdir(parents=True)
    (store.home / "models/blobs").mkdir()
    kept = store.home / f"models/blobs/sha256-{'1' * 64}"
    kept.write_bytes(b"converted")
    record = store.conversions.path("0" * 64)
    new = {"version": CONVERTER_VERSION + 1, "sha256": "1" * 64, "field": "of a newer version"}
    record.write_text(json.dumps(new))
    assert store.collect_garbage(dry_run=False) == []
    record.write_text(json.dumps({**new, "version": CONVERTER_VERSION}))  # damaged
    removed = {found.kind for found in store.collect_garbage(dry_run=False)}
    assert removed == {"conversion", "orphan_blob"}
