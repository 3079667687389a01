"""The extension in a server: runtime file, settings and activity; and ``jupyter power``."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from a3s_power_jupyter.contract.machine import machine_id
from a3s_power_jupyter.server.environment import Environment
from a3s_power_jupyter.server.extension import PowerApp
from a3s_power_jupyter.service.settings import UPSTREAM_KEY_PATTERN
from support import servers
from support.servers import Server, clean_environ

Start = Callable[..., Server]


def test_the_runtime_file(server: Server) -> None:
    content = json.loads(server.runtime_file.read_text())
    assert server.runtime_file.stat().st_mode & 0o777 == 0o600
    assert content.pop("key") == server.key
    assert len(server.key) >= 43
    assert content == {
        "pid": server.pid,
        "hostname": socket.gethostname(),
        "machine": machine_id(),
        "url": server.url,
        "version": PowerApp.version,
        "headless": False,
    }
    assert server.url.startswith("http://127.0.0.1:")
    assert server.key not in server.log.read_text()


def test_the_runtime_file_is_removed_at_exit(start_server: Start) -> None:
    server = start_server(fake=True)
    assert server.runtime_file.exists()
    servers.stop(server.process)
    assert not server.runtime_file.exists()


def test_files_of_killed_servers_are_removed(start_server: Start) -> None:
    killed = start_server(fake=True)
    foreign = killed.runtime_dir / "a3s-power-1.json"
    content = json.loads(killed.runtime_file.read_text())
    foreign.write_text(json.dumps(content | {"hostname": "elsewhere", "machine": "another"}))
    garbage = killed.runtime_dir / "a3s-power-2.json"
    garbage.write_text("{")
    killed.process.send_signal(signal.SIGKILL)
    killed.process.wait()
    assert killed.runtime_file.exists()
    start_server(fake=True, runtime_dir=killed.runtime_dir)
    assert not killed.runtime_file.exists()
    assert foreign.exists()
    assert garbage.exists()


def test_two_servers_in_one_runtime_dir_and_home(start_server: Start, server: Server) -> None:
    other = start_server(home=server.home, runtime_dir=server.runtime_dir)
    assert server.key != other.key
    for mine, theirs in ((server, other), (other, server)):
        assert mine.runtime_file.exists()
        with mine.client(Authorization=f"Bearer {theirs.key}") as client:
            assert client.get("v1/models").status_code == 401
        with mine.api() as api:
            assert api.get("v1/health").json()["home"] == str(server.home)


def test_https(start_server: Start, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj"]
    names = ["/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    openssl = shutil.which("openssl")
    assert openssl, "this test needs openssl"
    subprocess.run([openssl, *request, *names, *files], check=True, capture_output=True)
    server = start_server(f"--certfile={certificate}", f"--keyfile={key}", fake=True)
    content = json.loads(server.runtime_file.read_text())
    assert content["url"].startswith("https://127.0.0.1:")
    assert content["certfile"] == str(certificate)


def test_a_unix_socket(start_server: Start) -> None:
    server = start_server("--sock=power.sock", fake=True)
    content = json.loads(server.runtime_file.read_text())
    assert content["url"] == "http://localhost/"
    transport = httpx2.HTTPTransport(uds=content["sock"])
    key = {"Authorization": f"Bearer {server.key}"}
    with httpx2.Client(base_url=content["url"], transport=transport, headers=key) as client:
        assert client.get("v1/models").status_code == 200


# ---------------------------------------------------------------- settings


def settings_of(server: Server) -> dict[str, Any]:
    with server.api() as api:
        settings: dict[str, Any] = api.get("v1/health").json()["settings"]
    return settings


def test_settings_from_variables_and_traits(start_server: Start) -> None:
    variables = {
        "A3S_POWER_MAX_MODELS": "7",
        "A3S_POWER_KEEP_ALIVE": "1h30m",
        "A3S_POWER_GPU_LAYERS": "0",
    }
    server = start_server(fake=True, environ=variables)
    assert settings_of(server) == {
        "home": str(server.home),
        "shared_homes": "()",
        "assistant_dir": str(Path(server.environ["JUPYTER_DATA_DIR"]) / "a3s-power"),
        "max_loaded_models": "7",
        "keep_alive": "5400.0",
        "gpu_layers": "0",
        "load_timeout": "300.0",
        "step_timeout": "120.0",
        "max_queue": "256",
        "memory_limit": "0",
        "memory_headroom": "None",
        "prompt_cache": "None",
        "prompt_cache_disk": "2147483648",
        "preload": "()",
        "prompts": "None",
        "max_pulls": "2",
        "recommended_models": "None",
        "remote_timeout": "300.0",
        "upstream_key_pattern": UPSTREAM_KEY_PATTERN,
    }
    traits = [
        "--PowerApp.home=models",
        "--PowerApp.max_loaded_models=2",
        "--PowerApp.keep_alive=-1",
        "--PowerApp.gpu_layers=-1",
        "--PowerApp.load_timeout=60",
        "--PowerApp.preload=a",
        "--PowerApp.preload=b",
        "--PowerApp.upstream_key_pattern=MY_[A-Z]+",
    ]
    expected = {
        "max_loaded_models": "2",
        "keep_alive": "inf",
        "gpu_layers": "-1",
        "load_timeout": "60.0",
        "preload": "('a', 'b')",
        "upstream_key_pattern": "MY_[A-Z]+",
    }
    server = start_server(*traits, fake=True, environ=variables)
    settings = settings_of(server)
    assert {name: settings[name] for name in expected} == expected
    assert settings["home"] == str(server.log.parent / "notebooks" / "models")


def test_an_invalid_variable_is_reported_and_ignored(start_server: Start) -> None:
    server = start_server(fake=True, environ={"A3S_POWER_KEEP_ALIVE": "soon"})
    assert settings_of(server)["keep_alive"] == "300.0"
    with server.api() as api:
        (hint,) = api.get("v1/health").json()["hints"]
    assert hint.startswith("The variable A3S_POWER_KEEP_ALIVE='soon' is invalid")
    assert hint in server.log.read_text()


@pytest.mark.parametrize(
    "variables",
    [
        {"A3S_POWER_HOME": "models"},
        {"A3S_POWER_MAX_MODELS": "-1"},
        {"A3S_POWER_MAX_MODELS": "many"},
        {"A3S_POWER_KEEP_ALIVE": "1 fortnight"},
        {"A3S_POWER_GPU_LAYERS": "-2"},
        {"A3S_POWER_PORT": "65536"},
    ],
)
def test_invalid_variables_are_named(variables: Mapping[str, str]) -> None:
    (problem,) = Environment(variables).problems
    assert next(iter(variables)) in problem


def test_an_invalid_trait_is_refused() -> None:
    from traitlets import TraitError

    with pytest.raises(TraitError, match="5m"):
        PowerApp(keep_alive="soon")
    with pytest.raises(TraitError, match="not a regular expression"):
        PowerApp(upstream_key_pattern="(")


# ---------------------------------------------------------------- activity


def test_a_request_in_progress_prevents_culling(start_server: Start) -> None:
    server = start_server("--PowerApp.idle_exit=1", fake=True)
    body = {"model": "endless", "stream": True, "messages": [{"role": "user", "content": "x"}]}
    with server.api() as api, api.stream("POST", "v1/chat/completions", json=body):
        first = api.get("api/status?no_track_activity=1").json()["last_activity"]
        time.sleep(1)
        assert api.get("api/status?no_track_activity=1").json()["last_activity"] > first
    assert server.process.poll() is None  # idle_exit applies to `jupyter power` only


# ---------------------------------------------------------------- jupyter power


def power(folder: Path, *argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``jupyter power`` until it exits by itself."""
    return subprocess.run(
        [sys.executable, "-m", "a3s_power_jupyter.server.extension", *argv],
        env=clean_environ(folder, folder / "power", folder / "runtime") | variables,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_headless_serves_models_only(start_server: Start) -> None:
    server = start_server(headless=True, fake=True)
    assert json.loads(server.runtime_file.read_text())["headless"] is True
    with server.api() as api:
        assert len(api.get("v1/models").json()["data"]) == 10
        for path in ("api/contents", "api/kernels", "api/sessions", "api/terminals", "files/x"):
            assert api.get(path).status_code == 404, path
        assert api.post("api/kernels").status_code in (403, 404)


def test_the_root_of_headless_servers(start_server: Start) -> None:
    """Clients of Ollama look for a server there. Browsers get the list of models, as elsewhere."""
    server = start_server("--ServerApp.base_url=/user/ada/", headless=True, fake=True)
    with server.api() as api:
        assert api.get("").text == "Ollama is running"
        head = api.head("")
        assert (head.status_code, head.headers["Content-Type"]) == (200, "text/plain")
        page = api.get("?token=t", headers={"Accept": "text/html,*/*;q=0.8"})
        assert (page.status_code, page.headers["Location"]) == (302, "/user/ada/v1/models?token=t")
    with server.client() as anonymous:
        assert anonymous.get("").status_code == 401


def test_unknown_paths_of_headless_servers(start_server: Start) -> None:
    """They have no pages: whatever a client asks for, the error is in the shape of its API."""
    server = start_server("--ServerApp.base_url=/user/ada/", headless=True, fake=True)
    root = server.url.removesuffix("/user/ada/")
    paths = ("api/nope", "api/chat/", "api/show/x", "nope", "nope/", "v2/models", f"{root}/nope")
    for path in (*paths, f"{root}/api/tags", f"{root}/v1/models"):
        with server.api() as api, server.client() as stranger:
            for verb in ("GET", "POST", "DELETE"):
                reply = api.request(verb, path, json={})
                body = reply.json()
                error = body if "api/" in path else body["error"]
                assert (reply.status_code, error["code"]) == (404, "route_not_found"), path
                message = error["error"] if "api/" in path else error["message"]
                assert "api/tags" in message if "api/" in path else "/v1/models..." in message
                assert stranger.request(verb, path, json={}).status_code == 401
    with server.api() as api:
        assert api.get("api/status").json()["kernels"] == 0  # Jupyter Server's
        assert api.get("api").json().keys() == {"version"}


def test_the_root_of_notebook_servers_is_theirs(server: Server) -> None:
    with server.api() as api:
        assert "Ollama" not in api.get("").text


def test_headless_logs_how_to_send_requests(start_server: Start) -> None:
    server = start_server(headless=True, fake=True, environ={"JUPYTER_TOKEN": ""})
    log = server.log.read_text()
    lines = [line.strip() for line in log.splitlines() if line.strip().startswith("curl ")]
    assert len(lines) == 2
    assert f"{server.url}v1/models" in lines[0]
    done = subprocess.run(["/bin/sh", "-c", lines[0]], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["id"] == "my-model"


def test_headless_exits_when_idle(start_server: Start) -> None:
    server = start_server("--PowerApp.idle_exit=2", headless=True, fake=True)
    with server.api() as api:
        for _ in range(5):
            time.sleep(0.6)
            assert api.get("v1/models").status_code == 200
    assert server.process.wait(30) == 0
    assert not server.runtime_file.exists()


def test_headless_names_the_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = power(tmp_path, A3S_POWER_PORT=port, A3S_POWER_HOST="127.0.0.1")
    assert done.returncode == 1
    assert f"port {port} is not available" in done.stderr


def test_headless_refuses_an_invalid_variable(tmp_path: Path) -> None:
    done = power(tmp_path, A3S_POWER_MAX_MODELS="many")
    assert done.returncode == 1
    assert "A3S_POWER_MAX_MODELS='many' is invalid" in done.stderr
    assert "Traceback" not in done.stderr


def test_help(tmp_path: Path) -> None:
    done = power(tmp_path, "--help")
    assert done.returncode == 0
    for text in ("--keep-alive", "--max-models", "A3S_POWER_HOME", "jupyter power"):
        assert text in done.stdout
    defaults = {
        "port": "11434",
        "ip": "'localhost'",
        "home": "'~/.a3s/power'",
        "max-models": "3",
        "keep-alive": "'5m'",
        "gpu-layers": "None",
    }
    for option, value in defaults.items():
        text = done.stdout.partition(f"--{option}=")[2].partition("Equivalent")[0]
        assert text.endswith(f"    Default: {value}\n    "), option
        assert f"A3S_POWER_{'HOST' if option == 'ip' else option.upper().replace('-', '_')}" in text
    assert "JUPYTER_PORT" not in done.stdout
    assert "a3s_power_jupyter" not in done.stdout


def test_all_help_has_each_option_of_the_server_once(tmp_path: Path) -> None:
    text = power(tmp_path, "--help-all").stdout
    assert text.count(".root_dir=") == 1
    assert "--HeadlessServerApp.port=<Int>" in text


def test_the_extension_imports_little() -> None:
    """The extension imports few packages that Jupyter Server has not imported already."""
    code = (
        "import sys, jupyter_server.serverapp, jupyter_server.extension.application\n"
        "before = set(sys.modules)\n"
        "import a3s_power_jupyter.server.extension, a3s_power_jupyter.service\n"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    more = set(done.stdout.split()) - sys.stdlib_module_names
    assert more <= {"a3s_power_jupyter", "msgspec", "filelock", "psutil"}, more
