"""What Ollama keeps with a model is taken over, or named; each of its models is listed."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from a3s_power_jupyter.contract.errors import UnsupportedModelFormat
from a3s_power_jupyter.store.scan.budget import Budget
from a3s_power_jupyter.store.scan.places import Place
from a3s_power_jupyter.store.scan.scanner import FoundModel, Scan, Scanner
from support.model_files import gguf

LIBRARY = "registry.ollama.ai/library"
SYSTEM = "You are a pirate.\n"
ENCODER = {"general.architecture": "bert", "bert.block_count": 1, "bert.embedding_length": 8}


def made(root: Path, name: str, /, *layers: tuple[str, bytes]) -> Path:
    """Create a model as Ollama does, and return its manifest. The first layer is a GGUF file."""
    written = [("model", gguf())] if not any(kind == "model" for kind, _ in layers) else []
    described = []
    for kind, content in [*written, *layers]:
        digest = hashlib.sha256(content).hexdigest()
        blob = root / "blobs" / f"sha256-{digest}"
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        media_type = kind if "/" in kind else f"application/vnd.ollama.image.{kind}"
        described.append({"mediaType": media_type, "digest": f"sha256:{digest}", "size": 1})
    manifest = root / "manifests" / name
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": described}))
    return manifest


def scan(root: Path) -> Scan:
    return Scanner().scan(Place("ollama", root), Budget())


def one(root: Path) -> FoundModel:
    [model] = scan(root).models
    return model


def params(**values: Any) -> tuple[str, bytes]:
    return "params", json.dumps(values).encode()


def kept(model: FoundModel) -> Any:
    return msgspec.to_builtins(model.settings.parameters)


# ---------------------------------------------------------------- settings


def test_the_system_prompt_and_the_parameters_are_taken_over(tmp_path: Path) -> None:
    given = params(temperature=0.3, num_ctx=2048, num_predict=-1, top_k=-1, stop=["a", "b"])
    manifest = made(tmp_path, f"{LIBRARY}/pirate/latest", ("system", SYSTEM.encode()), given)
    model = one(tmp_path)
    assert model.manifest == manifest
    assert model.settings.notes == ()
    assert kept(model) == {
        "num_ctx": 2048,
        "temperature": 0.3,
        "top_k": 0,
        "stop": ["a", "b"],
        "system": SYSTEM,
    }


def test_what_cannot_be_kept_is_named(tmp_path: Path) -> None:
    layers = (
        ("template", b"{{ .Prompt }}"),
        ("messages", b"[]"),
        ("license", b"MIT"),
        ("new", b""),
    )
    options = params(num_keep=24, temperature=-1, stop=3, system="no layer", seed=7, top_p=None)
    made(tmp_path, f"{LIBRARY}/m/latest", *layers, options)
    model = one(tmp_path)
    assert kept(model) == {"seed": 7}
    assert model.settings.notes == (
        "Not taken over from Ollama: template, messages, new, num_keep, temperature, stop, system.",
    )


def test_an_embedder_keeps_what_has_an_effect_on_it(tmp_path: Path) -> None:
    options = params(num_ctx=256, temperature=0.5)
    made(tmp_path, f"{LIBRARY}/e/latest", ("model", gguf(ENCODER)), options, ("system", b"x"))
    model = one(tmp_path)
    assert kept(model) == {"num_ctx": 256}
    assert model.settings.left_out == ("temperature", "system")


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (("params", b"{"), "params"),
        (("params", b"[" * 60_000), "params"),
        (("params", b"[]"), "params"),
        (("params", b'{"seed": 1e999}'), "params"),
        (("params", b" " * 70_000), "params"),
        (("params", b'{"seed": ' + b"9" * 30 + b"}"), "seed"),
        (("params", b'{"\\u202e\\u001b[2J": 1}'), "\\u202e\\u001b[2J"),
        (("params", json.dumps({"x" * 90: 1}).encode()), "x" * 40),
        (("system", b"x" * 70_000), "system"),
        (("system", b"\xff"), "system"),
        (("text/html\n", b""), "another layer"),
    ],
)
def test_hostile_settings_are_left_out(tmp_path: Path, layer: tuple[str, bytes], name: str) -> None:
    made(tmp_path, f"{LIBRARY}/m/latest", layer)
    model = one(tmp_path)
    assert kept(model) == {}
    assert model.settings.notes == (f"Not taken over from Ollama: {name}.",)


def test_a_note_lists_a_few_of_many_names(tmp_path: Path) -> None:
    made(tmp_path, f"{LIBRARY}/m/latest", params(**{f"p{n}": n for n in range(3000)}))
    [note] = one(tmp_path).settings.notes
    assert note.endswith("p6, p7 and 2992 more.")


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    made(tmp_path, f"{LIBRARY}/m/latest", ("system", SYSTEM.encode()))
    blob = tmp_path / "blobs" / f"sha256-{hashlib.sha256(SYSTEM.encode()).hexdigest()}"
    blob.unlink()
    os.mkfifo(blob)
    assert one(tmp_path).settings.left_out == ("system",)


# ---------------------------------------------------------------- names


def test_models_with_the_same_file_are_listed_each(tmp_path: Path) -> None:
    made(tmp_path, "hf.co/org/tiny-GGUF/Q4_0", ("template", b"other"))
    made(tmp_path, f"{LIBRARY}/tiny/1b", ("template", b"own"))
    made(tmp_path, "registry.ollama.ai/me/tuned/latest", ("system", SYSTEM.encode()))
    made(tmp_path, "registry.ollama.ai/me/cold/latest", params(temperature=0))
    assert {m.name for m in scan(tmp_path).models} == {
        "tiny:1b",
        "me/tuned:latest",
        "me/cold:latest",
        "org/tiny-GGUF:Q4_0",
    }


def test_the_best_name_of_the_same_model_is_listed(tmp_path: Path) -> None:
    names = [f"{LIBRARY}/tiny/3b", f"{LIBRARY}/tiny/latest", "registry.ollama.ai/me/tiny/latest"]
    names.append("hf.co/org/tiny-GGUF/Q4_0")
    for name in names:
        made(tmp_path, name, ("system", SYSTEM.encode()))
    for name, shown in zip(
        names, ["tiny:3b", "tiny:latest", "me/tiny:latest", "org/tiny-GGUF:Q4_0"], strict=True
    ):
        assert one(tmp_path).name == shown
        (tmp_path / "manifests" / name).unlink()


def test_manifests_elsewhere_are_ignored(tmp_path: Path) -> None:
    for name in ("m", "registry.ollama.ai/m", f"{LIBRARY}/m", f"{LIBRARY}/m/x/latest"):
        made(tmp_path / name.replace("/", "-"), name)
        assert scan(tmp_path / name.replace("/", "-")) == Scan()


def test_a_model_with_an_adapter_is_reported(tmp_path: Path) -> None:
    manifest = made(tmp_path, f"{LIBRARY}/m/latest", ("adapter", b"GGUF"))
    found = scan(tmp_path)
    assert found.models == []
    assert found.problems == [(manifest, "The model has an adapter. Merge it into its base model")]


# ---------------------------------------------------------------- a manifest as a path


def test_a_manifest_is_a_model(tmp_path: Path) -> None:
    manifest = made(tmp_path, f"{LIBRARY}/m/latest", ("system", SYSTEM.encode()))
    assert Scanner().ollama_model(manifest) == one(tmp_path)
    other = tmp_path / "manifests" / "a.json"
    for path in (other, Path("/manifests"), Path("/x/manifests/a/b/c/d")):
        assert Scanner().ollama_model(path) is None


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (("adapter", b"GGUF"), "has an adapter"),
        (("model", b"not one"), "no GGUF file that can be used"),
    ],
)
def test_a_manifest_of_another_model_is_refused(
    tmp_path: Path, layer: tuple[str, bytes], message: str
) -> None:
    manifest = made(tmp_path, f"{LIBRARY}/m/latest", layer)
    with pytest.raises(UnsupportedModelFormat, match=message):
        Scanner().ollama_model(manifest)
