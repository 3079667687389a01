"""The secrets of a running JupyterHub and of the servers of its users, and where they are found."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
from playwright.sync_api import Page

from support.jupyterhub import Hub

#: Paths from `window` to strings that contain one of `wanted`.
_WALK = """wanted => {
    const keysOf = object => {
        try { return Reflect.ownKeys(object); } catch { return []; }  // of another origin
    };
    const found = [], seen = new WeakSet(), queue = [[window, 'window']];
    let item;
    while ((item = queue.shift()) !== undefined) {
        const [object, path] = item;
        for (const key of keysOf(object)) {
            let value;
            try { value = object[key]; } catch { continue; }  // a getter that fails
            const name = `${path}.${String(key)}`;
            if (typeof value === 'string') {
                if (wanted.some(text => value.includes(text) || String(key).includes(text))) {
                    found.push(name);
                }
            } else if (value !== null && ['object', 'function'].includes(typeof value)) {
                if (!seen.has(value) && !ArrayBuffer.isView(value)) {
                    seen.add(value);
                    queue.push([value, name]);
                }
            }
        }
        if (object instanceof Map || object instanceof Set) {
            queue.push([[...object.entries()].flat(), `${path}.entries`]);
        }
    }
    return found;
}"""

_STORED = """async () => JSON.stringify([
    document.documentElement.outerHTML, document.cookie, {...localStorage}, {...sessionStorage},
    await indexedDB.databases(),
])"""


def secrets_of(hub: Hub, user: str, name: str = "") -> dict[str, str]:
    """Return the secrets that no page and no file of the user may contain, by what they are."""
    pid = hub.pid_of(user, name)
    (file,) = (hub.home(user) / "runtime").glob(f"a3s-power-{pid}.json")
    (proxy,) = [
        child.environ()["CONFIGPROXY_AUTH_TOKEN"]
        for child in psutil.Process(hub.pid).children()
        if "configurable-http-proxy" in " ".join(child.cmdline())
    ]
    return {
        "key of the kernels": json.loads(file.read_text())["key"],
        "token of the server": psutil.Process(pid).environ()["JUPYTERHUB_API_TOKEN"],
        "token of the proxy": proxy,
        "secret of the cookies": (hub.folder / "cookie_secret").read_text().strip(),
        **{f"token of {owner}": token for owner, token in hub.tokens.items()},
    }


def token_of_page(page: Page) -> str:
    """Return the token of the login, which JupyterHub gives the page and JupyterLab sends."""
    token: str = page.evaluate(
        "() => JSON.parse(document.getElementById('jupyter-config-data').textContent).token"
    )
    return token


def in_page(page: Page, texts: list[str]) -> list[str]:
    """Return where a script of the page can read one of `texts`."""
    stored: str = page.evaluate(_STORED)
    found: list[str] = page.evaluate(_WALK, texts)
    return found + [f"stored: {text}" for text in texts if text in stored]


def in_files(folder: Path, text: str) -> list[str]:
    """Return the files of a folder that contain `text`, without those of models."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    small = [path for path in files if path.stat().st_size < 10**7]
    return [str(path) for path in small if text.encode() in path.read_bytes()]
