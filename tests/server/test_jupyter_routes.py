"""No route of ours is also one of Jupyter Server or of its other extensions."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a3s_power_jupyter.handlers.routes import ALIASES, HEADLESS, ROUTES, YIELDING
from support.paths import TESTS
from support.servers import clean_environ

OURS = [pattern for pattern, _, _ in [*ROUTES, *ALIASES]]
_GROUP = re.compile(r"\(\?P<\w+>([^)]+)\)")
#: A path of each route.
PATHS = [
    _GROUP.sub(lambda group: group[1] if group[1].isalpha() else "x", pattern).partition("(")[0]
    for pattern in OURS
]

#: Routes of Jupyter Server that match what no other one does.
LAST = ("(.*)$", "/.*/$")

#: Extensions of the environment of the tests.
EXTENSIONS = {"jupyter_lsp", "jupyter_server_terminals", "jupyterlab", "notebook"}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """The modules and patterns of the routes of a notebook server."""
    folder = tmp_path_factory.mktemp("routes")
    done = subprocess.run(
        [sys.executable, str(TESTS / "support" / "route_table.py")],
        cwd=folder,
        env=clean_environ(folder, folder / "power", folder / "runtime"),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    lines = [line.split(" ", 1) for line in done.stdout.splitlines()]
    return [(module, pattern) for module, pattern in lines]


@pytest.fixture(scope="module")
def theirs(table: list[tuple[str, str]]) -> list[str]:
    return [pattern for module, pattern in table if not module.startswith("a3s_power_jupyter")]


def test_the_table_has_all_extensions(table: list[tuple[str, str]]) -> None:
    modules = {module.partition(".")[0] for module, _ in table}
    assert modules >= EXTENSIONS | {"a3s_power_jupyter", "jupyter_server"}
    ours = [pattern for module, pattern in table if module.startswith("a3s_power_jupyter")]
    assert ours == [f"{route[0]}$" for route in ROUTES if route not in YIELDING]


def test_paths_are_those_of_the_routes() -> None:
    assert all(re.fullmatch(*both) for both in zip(OURS, PATHS, strict=True))


def test_our_patterns_match_none_of_their_paths(theirs: list[str]) -> None:
    for pattern in theirs:
        if pattern not in LAST:
            check_samples(pattern)


def check_samples(pattern: str) -> None:
    @settings(max_examples=15, deadline=None, derandomize=True, database=None)
    @given(st.from_regex(pattern.removesuffix("$"), fullmatch=True))
    def check(path: str) -> None:
        hidden = [ours for ours in OURS if re.fullmatch(ours, path)]
        assert not hidden, f"{hidden} match {path!r}, a path of {pattern}"

    check()


def test_their_patterns_match_none_of_our_paths(theirs: list[str]) -> None:
    for path in PATHS:
        assert [pattern for pattern in theirs if re.match(pattern, path)] == ["(.*)$"], path


def test_patterns_of_ours_name_what_they_serve() -> None:
    """None matches whatever follows ``/api``, where Jupyter and its extensions have routes."""
    for pattern in OURS:
        if pattern.startswith("/api"):
            assert re.fullmatch(r"/api/[a-z]+(/\(\?P<[a-z]+>\[\^/\]\+\))?", pattern), pattern
    others = {pattern.split("/")[1].partition("(")[0] for pattern in OURS} - {"api", "v1"}
    assert not any(re.match(pattern, f"/{other}") for pattern in OURS for other in ("", "api", "x"))
    assert all(re.fullmatch("[a-z0-9-]+", other) for other in others)


def test_only_servers_without_notebooks_have_our_root() -> None:
    assert [pattern for pattern, _, _ in HEADLESS] == ["/"]
    assert "/" not in OURS
