"""Test registrations that are refused, and conflicting fields."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import msgspec
import pytest

from a3s_power_jupyter.contract.errors import (
    FileNotFound,
    InvalidGGUF,
    InvalidISQ,
    InvalidModelName,
    InvalidParameter,
    ModelAlreadyExists,
    NotADirectory,
    NotAFile,
    PathUnreadable,
    StoreUnavailable,
    UnsupportedModelFormat,
)
from a3s_power_jupyter.contract.types import Upstream
from a3s_power_jupyter.store import ModelStore
from a3s_power_jupyter.store.files import source_file
from support.model_files import gguf, model_directory
from support.privileges import without_privileges
from support.registering import register


def test_isq_is_for_directories_only(store: ModelStore, model: Path, tmp_path: Path) -> None:
    path = model_directory(tmp_path / "m")
    assert register(store, "a", path)[0].default_parameters.isq == "Q8_0"
    chosen, _ = register(store, "b", path, default_parameters={"isq": "q4_k"})
    assert chosen.default_parameters.isq == "Q4K"
    with pytest.raises(InvalidISQ, match="gguf"):
        register(store, "c", model, default_parameters={"isq": "Q4K"})
    register(store, "c", model, default_parameters={"isq": "none"})


def test_parameters_without_effect_are_refused(store: ModelStore, tmp_path: Path) -> None:
    upstream = Upstream("http://localhost:8000/v1", "m")
    path = model_directory(tmp_path / "m")
    for fields, name, value in (
        ({"format": "remote", "upstream": upstream}, "num_ctx", 512),
        ({"format": "remote", "upstream": upstream}, "use_mmap", False),
        ({"format": "huggingface", "path": path}, "temperature", 0.5),
        ({"format": "huggingface", "path": path}, "system", "Be brief."),
        ({"format": "huggingface", "path": path}, "chat_template", "x"),
    ):
        with pytest.raises(InvalidParameter, match=f"{name} has no effect") as caught:
            register(store, "a", **{"path": None, **fields}, default_parameters={name: value})
        assert caught.value.param == f"default_parameters.{name}"
    defaults = {"num_ctx": 64, "isq": "HQQ8", "keep_alive": "1h"}
    register(store, "b", path, format="huggingface", default_parameters=defaults)


def test_a_remote_model(store: ModelStore) -> None:
    upstream = Upstream("http://localhost:8000/v1", "m", api_key_env="KEY")
    manifest, _ = register(store, "a", None, format="remote", upstream=upstream)
    assert store.get("a").upstream == upstream
    assert manifest.files == ()
    assert store.resolve(manifest) == []
    assert register(store, "a", None, format="remote", upstream=upstream) == (manifest, False)
    other = msgspec.structs.replace(upstream, model="n")
    with pytest.raises(ModelAlreadyExists):
        register(store, "a", None, format="remote", upstream=other)
    assert store.delete("a") == 0


@pytest.mark.parametrize(
    ("upstream", "param"),
    [
        (None, "upstream"),
        (Upstream("ftp://host/v1", "m"), "upstream.base_url"),
        (Upstream("localhost:8000", "m"), "upstream.base_url"),
        (Upstream("http://", "m"), "upstream.base_url"),
        (Upstream(" http://host/v1", "m"), "upstream.base_url"),
        (Upstream("http://host/v1 ", "m"), "upstream.base_url"),
        (Upstream("http://host/a b/v1", "m"), "upstream.base_url"),
        (Upstream("http://host/v1\u200b", "m"), "upstream.base_url"),
        (Upstream("http://host/v1/chat/completions", "m"), "upstream.base_url"),
        (Upstream("http://host/v1/models/", "m"), "upstream.base_url"),
        (Upstream("http://host:x/", "m"), "upstream.base_url"),
        (Upstream("http://[::1/", "m"), "upstream.base_url"),
        (Upstream("http://user:secret@host/v1", "m"), "upstream.base_url"),
        (Upstream("http://host/v1?key=secret", "m"), "upstream.base_url"),
        (Upstream(("http://a/v1", "ftp://b/v1"), "m"), "upstream.base_url[1]"),
        (Upstream(("http://a/v1", "http://user:secret@b/v1"), "m"), "upstream.base_url[1]"),
        (Upstream(("http://a/v1", "http://b/v1", "HTTP://A:80/v1/"), "m"), "upstream.base_url[2]"),
        (Upstream("http://host/v1", ""), "upstream.model"),
        (Upstream("http://host/v1", "m", api_key_env="sk-secret"), "upstream.api_key_env"),
    ],
)
def test_invalid_upstreams(store: ModelStore, upstream: Upstream | None, param: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        register(store, "a", None, format="remote", upstream=upstream)
    assert caught.value.param == param
    assert "secret" not in caught.value.message


def test_conflicting_fields(store: ModelStore, model: Path) -> None:
    upstream = Upstream("http://host/v1", "m")
    for path, more in [
        (None, {}),
        (model, {"upstream": upstream}),
        (model, {"format": "remote", "upstream": upstream}),
        (None, {"format": "remote", "upstream": upstream, "copy": True}),
        ("model.gguf", {}),
        ("", {}),
        ("~nobody-of-this-name/model.gguf", {}),
        ("/a\0b", {}),
        ("/\udcff", {}),
    ]:
        with pytest.raises(InvalidParameter):
            register(store, "a", path, **more)
    with pytest.raises(UnsupportedModelFormat, match="gguf, safetensors"):
        register(store, "a", model, format="onnx")
    with pytest.raises(InvalidModelName):
        register(store, "../a", model)


def test_invalid_paths(store: ModelStore, model: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "text.gguf").write_text("no model")
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "model.bin").touch()
    for path, format_, error in [
        (tmp_path / "none.gguf", None, FileNotFound),
        (model / "below", None, FileNotFound),
        (tmp_path / "loop", None, PathUnreadable),
        (tmp_path / ("x" * 300), None, PathUnreadable),
        (tmp_path / "pipe.gguf", None, NotAFile),
        (Path("/dev/zero"), "gguf", NotAFile),
        (tmp_path, "gguf", NotAFile),
        (model, "safetensors", NotADirectory),
        (tmp_path / "text.gguf", None, InvalidGGUF),
        (tmp_path / "model.safetensors", None, UnsupportedModelFormat),
        (tmp_path / "model.bin", "gguf", UnsupportedModelFormat),
    ]:
        with pytest.raises(error):
            register(store, "a", path, format=format_)


def test_a_file_without_read_permission(store: ModelStore) -> None:
    # Not in tmp_path: other users cannot enter its parent directories.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        model = Path(folder) / "model.gguf"
        model.write_bytes(gguf())
        model.chmod(0)
        with without_privileges():
            source_file(model)  # the file is found, and only its content is protected
            with pytest.raises(PathUnreadable, match=os.strerror(errno.EACCES)) as caught:
                register(store, "a", model)
    assert str(model) in caught.value.message
    assert caught.value.param == "path"


def test_a_home_without_permission() -> None:
    # Not in tmp_path: other users cannot enter its parent directories.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        store = ModelStore(home)
        manifests = home / "models" / "manifests"
        with without_privileges(), pytest.raises(StoreUnavailable, match="permissions"):
            store.check()  # it cannot be created
        manifests.mkdir(parents=True)
        with without_privileges():
            assert store.list() == []
            with pytest.raises(StoreUnavailable, match="permissions"):
                store.check()
        manifests.chmod(0)
        with without_privileges():
            for operation in (store.list, store.problems, store.check, lambda: store.get("a")):
                with pytest.raises(StoreUnavailable, match="permissions"):
                    operation()
        with without_privileges(), pytest.raises(StoreUnavailable, match="permissions"):
            store.collect_garbage(dry_run=True)
