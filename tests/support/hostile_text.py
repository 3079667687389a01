"""Text that attacks the page or the terminal that shows it."""

from __future__ import annotations

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

$x_1 < \\href{javascript:window.attacked='math'}{y}$ the end

[image]: https://leak.example/reference.png
"""

#: An answer that sets the title of a terminal, clears it, asks it to type, and changes its colors.
CONTROLS = (
    "an\x1b]0;attacked\x07swer\x1b[2J \x1b]52;c;YXR0YWNrZWQ=\x1b\\without\x1b[c \x9b31m"
    "colors\r\x08\x7f\x1b"
)
