"""A page never shows an output that is not the one of its sources."""

import nbformat
import pytest

from tests.book.conftest import BUILD

EDITS = {
    "the page's code": ("book/tiny/chapter.md", '"said:"', '"SAID:"', "SAID: first"),
    "an imported module's import": ("book/tiny/inner.py", "first", "second", "said: second"),
    "an imported module": ("book/tiny/outer.py", "inner.word()", "'third'", "said: third"),
    "a data file": ("book/tiny/data/number.txt", "1", "2", "first 2"),
    "a declared file": ("book/benchmarks/times.json", "10", "20", "1 [20]"),
    "the requirements": ("requirements.txt", "==1", "==2", "numpy==2"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_of_what_a_page_depends_on_executes_it_again(project, edit):
    name, old, new, expected = EDITS[edit]
    project.edit(name, old, new)
    status, output = project.pages("execute")
    assert status == 0
    assert "executed in" in output
    assert f"{'code cells' if name == project.page else name} changed" in output
    assert expected in project.printed()


def test_a_new_output_is_rendered_though_text_and_code_cells_are_the_same(project):
    assert "said: first" in project.build()
    project.edit("book/tiny/inner.py", "first", "second")
    project.pages("execute")
    html = project.build()
    assert "said: second" in html
    assert "said: first" not in html


def test_the_build_shows_what_is_stored_and_executes_nothing(project):
    text = project.stored.read_text()
    project.stored.write_text(text.replace("said: first", "said: SENTINEL"))
    assert "said: SENTINEL" in project.build()


def test_the_build_refuses_outputs_that_are_out_of_date(project):
    project.edit("book/tiny/inner.py", "first", "second")
    status, output = project.run(*BUILD)
    assert status != 0
    assert "book/tiny/inner.py changed" in output
    assert not (project.root / "_build/html/book/tiny/chapter.html").exists()


def test_an_unrelated_edit_executes_nothing(project):
    before = project.stored.read_bytes()
    for name in ("book/tiny/other.py", "index.md", "_config.yml"):
        project.write(name, (project.root / name).read_text() + "\n# more\n")
    assert project.pages("check")[0] == 0
    assert "up to date" in project.pages("execute")[1]
    assert project.stored.read_bytes() == before


def test_an_edit_of_prose_updates_the_text_and_executes_nothing(project):
    project.edit(project.page, "Some prose.", "Other prose.")
    status, output = project.pages("check")
    assert status == 1
    assert "text in book/notebooks/tiny/chapter.ipynb" in output
    assert "text updated" in project.pages("execute")[1]
    assert "Other prose." in project.stored.read_text()
    assert project.printed().startswith("said: first")


def test_two_executions_write_the_same_bytes(project):
    before = project.stored.read_bytes()
    assert "executed in" in project.pages("execute", "--force")[1]
    assert project.stored.read_bytes() == before


def test_a_missing_an_orphaned_and_an_edited_notebook_are_found(project):
    orphan = project.stored.with_name("gone.ipynb")
    orphan.write_bytes(project.stored.read_bytes())
    text = project.stored.read_text()
    project.stored.write_text(text.replace("outer.say()", "'edited'"))
    output = project.pages("check")[1]
    assert "gone.ipynb: no page" in output
    assert "not that of the page" in output
    project.stored.unlink()
    status, output = project.pages("check")
    assert status == 1
    assert "chapter.ipynb is missing" in output
    assert project.pages("execute")[0] == 0
    assert not orphan.exists()
    assert project.pages("check")[0] == 0


def test_a_failing_cell_is_shown_and_the_old_outputs_stay(project):
    before = project.stored.read_bytes()
    project.edit("book/tiny/inner.py", "return 'first'", "return 1 / 0")
    assert "inner.py changed" in project.pages("check")[1]
    status, output = project.pages("execute")
    assert status == 1
    assert "ZeroDivisionError: division by zero" in output
    assert 'print("said:", outer.say()' in output
    assert "Traceback" not in output
    assert project.stored.read_bytes() == before


def test_a_file_that_the_fingerprint_misses_is_refused(project):
    project.edit(project.page, "depends: [book/benchmarks/*.json]\n", "")
    status, output = project.pages("execute")
    assert status == 1
    assert "reads book/benchmarks/times.json, but would not notice a change" in output


def test_a_module_imported_by_a_computed_name_is_refused(project):
    code = "import importlib\nimportlib.import_module('book.' + 'tiny.other')\nfolder ="
    project.edit(project.page, "folder =", code)
    status, output = project.pages("execute")
    assert status == 1
    assert "reads book/tiny/other.py" in output


def test_a_page_that_writes_to_stderr_is_refused(project):
    project.edit(
        project.page, 'print("said:"', 'import sys\nprint("oh", file=sys.stderr)\nprint("said:"'
    )
    status, output = project.pages("execute")
    assert status == 1
    assert "writes to stderr: oh" in output


def test_an_expected_error_is_stored_without_paths_of_this_machine(project):
    tagged = "```{code-cell} python\n:tags: [raises-exception]\n\n1 / 0\n```\n"
    project.write(project.page, (project.root / project.page).read_text() + "\n" + tagged)
    assert project.pages("execute")[0] == 0
    cell = nbformat.read(project.stored, as_version=4).cells[-1]
    assert cell.outputs[0].traceback == ["ZeroDivisionError: division by zero"]


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("book/tiny/chapter.md", "import book\n", "import book +\n", "not valid Python"),
        ("book/tiny/chapter.md", "requirement)", "requirement);", "write `_ = …`"),
        ("book/tiny/chapter.md", "*.json", "*.csv", "no such file exists"),
        ("_toc.yml", "chapters", "chapter", "_toc.yml"),
    ],
)
def test_bad_input_gives_a_message_and_no_traceback(project, name, old, new, message):
    project.edit(name, old, new)
    for command in ("check", "execute"):
        status, output = project.pages(command)
        assert status == 1
        assert message in output
        assert "Traceback" not in output


def test_an_unknown_page_is_named(project):
    status, output = project.pages("execute", "book/none.md")
    assert status == 1
    assert "book/none.md: expected one of book/tiny/chapter.md" in output
