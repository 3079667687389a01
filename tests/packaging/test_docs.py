"""Check that the documentation covers everything in the code, and that the site builds."""

from __future__ import annotations

import html
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from a3s_power_jupyter import widgets
from a3s_power_jupyter.client import Client
from a3s_power_jupyter.contract.errors import BY_CODE
from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.handlers import metrics
from a3s_power_jupyter.magics.parser import MagicParser, cell_parser, line_parser
from a3s_power_jupyter.server.environment import _READERS
from a3s_power_jupyter.server.extension import PowerApp
from support.paths import ROOT


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_every_error_code_is_documented(code: str) -> None:
    rows = [line for line in page("errors").splitlines() if f"`{code}`" in line]
    assert any(row.startswith(f"| {BY_CODE[code].status} |") for row in rows)


def test_every_trait_is_documented() -> None:
    own = [name for name in PowerApp.class_own_traits(config=True) if not name.startswith("_")]
    assert [name for name in own if f"`PowerApp.{name}`" not in page("configuration")] == []


def test_every_environment_variable_is_documented() -> None:
    assert [name for name in _READERS if f"`{name}`" not in page("configuration")] == []


def test_every_model_parameter_is_documented() -> None:
    fields = DefaultParameters.__struct_fields__
    assert [name for name in fields if f"`{name}`" not in page("configuration")] == []


def test_every_metric_is_documented() -> None:
    collectors = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
    names = [family.name for collector in collectors for family in collector.describe()]
    assert len(names) > 10
    assert [name for name in names if f"`{name}" not in page("monitoring")] == []


def test_the_tests_of_security_measures_exist() -> None:
    paths = re.findall(r"`(tests/[^`]+)`", page("security"))
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []


def commands() -> dict[str, MagicParser]:
    """Return the parsers of the ``%power`` commands by name."""
    (found,) = [action.choices for action in line_parser().arguments if action.choices]
    assert isinstance(found, dict)
    return found


def options(parser: MagicParser) -> list[str]:
    """Return the long names of a parser's options."""
    names = [name for action in parser.arguments for name in action.option_strings]
    return [name for name in names if name.startswith("--") and name not in ("--help", "--param")]


def is_documented(option: str, text: str) -> bool:
    return re.search(rf"`{option}[ `]", text) is not None


def test_every_command_is_documented() -> None:
    assert "register" in commands()
    assert [name for name in commands() if f"`%power {name}" not in page("use")] == []


def test_every_command_option_is_documented() -> None:
    """Each option is documented in the row of its command."""
    for name, parser in commands().items():
        (row,) = re.findall(rf"^\| [^|]*`%power {name}[ `].*", page("use"), re.MULTILINE)
        assert [option for option in options(parser) if not is_documented(option, row)] == []


def test_every_cell_option_is_documented() -> None:
    text = page("use").partition("## `%%power`")[2].partition("\n## ")[0]
    assert "--system" in options(cell_parser())
    assert [option for option in options(cell_parser()) if not is_documented(option, text)] == []


def test_every_client_method_is_documented() -> None:
    names = [name for name, _ in inspect.getmembers(Client) if not name.startswith("_")]
    assert "pull_widget" in names
    table = page("use").partition("## Client")[2].partition("\n## ")[0]
    assert [name for name in names if not re.search(rf"[` .]{name}[(`]", table)] == []


def test_every_widget_and_trait_is_documented() -> None:
    classes = [getattr(widgets, name) for name in widgets.__all__]
    for class_ in classes:
        traits = class_.class_own_traits(sync=True)
        own = [name for name, trait in traits.items() if not name.startswith("_")]
        names = own if class_ is widgets.PowerWidget else [class_.__name__, *own]
        assert [name for name in names if f"`{name}`" not in page("widgets")] == []


def test_every_panel_setting_is_documented() -> None:
    text = (ROOT / "labextension/schema/plugin.json").read_text(encoding="utf-8")
    for name, setting in json.loads(text)["properties"].items():
        row = next(line for line in page("widgets").splitlines() if line.startswith(f"| `{name}`"))
        assert row.split(" | ")[1] == f"`{json.dumps(setting['default']).strip(chr(34))}`"
        values = setting.get("items", setting).get("enum", ())
        assert [value for value in values if f"`{value}`" not in row] == []


def test_every_notebook_is_listed() -> None:
    names = [path.name for path in (ROOT / "notebooks").glob("*.ipynb")]
    assert names
    assert [name for name in names if f"(../notebooks/{name})" not in page("notebooks")] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation built as HTML. Warnings from Sphinx are errors."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    built = subprocess.run(
        [*command, str(ROOT / "docs"), str(out)], check=False, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    return out


def test_the_site_needs_no_network(site: Path) -> None:
    fetched = re.compile(r"""<(?:script|img|iframe)[^>]* src="(?:https?:)?//|<link[^>]*//""")
    for path in site.glob("*.html"):
        assert fetched.findall(path.read_text(encoding="utf-8")) == []


def test_images_exist_in_both_themes(site: Path) -> None:
    text = (site / "widgets.html").read_text(encoding="utf-8")
    shown = re.findall(r'<img[^>]*class="only-(light|dark)"[^>]*src="_images/([^"]*)"', text)
    assert ("light", "widgets-light.png") in shown
    assert ("dark", "widgets-dark.png") in shown


def test_drawings_keep_their_own_colours(site: Path) -> None:
    """The site's theme changes images in its dark variant, except those of this class."""
    text = (site / "scaling.html").read_text(encoding="utf-8")
    assert re.search(r'<img[^>]*class="dark-light"[^>]*src="_images/scaling.svg"', text)


def test_the_site_has_every_route(site: Path) -> None:
    text = (site / "rest.html").read_text(encoding="utf-8")
    signatures = re.findall(r'<dt class="sig sig-object http"[^>]*>(.*?)</dt>', text, re.DOTALL)
    shown = {html.unescape(re.sub(r"<[^>]*>|#|¶", "", line)).strip() for line in signatures}
    api = yaml.safe_load((ROOT / "a3s_power_jupyter/handlers/rest-api.yml").read_text("utf-8"))
    routes = {
        f"{verb.upper()} {path}"
        for path, item in api["paths"].items()
        for verb in item
        if verb != "parameters"
    }
    assert "POST /v1/models/{name}/load" in routes
    assert shown == routes


def test_links_between_rest_objects_resolve(site: Path) -> None:
    text = (site / "rest.html").read_text(encoding="utf-8")
    targets = set(re.findall(r'href="#(rest-[^"]*)"', text))
    assert "rest-model" in targets
    assert targets <= set(re.findall(r'id="([^"]*)"', text))


def test_the_site_has_every_client_method(site: Path) -> None:
    text = (site / "api.html").read_text(encoding="utf-8")
    methods: list[tuple[str, Any]] = inspect.getmembers(Client)
    for name, method in methods:
        if not name.startswith("_"):
            assert f'id="a3s_power_jupyter.client.Client.{name}"' in text
            assert inspect.getdoc(method), f"Client.{name} has no docstring"


def test_make_lab_opens_a_notebook_that_exists() -> None:
    """Jupyter prints a URL with the path of `default_url`, not with that of a file to open."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [(folder, notebook)] = re.findall(
        r"root_dir='\$\(CURDIR\)/(.+)' --LabApp.default_url=/lab/tree/(.+)", makefile
    )
    assert (ROOT / folder / notebook).is_file()


def test_every_relative_link_resolves() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    links = [
        (source, target)
        for source in pages
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", source.read_text(encoding="utf-8"))
    ]
    assert links
    assert [f"{s.name} -> {t}" for s, t in links if not (s.parent / t).exists()] == []
