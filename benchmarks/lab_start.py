"""Measure what the JupyterLab extension costs when JupyterLab starts, and what it loads.

    python benchmarks/lab_start.py [--starts 10]

Opens JupyterLab in Chromium, profiles the page until it is restored, and adds up the time with code
of the extension on the stack: the evaluation of its scripts, the activation of its plugins, and all
that they call. Prints the median and the longest of the starts, the time until the launcher is
there with and without the extension, and the size of the scripts that the start and the first chat
load. Needs ``npm run build`` in labextension/ and Chromium.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Response, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.lab_page import ARGUMENTS, config_of
from support.servers import Server, run_server

EXTENSION = "a3s-power-jupyter"
#: Microseconds between two samples of the profile.
INTERVAL = 200


@dataclass
class Start:
    """Milliseconds in the extension and until the launcher is there, and bytes by script."""

    extension: float
    launcher: float
    scripts: dict[str, int]
    chat: dict[str, int]


def measure(browser: Browser, server: Server, opens_chat: bool) -> Start:
    """Open JupyterLab in a new context, which has nothing in its cache."""
    page = browser.new_context().new_page()
    scripts: dict[str, int] = {}

    def note(response: Response) -> None:
        if EXTENSION in response.url and ".js" in response.url:
            scripts[response.url.rpartition("/")[2].partition("?")[0]] = len(response.body())

    page.on("response", note)
    session = page.context.new_cdp_session(page)
    session.send("Profiler.enable")
    session.send("Profiler.setSamplingInterval", {"interval": INTERVAL})
    session.send("Profiler.start")
    started = time.perf_counter()
    page.goto(f"{server.url}lab?reset&token={server.token}")
    page.locator(".jp-LauncherCard").first.wait_for(timeout=120_000)
    launcher = time.perf_counter() - started
    page.wait_for_timeout(2_000)  # for what plugins do after the start
    profile = session.send("Profiler.stop")["profile"]
    at_start = dict(scripts)
    if opens_chat:
        open_chat(page)
    chat = {name: size for name, size in scripts.items() if name not in at_start}
    page.context.close()
    return Start(milliseconds_in(profile), launcher * 1000, at_start, chat)


def open_chat(page: Page) -> None:
    page.evaluate("jupyterapp.commands.execute('a3s-power:open-chat')")
    page.get_by_label("Message", exact=True).first.wait_for(timeout=60_000)


def milliseconds_in(profile: dict[str, Any]) -> float:
    """Return the time of a profile with a function of the extension on the stack."""
    parents = {child: node["id"] for node in profile["nodes"] for child in node.get("children", ())}
    own = {node["id"] for node in profile["nodes"] if f"/{EXTENSION}/" in node["callFrame"]["url"]}

    def is_inside(node: int | None) -> bool:
        while node is not None and node not in own:
            node = parents.get(node)
        return node is not None

    inside = {node["id"] for node in profile["nodes"] if is_inside(node["id"])}
    samples = zip(profile["samples"], profile["timeDeltas"], strict=True)
    return sum(delta for node, delta in samples if node in inside) / 1000


def set_enabled(server: Server, enabled: bool) -> None:
    path = config_of(server) / "labconfig/page_config.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"disabledExtensions": {} if enabled else {EXTENSION: True}}))


def shown(values: list[float]) -> str:
    return f"median {statistics.median(values):.0f} ms, longest {max(values):.0f} ms"


def sizes(scripts: dict[str, int]) -> str:
    return f"{sum(scripts.values()) / 1000:.0f} kB in {len(scripts)} files"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--starts", type=int, default=10)
    starts = parser.parse_args().starts
    with (
        tempfile.TemporaryDirectory() as folder,
        run_server(Path(folder), "--LabApp.expose_app_in_browser=True", lab=True) as server,
        sync_playwright() as playwright,
    ):
        executable = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        measure(browser, server, opens_chat=False)  # fills the caches of the system
        with_it, without_it = [], []
        for number in range(starts):
            with_it.append(measure(browser, server, opens_chat=number == 0))
            set_enabled(server, False)
            without_it.append(measure(browser, server, opens_chat=False))
            set_enabled(server, True)
        browser.close()
    print("In code of the extension:", shown([start.extension for start in with_it]))
    print("Launcher, with it:", shown([start.launcher for start in with_it]))
    print("Launcher, without it:", shown([start.launcher for start in without_it]))
    print("Loaded at the start:", sizes(with_it[0].scripts))
    print("Loaded by the first chat:", sizes(with_it[0].chat))


if __name__ == "__main__":
    main()
