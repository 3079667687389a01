"""Build the distributions from a clean copy, and install them in a fresh environment."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import a3s_power_jupyter
from support.paths import ROOT

# llama-cpp-python is compiled here if pip has no cached wheel.
pytestmark = [pytest.mark.packaging, pytest.mark.timeout(2400)]


VERSION = a3s_power_jupyter.__version__
WIDGETS = ("modelsWidget.js", "chatWidget.js", "views.css")
LABEXTENSION = "share/jupyter/labextensions/a3s-power-jupyter"


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a command and return its stdout and stderr. A failure shows the output."""
    result = subprocess.run(
        command, cwd=cwd, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert result.returncode == 0, f"{command} exited with {result.returncode}:\n{result.stdout}"
    return result.stdout


def test_python_and_lab_packages_have_the_same_version() -> None:
    package = json.loads((ROOT / "labextension" / "package.json").read_text())
    assert package["version"] == VERSION


def test_no_file_is_a_link() -> None:
    listed = run("git", "ls-files", cwd=ROOT).splitlines()
    assert not [name for name in listed if (ROOT / name).is_symlink()]


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and wheel, built from a copy of the sources."""
    source = tmp_path_factory.mktemp("source")
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    dist = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", dist, source)
    return dist


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    (found,) = distributions.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment variables of a fresh environment with the wheel and JupyterLab."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    install = ("-m", "pip", "install", "--quiet", "--no-compile", wheel, "jupyterlab")
    run(folder / "bin" / "python", *install)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "PYTHON", "A3S_"))}
    home = folder / "home"
    home.mkdir()
    return kept | {"HOME": str(home), "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def test_wheel_has_all_runtime_files_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    stem = f"a3s_power_jupyter-{VERSION}"
    data = f"{stem}.data/data"
    assert {
        "a3s_power_jupyter/server/extension.py",
        "a3s_power_jupyter/handlers/rest-api.yml",
        *(f"a3s_power_jupyter/widgets/static/{name}" for name in WIDGETS),
        f"{stem}.dist-info/licenses/LICENSE",
        f"{data}/etc/jupyter/jupyter_server_config.d/a3s_power_jupyter.json",
        f"{data}/{LABEXTENSION}/install.json",
        f"{data}/{LABEXTENSION}/package.json",
        f"{data}/{LABEXTENSION}/schemas/a3s-power-jupyter/plugin.json",
        f"{data}/{LABEXTENSION}/static/style.js",
    } <= names
    assert any(re.search(r"/static/remoteEntry\.\w+\.js$", name) for name in names)
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"a3s_power_jupyter", f"{stem}.data", f"{stem}.dist-info"}
    sources = ROOT / "a3s_power_jupyter"
    for module in sources.rglob("*.py"):
        assert module.relative_to(ROOT).as_posix() in names


def test_sdist_has_the_sources_and_the_built_extension(distributions: Path) -> None:
    (sdist,) = distributions.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "a3s_power_jupyter/labextension/package.json",
        "labextension/package-lock.json",
        "labextension/src/index.ts",
        "tests/packaging/test_distributions.py",
    } <= names
    assert not [name for name in names if "node_modules" in name or name.startswith(".venv")]


def test_installing_enables_the_server_extension(environment: dict[str, str]) -> None:
    listed = run("jupyter", "server", "extension", "list", env=environment)
    assert re.search(r"a3s_power_jupyter\S* .*enabled", listed)
    assert re.search(rf"a3s_power_jupyter {VERSION} .*OK", listed)


def test_installing_enables_the_labextension(environment: dict[str, str]) -> None:
    listed = run("jupyter", "labextension", "list", env=environment)
    assert re.search(rf"a3s-power-jupyter v{VERSION} .*enabled.*OK", listed)


def test_command_is_installed(environment: dict[str, str]) -> None:
    assert run("jupyter", "power", "--version", env=environment).strip().endswith(VERSION)
