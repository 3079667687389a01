"""A model in Ollama's folder is registered with the settings that Ollama keeps with it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from support.model_files import gguf
from support.servers import Server


def manifest(root: Path, **layers: bytes) -> Path:
    described = []
    for kind, content in layers.items():
        digest = hashlib.sha256(content).hexdigest()
        blob = root / "blobs" / f"sha256-{digest}"
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        media_type = f"application/vnd.ollama.image.{kind}"
        described.append({"mediaType": media_type, "digest": f"sha256:{digest}"})
    path = root / "manifests" / "registry.ollama.ai" / "me" / "tuned" / "v1"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"layers": described}))
    return path


def test_the_reply_has_the_settings_and_names_the_others(server: Server, tmp_path: Path) -> None:
    options = json.dumps({"num_ctx": 512, "stop": ["x"], "num_keep": 4}).encode()
    path = manifest(
        tmp_path, model=gguf(), system=b"Be brief.", params=options, template=b"{{ .Prompt }}"
    )
    with server.api() as api:
        made = api.post("v1/models", json={"path": str(path)})
        assert made.status_code == 201, made.text
        model = made.json()
        assert model["id"] == "me/tuned:v1"
        defaults = {"num_ctx": 512, "stop": ["x"], "system": "Be brief."}
        assert model["default_parameters"] == defaults
        assert model["notes"] == ["Not taken over from Ollama: num_keep, template."]
        assert "blobs" in model["source"]["path"]
        shown = api.get("v1/models/me/tuned:v1").json()
        assert shown["default_parameters"] == defaults
        missing = api.post("v1/models", json={"path": str(path.with_name("v2"))})
        assert missing.json()["error"]["code"] == "file_not_found"
        api.delete("v1/models/me/tuned:v1").raise_for_status()
