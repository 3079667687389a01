"""Measure how fast the JupyterLab panel shows many models.

    python benchmarks/table.py [--models 1000] [--rounds 5]

Prints the milliseconds from opening the panel until its first rows are painted and until all rows
exist, and from a click on "Pin" until the change is visible. Runs JupyterLab in Debian's Chromium.
Each round opens and closes the panel of a server with ten models and of a server with many.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from models import fill
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.lab_page import ARGUMENTS
from support.servers import Server, run_server

OPEN = """
async ([command, count]) => {
  const began = performance.now();
  await window.jupyterapp.commands.execute(command);
  const rows = () => document.querySelectorAll('.a3s-panel tbody tr').length;
  // A frame callback runs before the frame is painted, so the rows are painted by the next one.
  const until = enough => new Promise(resolve => {
    const check = () => requestAnimationFrame(enough() ? () => resolve() : check);
    check();
  });
  await until(() => rows() > 0);
  const first = performance.now() - began;
  await until(() => rows() >= count);
  return [first, performance.now() - began];
}
"""

PIN = """
async name => {
  const row = [...document.querySelectorAll('.a3s-panel tbody tr')]
    .find(row => row.querySelector('th span').textContent === name);
  const button = row.querySelector('.a3s-last button:nth-child(2)');
  const before = button.textContent;
  const began = performance.now();
  button.click();
  while (button.textContent === before) {
    await new Promise(requestAnimationFrame);
  }
  return performance.now() - began;
}
"""

CLOSE = """
() => [...window.jupyterapp.shell.widgets('main')].find(w => w.id === 'a3s-power-models').close()
"""

WHAT = ("first rows", "all rows", "a pin is visible")


def one_round(page: Page, count: int) -> tuple[float, float, float]:
    first, whole = page.evaluate(OPEN, ["a3s-power:open-models", count])
    name = page.locator(".a3s-panel tbody th span").first.inner_text()
    seen = page.evaluate(PIN, name)
    page.evaluate(CLOSE)
    return first, whole, seen


def open_lab(page: Page, server: Server) -> None:
    page.goto(f"{server.url}lab?token={server.token}")
    page.locator(".jp-LauncherCard").first.wait_for(timeout=60_000)
    page.wait_for_timeout(3_000)  # let JupyterLab finish its startup


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    times: dict[int, list[tuple[float, float, float]]] = {10: [], options.models: []}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=ARGUMENTS
        )
        stack.callback(chromium.close)
        pages = {}
        for count in times:
            folder = Path(name) / str(count)
            fill(folder / "power", count)
            server = run_server(folder, "--LabApp.expose_app_in_browser=True")
            pages[count] = chromium.new_page(viewport={"width": 1280, "height": 900})
            open_lab(pages[count], stack.enter_context(server))
        for number in range(-1, options.rounds):  # round -1 warms up
            for count, page in pages.items():
                page.bring_to_front()
                took = one_round(page, count)
                if number >= 0:
                    times[count].append(took)
    few, many = times
    print(f"{os.cpu_count()} cores, {options.rounds} rounds; medians in milliseconds\n")
    print(f"| | {few} models | {many} models | ratio |\n|---|---|---|---|")
    for i, what in enumerate(WHAT):
        a, b = (statistics.median(took[i] for took in times[count]) for count in (few, many))
        print(f"| {what} | {a:.0f} | {b:.0f} | {b / a:.1f} |")


if __name__ == "__main__":
    main()
