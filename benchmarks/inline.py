"""Measure inline completion: the first text, cancelled requests, and fast typing.

    python benchmarks/inline.py [--rounds 10] [--no-browser]

Over HTTP, with the requests of the JupyterLab extension and SmolLM2, which has one slot here, so
that a request can only begin once the one before has left the worker:

- the time to the first text, and the tokens that come from the server's cache, when a notebook of
  about 1,000 tokens is read for the first time and at each further key,
- the time from the end of a connection until the next request is answered, compared with the same
  request on an idle model, while text is generated and while a prompt of 4,500 tokens is read,
- the requests that run at the same time during 50 keys in 5 seconds, each of which ends the request
  before.

In JupyterLab, with Debian's Chromium and a model that fills in the middle with a known text: the
time from the last key to the text behind the cursor, with the pause of 150 ms, and again 50 keys.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support import tiny_fim
from support.lab_page import ARGUMENTS, write_notebook, write_settings
from support.model_files import smollm2
from support.servers import Server, run_server

PAUSE = 0.05  # seconds without a key before a request, in the run with 50 keys
KEYS = "total_price = sum(item.price for item in items) + x"

#: Resolves with the milliseconds from the last key to the first text behind the cursor.
GHOST = """
() => new Promise(resolve => {
  let last = 0;
  const onKey = () => (last = performance.now());
  document.addEventListener('keydown', onKey, true);
  const observer = new MutationObserver(() => {
    if (document.querySelector('.jp-GhostText')?.textContent) {
      observer.disconnect();
      document.removeEventListener('keydown', onKey, true);
      resolve(performance.now() - last);
    }
  });
  observer.observe(document.body, { childList: true, subtree: true });
})
"""


def source(lines: int, seed: int = 0) -> str:
    """Return code that is the same for the same arguments."""
    return "".join(
        f"value_{n} = compute(value_{n - 1}, factor={(n + seed) * 7 % 97})\n" for n in range(lines)
    )


def body(prompt: str, **options: Any) -> dict[str, Any]:
    usage = {"include_usage": True}
    fixed = {"model": "m", "prompt": prompt, "temperature": 0, "stream": True}
    return {"max_tokens": 64, **fixed, "stream_options": usage, **options}


class Bench:
    """Requests over HTTP, as the extension sends them."""

    def __init__(self, server: Server, client: httpx2.AsyncClient) -> None:
        self._server = server
        self._client = client

    async def first(self, request: dict[str, Any]) -> tuple[float, int, int]:
        """Return the seconds to the first text, and the tokens of the prompt and from the cache."""
        begun = time.perf_counter()
        seconds = 0.0
        usage: dict[str, Any] = {}
        async with self._client.stream("POST", "v1/completions", json=request) as reply:
            reply.raise_for_status()
            async for line in reply.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                seconds = seconds or time.perf_counter() - begun
                usage = httpx2.Response(200, content=line[6:]).json().get("usage") or usage
        cached = usage["prompt_tokens_details"]["cached_tokens"]
        return seconds, usage["prompt_tokens"], cached

    async def cancelled(self, request: dict[str, Any], *, after_text: bool) -> None:
        """Send a request, and close its connection after its first text or after 0.3 s."""
        async with self._client.stream("POST", "v1/completions", json=request) as reply:
            if after_text:
                await anext(reply.aiter_lines())
                await asyncio.sleep(0.1)

    async def left(self, request: dict[str, Any], *, after_text: bool) -> None:
        task = asyncio.create_task(self.cancelled(request, after_text=after_text))
        await asyncio.wait([task], timeout=0.4)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def short(self) -> float:
        """Return the seconds of a request for one token."""
        begun = time.perf_counter()
        await self.first(body("x", max_tokens=1))
        return time.perf_counter() - begun

    async def typing(self) -> int:
        """Type 50 keys in 5 s; return the number of requests that were sent."""
        sent = 0
        task: asyncio.Task[None] | None = None

        async def ask(prompt: str) -> None:
            nonlocal sent
            await asyncio.sleep(PAUSE)
            sent += 1
            await self.first(body(prompt, max_tokens=256))

        before = source(20)
        for size in range(1, 51):
            if task is not None:
                task.cancel()
            task = asyncio.ensure_future(ask(before + KEYS[:size]))
            await asyncio.sleep(0.1)
        if task is not None:
            task.cancel()
        return sent


@contextmanager
def watched(server: Server, name: str) -> Iterator[Callable[[], str]]:
    """Sample how many requests of a model run; yield a function that returns the most of them."""
    counts: list[int] = []
    stop = threading.Event()

    def sample() -> None:
        with server.api() as api:
            while not stop.is_set():
                model = api.get(f"v1/models/{name}").json()
                counts.append(model.get("requests_running", 0) + model.get("requests_waiting", 0))
                time.sleep(0.005)

    def result() -> str:
        several = sum(count > 1 for count in counts) / len(counts)
        return f"{max(counts)} at most, more than 1 in {100 * several:.1f} % of the time"

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield result
    finally:
        stop.set()
        thread.join()


def row(label: str, value: str) -> None:
    print(f"| {label} | {value} |", flush=True)


def milliseconds(seconds: list[float]) -> str:
    return f"{1000 * statistics.median(seconds):.0f} ms (most: {1000 * max(seconds):.0f})"


async def over_http(server: Server, rounds: int) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    limits: dict[str, Any] = {"timeout": 300, "trust_env": False}
    async with httpx2.AsyncClient(base_url=server.url, headers=headers, **limits) as client:
        bench = Bench(server, client)
        await bench.first(body("x"))
        cold, warm, shares, lengths = [], [], [], []
        for number in range(rounds):
            before = source(45, number)
            seconds, length, _ = await bench.first(body(before + "to", max_tokens=8))
            cold.append(seconds)
            lengths.append(length)
            for size in range(3, 13):
                request = body(before + KEYS[:size], max_tokens=8)
                seconds, length, cached = await bench.first(request)
                warm.append(seconds)
                shares.append(cached / length)
        row(f"first text, {statistics.median(lengths):.0f} tokens read", milliseconds(cold))
        row("first text at the next keys", milliseconds(warm))
        least = f"{100 * statistics.median(shares):.1f} % (least: {100 * min(shares):.1f})"
        row("tokens from the cache at the next keys", least)

        idle = [await bench.short() for _ in range(2 * rounds)]
        usual = statistics.median(idle)
        for label, request, after_text in (
            ("while text is generated", body("Once upon a time", max_tokens=4000), True),
            ("while a prompt is read", body(source(260)), False),
        ):
            freed = []
            for _ in range(rounds):
                await bench.left(request, after_text=after_text)
                freed.append(max(0.0, await bench.short() - usual))
            row(f"slot free after a cancel {label}", milliseconds(freed))

        with watched(server, "m") as most:
            sent = await bench.typing()
        row(f"50 keys in 5 s, pause 50 ms, {sent} requests: running", most())


def in_browser(server: Server, folder: Path, rounds: int) -> None:
    with server.api() as api:
        for name, options in (("fim", {}), ("endless", {"endless": True, "fillers": 100_000})):
            file = tiny_fim.write_model(folder / f"{name}.gguf", **options)
            api.post("v1/models", json={"name": name, "path": str(file)}).raise_for_status()
            api.post(f"v1/models/{name}/load", json={}).raise_for_status()
    with sync_playwright() as playwright:
        executable = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)

        def opened(**settings: Any) -> Any:
            write_settings(server, "a3s-power-jupyter/inline", settings)
            write_notebook(folder / "notebooks" / "code.ipynb", "")
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(f"{server.url}lab/tree/code.ipynb?token={server.token}")
            page.locator(".jp-Notebook .cm-content").first.click(timeout=120_000)
            page.wait_for_timeout(2000)
            return page

        page = opened(model="fim")
        times = []
        for number in range(rounds + 1):  # the first one loads the code
            page.evaluate(f"window.ghost = ({GHOST})(); undefined")
            page.keyboard.type(f"x{number} = y", delay=60)
            times.append(page.evaluate("window.ghost") / 1000)
            page.keyboard.press("Enter")
            page.wait_for_timeout(300)
        row("JupyterLab: last key to the first text, first time", f"{1000 * times[0]:.0f} ms")
        row("JupyterLab: last key to the first text", milliseconds(times[1:]))
        page.close()

        page = opened(model="endless", maxTokens=2048, debounce=50)
        with watched(server, "endless") as most:
            page.keyboard.type(KEYS[:50], delay=100)
        row("JupyterLab: 50 keys in 5 s, pause 50 ms: running", most())
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--no-browser", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with run_server(folder, lab=True) as server:
            print("| measured | median |\n|---|---|")
            with server.api() as api:
                model = {
                    "name": "m",
                    "path": str(smollm2()),
                    "default_parameters": {"num_parallel": 1},
                }
                api.post("v1/models", json=model).raise_for_status()
            asyncio.run(over_http(server, options.rounds))
            if not options.no_browser:
                in_browser(server, folder, options.rounds)


if __name__ == "__main__":
    main()
