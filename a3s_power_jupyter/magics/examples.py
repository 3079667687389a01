"""Examples of each command, which its help shows."""

from __future__ import annotations

#: By the name of the command.
EXAMPLES = {
    "register": """\
  %power register smollm2 ~/models/smollm2.gguf
  %power register smollm2 smollm2.gguf -p num_ctx=4096 -p temperature=0.2
  %power register qwen3:4bit ~/models/Qwen3-4B -p isq=Q4K
  %power register far/llama --upstream-url http://gpu-box:8000/v1 --upstream-model llama
""",
    "pull": """\
  %power pull
  %power pull bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M
  %power pull Qwen/Qwen3-0.6B --background
  %power pull bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M --force
""",
    "scan": "  %power scan\n",
    "search": """\
  %power search smollm2
  %power search qwen3 coder --format gguf --sort likes
  %power search bartowski/SmolLM2-135M-Instruct-GGUF --num-ctx 8192
""",
    "pulls": "  %power pulls\n",
    "pause": "  %power pause bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M\n",
    "cancel": """\
  %power cancel bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M
  %power cancel bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M --keep-partial
""",
    "login": "  %power login\n",
    "list": "  %power list\n",
    "models": "  %power models\n",
    "show": """\
  %power show smollm2
  %power show smollm2 --template
""",
    "set": """\
  %power set smollm2 -p temperature=0.2 -p num_ctx=8192
  %power set smollm2 -p temperature=null
""",
    "rm": """\
  %power rm smollm2
  %power rm smollm2 --force
""",
    "load": """\
  %power load smollm2
  %power load smollm2 -p num_ctx=16384 -p num_parallel=2 --keep-alive 1h
  %power load smollm2 -p num_ctx=16384 --dry-run
""",
    "unload": """\
  %power unload smollm2
  %power unload smollm2 --force
""",
    "pin": "  %power pin smollm2\n",
    "unpin": "  %power unpin smollm2\n",
    "ps": "  %power ps\n",
    "use": """\
  %power use smollm2
  %power use
""",
    "explain": """\
  %power explain
  %power explain "What is a KeyError?" --model smollm2
  %power explain --cell 3
""",
    "fix": """\
  %power fix
  %power fix Keep the loop --model smollm2
  %power fix --cell 3
""",
    "doctor": "  %power doctor\n",
    "gc": """\
  %power gc
  %power gc --delete
""",
    "traceback": "  %power traceback\n",
    "help": """\
  %power help
  %power help pull
  %power help %%power
""",
    "%%power": """\
  %%power smollm2
  What is the capital of France?

  %%power smollm2 --system "Be brief." --temperature 0 --to summary
  Summarize this text: {text}

  %%power --continue
  And in one sentence?

  %%power qwen3 --tools weather,clock --json-schema Forecast
  Do I need an umbrella in Paris tomorrow?

  %%power qwen3 --tools notebook --allow read
  Which of my variables take most memory?
""",
}

#: Names that other tools have for a command.
OTHER_NAMES = {
    "add": "register",
    "create": "register",
    "delete": "rm",
    "download": "pull",
    "find": "search",
    "get": "pull",
    "info": "show",
    "install": "pull",
    "ls": "list",
    "remove": "rm",
    "run": "load",
    "start": "load",
    "status": "ps",
    "stop": "unload",
    "uninstall": "rm",
}
