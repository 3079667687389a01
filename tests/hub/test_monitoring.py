"""Read the metrics of users' servers as Prometheus does, with the examples of the documentation."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from support import pages, servers
from support.jupyterhub import CULL_TIMEOUT, Hub, wait_until
from support.paths import ROOT
from support.ports import free_port


def listed(hub: Hub) -> dict[str, dict[str, Any]]:
    """Return the targets in the file of the service by their names."""
    content = json.loads((hub.folder / "jupyterhub-users.json").read_text(encoding="utf-8"))
    return {target["labels"]["instance"]: target for target in content}


def read(hub: Hub, target: dict[str, Any]) -> httpx2.Response:
    (address,) = target["targets"]
    with hub.client(hub.tokens["prometheus"]) as prometheus:
        return prometheus.get(f"http://{address}{target['labels']['__metrics_path__']}")


def test_prometheus_finds_the_servers_of_all_users(hub: Hub) -> None:
    wait_until(lambda: listed(hub).keys() == {"ada", "bob"}, 30, "both servers are listed")
    for user, target in listed(hub).items():
        assert target["labels"]["user"] == user
        assert "power_models_loaded" in read(hub, target).text
    hub.stop("bob")
    wait_until(lambda: listed(hub).keys() == {"ada"}, 30, "bob's server is no longer listed")
    hub.start("bob")
    wait_until(lambda: "bob" in listed(hub), 30, "bob's server is listed again")


def test_the_file_is_the_one_that_prometheus_reads(hub: Hub) -> None:
    text = (ROOT / "docs/examples/prometheus.yml").read_text(encoding="utf-8")
    jobs = {job["job_name"]: job for job in yaml.safe_load(text)["scrape_configs"]}
    ((path,),) = [each["files"] for each in jobs["jupyterhub-users"]["file_sd_configs"]]
    config = (ROOT / "docs/examples/jupyterhub_prometheus.py").read_text(encoding="utf-8")
    assert f'"{path}"' in config


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="Prometheus is not installed")
def test_prometheus_reads_them(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(hub.tokens["prometheus"])
    replaced = {
        "/etc/prometheus/jupyterhub-users.json": str(hub.folder / "jupyterhub-users.json"),
        "/etc/prometheus/jupyterhub-token": "token",
        "/etc/prometheus/jupyter-token": "token",
        "scheme: https": "scheme: http",
        "scrape_configs:\n": "global: {scrape_interval: 1s}\nscrape_configs:\n",
    }
    config = pages.example("prometheus.yml", tmp_path, replaced)
    port = free_port()
    address = f"127.0.0.1:{port}"
    options = [f"--config.file={config}", f"--web.listen-address={address}"]
    with (tmp_path / "log").open("wb") as log:
        command = ["prometheus", *options, f"--storage.tsdb.path={tmp_path / 'data'}"]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def found() -> set[str]:
        query = {"query": 'power_models_loaded{job="jupyterhub-users"}'}
        try:
            reply = httpx2.get(f"http://{address}/api/v1/query", params=query, trust_env=False)
        except httpx2.TransportError:  # it is starting
            return set()
        if reply.status_code == 503:
            return set()
        results = reply.raise_for_status().json()["data"]["result"]
        return {each["metric"]["instance"] for each in results}

    try:
        wait_until(lambda: found() == {"ada", "bob"}, 60, "Prometheus reads both servers")
    finally:
        servers.stop(process)


def test_the_token_of_prometheus_does_not_administer_the_hub(hub: Hub) -> None:
    with hub.client(hub.tokens["prometheus"]) as prometheus:
        assert prometheus.get("hub/api/users").status_code == 200
        assert prometheus.delete("hub/api/users/bob/server").status_code in (403, 404)
        assert prometheus.post("hub/api/users/eve").status_code in (403, 404)
    assert hub.is_ready("bob")


@pytest.mark.timeout(6 * CULL_TIMEOUT)
def test_a_server_that_prometheus_reads_is_idle(hub: Hub) -> None:
    wait_until(lambda: "bob" in listed(hub), 30, "bob's server is listed")
    target = listed(hub)["bob"]
    stop = threading.Event()
    statuses: list[int] = []

    def scrape() -> None:
        while not stop.wait(2):
            statuses.append(read(hub, target).status_code)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        wait_until(lambda: not hub.is_running("bob"), 4 * CULL_TIMEOUT, "bob's server is culled")
    finally:
        stop.set()
        thread.join()
    assert statuses.count(200) > 5
