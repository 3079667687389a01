"""The description of a kernel's variables, in a real kernel and as the page asks for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from a3s_power_jupyter.display import variables
from support.kernel_cells import Kernel

SOURCE = Path(variables.__file__).read_text(encoding="utf-8")

#: Stand-in for pandas, which the tests do not install: a DataFrame with the part that is used.
PANDAS = """
import sys, types, numpy as np
class Index(list):
    names = [None]
    _data = np.zeros(1)
class DataFrame:
    ndim = 2
    _mgr = types.SimpleNamespace(blocks=[])
    def __init__(self, columns): self._columns = columns
    shape = property(lambda self: (len(next(iter(self._columns.values()))), len(self._columns)))
    columns = property(lambda self: Index(self._columns))
    index = property(lambda self: Index(range(self.shape[0])))
    @property
    def dtypes(self):
        return _Positions(["object"] * len(self._columns))
    @property
    def iloc(self):
        return _Rows(self)
    def __repr__(self): raise AssertionError("the repr shows any object")
class _Positions:
    def __init__(self, values): self.values = values
    iloc = property(lambda self: self.values)
class _Rows:
    def __init__(self, frame): self.frame = frame
    def __getitem__(self, place):
        if isinstance(place, slice):
            return DataFrame({k: v[place] for k, v in self.frame._columns.items()})
        return list(self.frame._columns.values())[place[1]][place[0]]
stand_in = sys.modules["pandas"] = types.ModuleType("pandas")
for kind in (Index, DataFrame):
    kind.__module__, kind.__qualname__ = "pandas", kind.__name__
    setattr(stand_in, kind.__name__, kind)
del kind, stand_in
"""

SETUP = (
    PANDAS
    + """
import collections, os, torch
from json import dumps
class Broken:
    def __repr__(self): raise RuntimeError("repr")
    def __len__(self): raise RuntimeError("len")
    __class__ = property(lambda self: touched.append("class"))
    shape = property(lambda self: touched.append("shape"))
class Greedy(list):
    def __iter__(self): touched.append("iter"); raise RuntimeError("iter")
    def __len__(self): touched.append("len"); return 10**9
class Meta(type):
    def __getattribute__(cls, name): touched.append(name); raise RuntimeError(name)
class Odd(metaclass=Meta): pass
def load(path, *, sep=","): pass
touched = []
broken = Broken()
greedy = Greedy([1, 2])
number = 7
huge = 10**100_000
text = "long " * 1000
nested = [1, ["two", [3, [4, [5]]]]]
loop = []; loop.append(loop)
frame = DataFrame({"city": ["Paris", "Rome"] * 500, "thing": [Broken()] * 1000,
                   "password": ["hunter2"] * 1000})
array = np.arange(6_000_000).reshape(2000, 3000)
view = np.lib.stride_tricks.as_strided(np.zeros(1), (10**9, 10**6), (0, 0))
objects = np.array([Broken(), 1], dtype=object)
tensor = torch.zeros(2, 3, requires_grad=True)
far = torch.zeros(4, device="meta")
surrogate = "\\ud800"
"""
)

SECRETS = """
os.environ["SERVICE_TOKEN"] = "value-of-the-token"
os.environ["SERVICE_PLACE"] = "a place for services"
api_key = "plain"
dbPassword = 5
access_token = "plain"
environment = os.environ
innocent = "value-of-the-token"
header = "Bearer value-of-the-token"
place = os.environ["SERVICE_PLACE"]
other = "hf_abcdefghijklmnopqrstuvwxyz"
address = "postgres://ada:pass@host/data"
settings = {"api_key": "plain", "copy": "value-of-the-token", "size": 3}
listed = ["sk-abcdefghijklmnopqrstuvwxyz"]
token_count = 9
tokens = ["a", "b"]
tokenizer = Broken()
"""


@pytest.fixture(scope="module")
def variables_kernel(kernel: Kernel) -> Kernel:
    cell = kernel.run(f"{SETUP}\n{SECRETS}")
    assert cell.status == "ok", cell.stderr + "".join(cell.errors)
    return kernel


def ask(kernel: Kernel, names: list[str] | None = None) -> dict[str, Any]:
    """Evaluate the file in the kernel, with the request that `variables.ts` sends."""
    listed = "None" if names is None else json.dumps(names)
    run = f'(b.exec({json.dumps(SOURCE)}, own), own["listing"](b.globals(), {listed}))[1]'
    expression = (
        f'(lambda b, own: {run})(__import__("builtins"), {{"__name__": "a3s_power_variables"}})'
    )
    reply = kernel.reply(
        kernel._client.execute(
            "", silent=True, store_history=False, user_expressions={"listing": expression}
        )
    )
    result = reply["content"]["user_expressions"]["listing"]
    assert result["status"] == "ok", result
    content: dict[str, Any] = result["data"]["application/json"]
    return content


def described(listing: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    return {v["name"]: (v["type"], v["size"], v["text"]) for v in listing["variables"]}


def test_values_have_their_type_size_and_head(variables_kernel: Kernel) -> None:
    found = described(ask(variables_kernel))
    assert found["number"] == ("int", "", "7")
    assert found["load"] == ("function", "", "(path, sep)")
    assert found["text"][1] == "5000 characters"
    assert len(found["text"][2]) < 500
    assert found["nested"] == ("list", "2 items", "[1, ['two', [3, ...]]]")
    assert found["loop"][2] == "[[[...]]]"
    assert found["array"][:2] == ("numpy.ndarray", "shape (2000, 3000), int64")
    assert found["array"][2].startswith("[[0, 1, 2], [3000, 3001, 3002]")
    assert found["view"][1] == "shape (1000000000, 1000000), float64"
    assert found["tensor"][:2] == ("torch.Tensor", "shape (2, 3), torch.float32")
    assert found["far"] == ("torch.Tensor", "shape (4,), torch.float32, meta", "")
    assert found["huge"][2].startswith("<integer of 332,193 bits")
    assert {"os", "np", "dumps", "In", "Out", "get_ipython", "exit"}.isdisjoint(found)


def test_a_table_has_its_columns_and_first_rows(variables_kernel: Kernel) -> None:
    kind, size, text = described(ask(variables_kernel))["frame"]
    assert (kind, size) == ("pandas.DataFrame", "1000 rows x 3 columns")
    lines = text.split("\n")
    assert lines[0] == "\tcity (object)\tthing (object)\tpassword (object)"
    assert lines[1] == f"0\tParis\t<Broken>\t{variables.HIDDEN}"
    assert len(lines) == 6


def test_no_code_of_the_user_runs(variables_kernel: Kernel) -> None:
    found = described(ask(variables_kernel))
    assert found["broken"] == ("Broken", "", "")
    assert found["greedy"][1] == "2 items"
    assert found["objects"][2] == "[<Broken>, 1]"
    assert found["Odd"][0] == "Meta"
    cell = variables_kernel.run("print(touched)")
    # The kernel itself has looked at the results of cells, but not at these.
    assert cell.stdout.strip() == "[]"


def test_secrets_are_left_out_and_named(variables_kernel: Kernel) -> None:
    listing = ask(variables_kernel)
    assert set(listing["secrets"]) == {
        "access_token", "address", "api_key", "dbPassword", "environment", "header", "innocent",
        "other", "place",
    }  # fmt: skip
    assert "value-of-the-token" not in json.dumps(listing)
    assert "hunter2" not in json.dumps(listing)
    found = described(listing)
    hidden = variables.HIDDEN
    assert found["settings"][2] == f"{{'api_key': {hidden}, 'copy': {hidden}, 'size': 3}}"
    assert found["listed"][2] == f"[{hidden}]"
    assert {"token_count", "tokens", "tokenizer"} <= found.keys()


def test_a_secret_that_is_chosen_is_sent(variables_kernel: Kernel) -> None:
    listing = ask(variables_kernel, ["api_key", "missing"])
    assert described(listing) == {"api_key": ("str", "", "'plain'")}


def test_the_kernel_is_left_as_it_was(variables_kernel: Kernel) -> None:
    state = "print(len(globals()), len(In), get_ipython().execution_count, len(sys.modules))"
    counts = [variables_kernel.run(state).stdout.split() for _ in range(2)]
    step = [int(b) - int(a) for a, b in zip(*counts, strict=True)]
    ask(variables_kernel)
    after = variables_kernel.run(state).stdout.split()
    assert [int(b) - int(a) for a, b in zip(counts[1], after, strict=True)] == step


def test_many_variables_are_listed_without_their_values(variables_kernel: Kernel) -> None:
    variables_kernel.run("for i in range(3000): globals()[f'many_{i}'] = i")
    try:
        listing = ask(variables_kernel)
        assert len(listing["variables"]) + len(listing["secrets"]) == variables.MAX_NAMES
        assert listing["more"] > 2000
        assert listing["variables"][-1]["text"] == ""
    finally:
        variables_kernel.run("for i in range(3000): del globals()[f'many_{i}']")
