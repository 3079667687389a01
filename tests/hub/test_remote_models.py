"""Test remote models that all users of a JupyterHub have from the shared store."""

from __future__ import annotations

from pathlib import Path

from a3s_power_jupyter.contract.types import Upstream
from a3s_power_jupyter.store import ModelStore
from support.jupyterhub import Hub
from support.registering import register
from support.servers import run_server


def test_users_share_a_remote_model_on_a_second_server(
    hub: Hub, tmp_path: Path, smollm2_path: Path
) -> None:
    """The key is in `Spawner.environment` of the example of the documentation."""
    register(ModelStore(tmp_path / "power"), "large", smollm2_path)
    with run_server(tmp_path, headless=True) as gpu_box:
        store = ModelStore(hub.folder / "shared")
        upstream = Upstream(f"{gpu_box.url}v1", "large", "GPU_BOX_TOKEN")
        register(store, "far", None, format="remote", upstream=upstream)
        try:
            for user in ("ada", "bob"):
                with hub.as_user(user) as client:
                    body = {"model": "far", "prompt": "Once", "max_tokens": 3}
                    reply = client.post("v1/completions", json=body).raise_for_status().json()
                    assert reply["usage"]["completion_tokens"] == 3
            with gpu_box.api() as api:
                (model,) = api.get("v1/models").json()["data"]
            assert model["state"] == "loaded"
        finally:
            store.delete("far")
