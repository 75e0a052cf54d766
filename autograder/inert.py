"""Make what a student's code has shown safe to look at: text, HTML, formulas, pictures, outputs.

Whatever comes in, what goes out holds no script, no form, no link, no address of another machine
and nothing that a browser would run, on any page. Sizes are bounded, and what is left out says so.
"""

import base64
import binascii
import functools
import re
import struct
from xml.etree import ElementTree

import nh3
from latex2mathml.converter import convert as _to_mathml
from markdown_it import MarkdownIt
from markupsafe import Markup, escape
from mdit_py_plugins.amsmath import amsmath_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin

TEXT = 20_000  # characters kept of one text that is shown
HTML = 200_000  # characters of HTML that are read
PICTURE = 4_000_000  # characters of one picture in base64
SIDE = 10_000  # pixels of a picture's side: small files can claim to be very large
FORMULA = 1_000  # characters of LaTeX
TAGS = 4_000  # tags of one HTML output: parsing deep nests takes quadratic time
_SPAN = 100  # columns or rows that a table cell may cover
PICTURES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
SVG = "image/svg+xml"
_ALT = "A picture in this output"
_DATA = re.compile(r"data:image/[a-z+]{1,9};base64,[A-Za-z0-9+/=]*")

# Control characters, and those that turn the direction of text around what follows.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_UNPAIRED = re.compile(r"[\ud800-\udfff]")
_ESCAPE = re.compile(r"\x1b(?:\][^\x07\x1b]*(?:\x07|\x1b\\)?|\[[0-?]*[ -/]*[@-~]?|[@-Z\\^_])")
_COLOR = re.compile(r"\x1b\[([0-9;]{0,40})m")


def text(value):
    """`value` as text without escape sequences and control characters; what \\r wrote over, too."""
    return _plain(_ESCAPE.sub("", _string(value)))


def ansi(value):
    """Text as HTML in which the terminal's bold and its eight colors are spans with a class."""
    parts, css = [], set()
    pieces = _COLOR.split(_rewritten(_string(value)))
    for index, piece in enumerate(pieces):
        if index % 2:
            css = _style(css, piece)
        elif shown := escape(text(piece)):
            classes = " ".join(sorted(css))
            parts.append(f'<span class="{classes}">{shown}</span>' if classes else shown)
    return Markup("".join(parts))


def inline(value):
    """One paragraph of plain text as HTML, in which `this` is code."""
    return Markup(re.sub(r"`([^`\n]+)`", r"<code>\1</code>", str(escape(text(value)))))


def authored(value):
    """What an assignment's author wrote in one line: as `inline`, with formulas between dollars."""
    parts = re.split(r"\$([^$\n]+)\$", text(value))
    return Markup("".join(_formula(p, False) if k % 2 else inline(p) for k, p in enumerate(parts)))


def cut(value, limit=TEXT):
    """At most `limit` characters: beginning and end, with a note in between on what is missing."""
    if len(value) <= limit:
        return value
    head, tail = limit * 3 // 4, limit // 4
    missing = f"{len(value) - head - tail:,}"
    return f"{value[:head]}\n… {missing} characters are left out …\n{value[-tail:]}"


def html(value):
    """HTML reduced to text, tables, lists and pictures that are in it; no attribute of a style."""
    value = _string(value)
    length = len(_DATA.sub("", value[: 4 * PICTURE])) + max(0, len(value) - 4 * PICTURE)
    if length > HTML or value.count("<") > TAGS:
        return Markup(f"<p>HTML of {len(value):,} characters is left out.</p>")
    # In the corner of its tables pandas has headers that head nothing.
    return Markup(_CLEANER.clean(_plain(value)).replace("<th></th>", "<td></td>"))


def markdown(value, formulas=True):
    """Markdown as HTML: headings of one level, raw HTML as the text it is, formulas as MathML.

    A link becomes its text with the address behind it; pictures must be in the text as data.
    formulas : False leaves them as they were written.
    """
    source = cut(_plain(_string(value)))
    environment = {"formulas": formulas}
    try:
        tokens = _MARKDOWN.parse(source, environment)
        return Markup(_MARKDOWN.renderer.render(_tame(tokens), _MARKDOWN.options, environment))
    except (RecursionError, ValueError, IndexError):
        return Markup(f"<pre>{escape(source)}</pre>")


def formula(latex, display=False):
    """LaTeX as MathML, which needs no script and no font from elsewhere; as code if unreadable."""
    return Markup(_formula(latex.strip(), display))


def picture(mime, data):
    """A data: address for a PNG, JPEG or SVG; None if it is none, or too large.

    Browsers run no script in an SVG that is the source of an <img>, and load nothing for it.
    """
    if mime == SVG:
        content = _plain(_string(data)).encode("utf-8", errors="replace")
        if b"<svg" not in content:
            return None
    else:
        try:
            content = base64.b64decode("".join(_string(data).split()), validate=True)
        except (binascii.Error, ValueError):
            return None
        if not content.startswith(PICTURES.get(mime, b"\0none")) or _is_vast(mime, content):
            return None
    encoded = base64.b64encode(content).decode("ascii")
    return f"data:{mime};base64,{encoded}" if len(encoded) <= PICTURE else None


def clean_outputs(outputs):
    """A cell's outputs for a notebook that people open: the same kinds, without active content.

    An SVG, Markdown and LaTeX become HTML that is safe in any page; scripts, widgets and other
    unknown types are dropped. What is no output is dropped too. Clean outputs stay as they are.
    """
    cleaned = [_output(output) for output in outputs if isinstance(output, dict)]
    return [output for output in cleaned if output is not None]


def image(address, alt):
    """An <img> of an address that `picture` made."""
    return Markup(f'<img src="{address}" alt="{escape(alt)}">')


def _output(output):
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return {"output_type": kind, "name": name, "text": _terminal(output.get("text"))}
    if kind == "error":
        lines = output.get("traceback")
        lines = lines if isinstance(lines, list) else [lines]
        return {
            "output_type": kind,
            "ename": text(output.get("ename")),
            "evalue": _terminal(output.get("evalue")),
            "traceback": [_terminal(line) for line in lines],
        }
    if kind not in ("display_data", "execute_result"):
        return None
    given = output.get("data")
    data = _data(given) if isinstance(given, dict) else {}
    if not data:
        data = {"text/plain": "[an output of a kind that is not shown here]"}
    cleaned = {"output_type": kind, "data": data, "metadata": {}}
    if kind == "execute_result":
        count = output.get("execution_count")
        cleaned["execution_count"] = count if isinstance(count, int) else None
    return cleaned


def _data(given):
    """What remains of a MIME bundle; a picture of pixels goes before all that becomes HTML."""
    data = {}
    for mime in PICTURES:
        if mime in given and (address := picture(mime, given[mime])):
            data[mime] = address.split(",", 1)[1]
    if not data:
        for mime, convert in _AS_HTML.items():
            if mime in given and (shown := convert(given[mime])):
                data["text/html"] = str(shown)
                break
    if "text/plain" in given:
        data["text/plain"] = _terminal(given["text/plain"])
    return data


def _svg(value):
    address = picture(SVG, value)
    return image(address, _ALT) if address else ""


def _latex(value):
    return Markup(f"<code>{escape(cut(text(value).strip(), FORMULA))}</code>")


def _markdown(value):
    return html(markdown(value, formulas=False))


_AS_HTML = {"text/html": html, SVG: _svg, "text/markdown": _markdown, "text/latex": _latex}


def _string(value):
    """Text that a notebook stores as such or as a list of lines; anything else as its repr."""
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else "" if value is None else str(value)


def _plain(value):
    return _UNPAIRED.sub("�", _CONTROL.sub("", _rewritten(value)))


def _terminal(value):
    """Text that keeps its colors, as notebooks store it."""
    pieces = _COLOR.split(_rewritten(_string(value)))
    return "".join(
        f"\x1b[{piece}m" if index % 2 else text(piece) for index, piece in enumerate(pieces)
    )


def _rewritten(value):
    """Each line as a terminal shows it at last: a progress bar goes back to the line's start."""
    if "\r" not in value:
        return value
    lines = value.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines)


def _style(css, codes):
    """The classes after a color sequence; colors of larger palettes and backgrounds are left."""
    numbers = [int(code or 0) for code in codes.split(";") if len(code) < 4]
    if 38 in numbers or 48 in numbers:
        return {name for name in css if name == "bold"}
    for number in numbers:
        if number == 0:
            css = set()
        elif number == 1:
            css = css | {"bold"}
        elif 30 <= number <= 39 or 90 <= number <= 97:
            css = {name for name in css if name == "bold"}
            css |= {f"ansi-{number % 10}"} if number != 39 else set()
    return css


def _is_vast(mime, content):
    if mime != "image/png":
        return False
    return len(content) < 24 or max(struct.unpack(">II", content[16:24])) > SIDE


def _attribute(tag, name, value):
    """An attribute's value as it may stay, or None."""
    if (tag, name) == ("img", "src"):
        found = re.match(r"data:([a-z+/]{1,20});base64,", value)
        if not found or found[1] not in {*PICTURES, SVG}:
            return None
        data = value[found.end() :]
        if found[1] == SVG:
            try:
                data = base64.b64decode(data, validate=True).decode("utf-8", errors="replace")
            except (binascii.Error, ValueError):
                return None
        return picture(found[1], data)
    if name in {"colspan", "rowspan"}:
        return value if value.isdecimal() and 0 < int(value[:9]) <= _SPAN else None
    return value


def _words(names):
    return set(names.split())


_CLEANER = nh3.Cleaner(
    tags=_words(
        "table thead tbody tfoot tr th td caption p br hr div span pre code samp kbd b i em strong "
        "small sub sup u s h3 ul ol li dl dt dd blockquote img"
    ),
    clean_content_tags=_words(
        "script style svg math title template noscript iframe noembed noframes xmp textarea "
        "select object applet"
    ),
    attributes={"img": {"src"}, "td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}},
    attribute_filter=_attribute,
    set_tag_attribute_values={"img": {"alt": _ALT}},
    url_schemes={"data"},
    url_relative="deny",
    link_rel=None,
)

_MATH = _words(
    "math mrow mi mn mo ms mtext mspace mfrac msqrt mroot msub msup msubsup munder mover "
    "munderover mtable mtr mtd mstyle mpadded mphantom"
)
_MATH_ATTRIBUTES = _words(
    "display mathvariant stretchy fence form separator lspace rspace minsize maxsize accent "
    "movablelimits linethickness displaystyle scriptlevel columnalign columnspacing rowspacing "
    "width height depth symmetric largeop"
)


@functools.lru_cache(maxsize=2048)
def _formula(latex, display):
    opening = '<span class="formula">'
    if display:  # long ones scroll by themselves on a phone: the keyboard must reach them, too
        focus = ' tabindex="0" role="group" aria-label="formula"' if len(latex) > 40 else ""
        opening = f'<span class="formula display"{focus}>'
    try:
        if len(latex) > FORMULA:
            raise ValueError("too long")
        tree = ElementTree.fromstring(_to_mathml(latex, display="block" if display else "inline"))
        content = ElementTree.tostring(_mathml(tree), encoding="unicode")
    except Exception:  # whatever the converter trips over, the formula is shown as it was written
        content = f"<code>{escape(cut(latex, FORMULA))}</code>"
    return f"{opening}{content}</span>"


def _mathml(node):
    """A copy of a MathML element with known elements and attributes alone."""
    name = node.tag.rsplit("}", 1)[-1]
    if name not in _MATH:
        raise ValueError(f"unexpected element {name}")
    copy = ElementTree.Element(name)
    copy.attrib = {k: v for k, v in node.attrib.items() if k in _MATH_ATTRIBUTES}
    copy.text, copy.tail = node.text, node.tail
    copy.extend(_mathml(child) for child in node)
    return copy


def _make_markdown():
    maker = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    dollarmath_plugin(maker, double_inline=True, allow_space=False)  # $5 and $6 are prices
    amsmath_plugin(maker)
    rules = maker.renderer.rules
    for name in ("math_inline", "math_inline_double", "math_block", "amsmath"):
        rules[name] = functools.partial(_show_formula, display=name != "math_inline")
    rules["image"] = _show_image
    rules["link_open"] = lambda *arguments: '<span class="link">'
    rules["link_close"] = _close_link
    rules["table_open"] = lambda *arguments: (
        '<div class="wide" tabindex="0" role="group" aria-label="table"><table>\n'
    )
    rules["table_close"] = lambda *arguments: "</table></div>\n"
    return maker


def _show_formula(tokens, index, options, environment, display):
    latex = tokens[index].content.strip()
    if not environment["formulas"]:
        return f"<code>{escape(latex)}</code>"
    return _formula(latex, display)


def _show_image(tokens, index, options, environment):
    token = tokens[index]
    source, alt = str(token.attrs.get("src", "")), token.content or "A picture"
    found = re.match(r"data:(image/(?:png|jpeg));base64,", source)
    if found and (address := picture(found[1], source[found.end() :])):
        return image(address, alt)
    return f'<span class="note">[picture: {escape(alt)}]</span>'


def _close_link(tokens, index, options, environment):
    address = tokens[index].meta.get("address")
    return f'</span> <span class="note">({escape(address)})</span>' if address else "</span>"


def _tame(tokens):
    """Headings of one level, because a student's own may skip some; addresses behind links."""
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            if token.nesting == 1:
                token.attrs = {"class": f"level-{token.tag[1]}"}
            token.tag = "h3"
        opened = []
        for child in token.children or []:
            if child.type == "link_open":
                opened.append("" if child.info == "auto" else str(child.attrs.get("href", "")))
            elif child.type == "link_close" and opened:
                address = opened.pop()
                child.meta = {"address": address if address.startswith("http") else ""}
    return tokens


_MARKDOWN = _make_markdown()
