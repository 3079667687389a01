"""Only environment variables for upstreams are sent to upstreams."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.contract.errors import InvalidParameter, UpstreamUnauthorized
from a3s_power_jupyter.contract.types import Upstream
from a3s_power_jupyter.remote.keys import UpstreamKeys
from a3s_power_jupyter.service.settings import UPSTREAM_KEY_PATTERN

URL = "http://host/v1"
KEYS = UpstreamKeys(UPSTREAM_KEY_PATTERN)


def upstream(variable: str) -> Upstream:
    return Upstream(URL, "m", api_key_env=variable)


@pytest.mark.parametrize(
    "name",
    ["OPENAI_API_KEY", "VLLM_API_KEY", "SHARED_POWER_TOKEN", "GPU_BOX_TOKEN", "GPU_BOX_KEY"],
)
def test_names_of_keys(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    KEYS.check(upstream(name))
    monkeypatch.setenv(name, " value-of-the-key\n")
    assert KEYS.key_of(upstream(name)) == "value-of-the-key"


@pytest.mark.parametrize(
    "name",
    [
        "JUPYTER_TOKEN", "jupyter_token", "JPY_API_TOKEN", "JUPYTERHUB_API_TOKEN", "HF_TOKEN",
        "CONFIGPROXY_AUTH_TOKEN", "HUGGING_FACE_HUB_TOKEN", "A3S_POWER_TOKEN", "AWS_SESSION_TOKEN",
        "AWS_SECRET_ACCESS_KEY", "S3_ACCESS_KEY", "MINIO_SECRET_KEY", "DJANGO_SECRET_KEY",
        "GITHUB_TOKEN", "GH_TOKEN", "GITLAB_TOKEN", "CI_JOB_TOKEN", "AZURE_STORAGE_KEY",
        "GOOGLE_API_KEY", "DEPLOY_PRIVATE_KEY", "VAULT_TOKEN", "KUBE_TOKEN", "DATABASE_URL",
        "DB_PASSWORD", "PATH", "HOME", "KEY", "TOKEN", "_KEY", "OPENAI_API_KEYS", "",
        "OPENAI_API_KEY\n", "sk-secret", "sk_secret",
    ],
)  # fmt: skip
def test_other_names(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidParameter, match="upstream_key_pattern") as caught:
        KEYS.check(upstream(name))
    assert caught.value.param == "upstream.api_key_env"
    assert "secret" not in caught.value.message
    monkeypatch.setattr("os.environ", {name: "value-of-the-variable"})
    with pytest.raises(UpstreamUnauthorized, match="upstream_key_pattern"):
        KEYS.key_of(upstream(name))


def test_a_pattern_of_the_administrator(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = UpstreamKeys("HF_TOKEN|MINE")
    monkeypatch.setenv("MINE", "value-of-the-key")
    assert keys.key_of(upstream("MINE")) == "value-of-the-key"
    keys.check(upstream("HF_TOKEN"))
    for other in ("MINE_TOO", "NOT_MINE", "OPENAI_API_KEY"):
        with pytest.raises(InvalidParameter):
            keys.check(upstream(other))


def test_no_key() -> None:
    KEYS.check(Upstream(URL, "m"))
    assert KEYS.key_of(Upstream(URL, "m")) is None


@pytest.mark.parametrize("value", ["sk-one two", "sk-one\ntwo", "sk-oné", ""])
def test_invalid_values(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", value)
    with pytest.raises(UpstreamUnauthorized, match="SOME_KEY") as caught:
        KEYS.key_of(upstream("SOME_KEY"))
    assert "sk-" not in caught.value.message
