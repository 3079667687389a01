"""Run llama.cpp's own server from the package xllamacpp until standard input ends.

The only argument is JSON: the fields of llama.cpp's ``common_params``, and ``model_path``.
"""

from __future__ import annotations

import json
import sys

import xllamacpp  # type: ignore[import-not-found]

params = xllamacpp.CommonParams()
fields = json.loads(sys.argv[1])
params.model.path = fields.pop("model_path")
for name, value in fields.items():
    setattr(params, name, set(value) if name == "model_alias" else value)
server = xllamacpp.Server(params)
sys.stdin.read()
