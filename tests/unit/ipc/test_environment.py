"""Which variables of the server's environment its child processes get."""

from __future__ import annotations

import os

import pytest

from a3s_power_jupyter.ipc.environment import SPIN_COUNT, offline_environment, pull_environment

SECRETS = [
    "OPENAI_API_KEY", "openrouter_api_key", "GPU_BOX_TOKEN", "MISTRAL_KEYS", "MY_APIKEY", "KEY",
    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "JUPYTER_TOKEN", "JPY_API_TOKEN", "PGPASSWORD",
    "JUPYTERHUB_API_TOKEN", "DB_PASSWORD", "MYSQL_PWD", "LDAP_PASSWD", "APP_SECRET",
    "GOOGLE_CREDENTIALS", "VAULT_PASSPHRASE",
]  # fmt: skip
ORDINARY = {
    "PATH": "/usr/bin", "HOME": "/home/ada", "PWD": "/home/ada/notebooks", "MONKEY": "yes",
    "CUDA_VISIBLE_DEVICES": "0", "TOKENIZERS_PARALLELISM": "0", "KEYBOARD": "us",
    "SSH_AUTH_SOCK": "/run/ssh", "NO_PROXY": "localhost", "OMP_NUM_THREADS": "2",
    "HF_HOME": "/data/hf",
}  # fmt: skip
PROXY = "http://ada:s3cr3t@proxy:8080"


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(ORDINARY))
    for name in (*SECRETS, "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "MY_LLM_ACCESS"):
        os.environ[name] = "s3cr3t"
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        os.environ[name] = PROXY
    os.environ["DATABASE_URL"] = "postgres://ada:s3cr3t@db/power"


def test_offline_processes_get_no_secrets() -> None:
    environment = offline_environment("MY_LLM_.*")
    assert [name for name, value in environment.items() if "s3cr3t" in value] == []
    assert ORDINARY.items() <= environment.items()
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert environment["PYTHONSAFEPATH"] == "1"


def test_ggml_starts_no_debugger_unless_the_user_wants_it() -> None:
    assert offline_environment()["GGML_NO_BACKTRACE"] == "1"
    os.environ["GGML_NO_BACKTRACE"] = "0"
    assert offline_environment()["GGML_NO_BACKTRACE"] == "0"


def test_waiting_threads_of_openmp_sleep_soon() -> None:
    assert offline_environment()["GOMP_SPINCOUNT"] == SPIN_COUNT


@pytest.mark.parametrize(
    ("name", "value"),
    [("GOMP_SPINCOUNT", "5"), ("OMP_WAIT_POLICY", "ACTIVE"), ("OMP_WAIT_POLICY", "PASSIVE")],
)
def test_the_users_settings_of_openmp_are_kept(name: str, value: str) -> None:
    os.environ[name] = value
    environment = offline_environment()
    settings = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & environment.keys()
    assert {key: environment[key] for key in settings} == {name: value}


def test_pulls_get_the_token_of_the_hub_and_the_proxies_only() -> None:
    environment = pull_environment("MY_LLM_.*")
    kept = {name for name, value in environment.items() if "s3cr3t" in value}
    assert {*kept} == {
        "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HTTPS_PROXY", "https_proxy", "ALL_PROXY",
        "DATABASE_URL",
    }  # fmt: skip
    assert ORDINARY.items() <= environment.items()
