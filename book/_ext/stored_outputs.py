"""Render the stored outputs, and nothing else: the build executes no code.

The build takes outputs from its cache, which is filled here with the stored notebooks. Where those
are out of date there is nothing right to show, so the build stops and says so.
"""

from sphinx.errors import ExtensionError

from tools import pages


def fill_cache(app, config):
    try:
        problems = pages.problems()
        if not problems:
            pages.fill_cache()
    except pages.PageError as error:
        problems = [str(error)]
    if problems:
        raise ExtensionError("\n".join([*problems, "Run `make notebooks` before the build."]))
    config.nb_execution_cache_path = str(pages.CACHE)


def depend_on_stored(app, docname, source):
    """Render a page again when its outputs change, not only when its text does."""
    notebook = pages.stored(pages.ROOT / f"{docname}.md")
    if notebook.is_file():
        app.env.note_dependency(str(notebook))


def setup(app):
    app.connect("config-inited", fill_cache, priority=400)
    app.connect("source-read", depend_on_stored)
    return {"parallel_read_safe": True}
