"""Test a server that uses the models of another home."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import UNSET

import a3s_power_jupyter as power
from a3s_power_jupyter.contract.errors import Forbidden
from a3s_power_jupyter.store import ModelStore
from support.registering import register
from support.servers import run_server


def test_two_users_share_one_copy(tmp_path: Path, smollm2_path: Path) -> None:
    shared = ModelStore(tmp_path / "shared")
    register(shared, "smollm2", smollm2_path, copy=True)
    before = sorted(shared.home.rglob("*"))
    environ = {"A3S_POWER_SHARED_HOMES": str(shared.home)}
    with (
        run_server(tmp_path / "ada", headless=True, environ=environ) as server,
        power.connect(server.url, server.token) as client,
    ):
        assert client.health().shared_homes == [str(shared.home)]
        [model] = client.models()
        assert model.source.shared_home == str(shared.home)
        assert client.chat("smollm2", "Hi", temperature=0, max_tokens=3)
        client.unload("smollm2")
        with pytest.raises(Forbidden, match="administrator"):
            client.delete("smollm2")
        client.update("smollm2", max_tokens=2)
        assert client.show("smollm2").default_parameters.max_tokens == 2
        client.delete("smollm2")
        assert client.show("smollm2").default_parameters.max_tokens is UNSET
        assert [*(server.home / "models/blobs").glob("*")] == []
    assert sorted(shared.home.rglob("*")) == before
