"""Every C block of README.md and docs/*.md is built and run; every link in the documents leads somewhere.

How a block is marked decides what is done with it:
    ```c              with a main function: a program, which must end with status 0
                      without: statements, which run in tests/snippet.c with a heap at hand
    ```c declaration  file-scope code, compiled only
    ```cpp            a C++17 program
    ```c continued    belongs to the block before it; the pieces together are one of the above
A block ```output that follows is what the program prints.
"""
import re

import pytest

from conftest import SOURCE

FENCE = re.compile(r"^```(.*?)\n(.*?)^```\s*$", re.DOTALL | re.MULTILINE)
DOCUMENTS = [SOURCE / "README.md", *sorted((SOURCE / "docs").glob("*.md"))]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def snippets(text):
    """Dictionaries with line, kind, code and output (None when the document shows none)."""
    found = []
    for block in FENCE.finditer(text):
        words = block.group(1).split() or [""]
        if words[0] == "c" and words[1:] == ["continued"]:
            found[-1]["code"] += block.group(2)
        elif words[0] in ("c", "cpp"):
            line = text.count("\n", 0, block.start()) + 1
            kind = "cpp" if words[0] == "cpp" else words[1] if words[1:] else ""
            found.append({"line": line, "kind": kind, "code": block.group(2), "output": None})
        elif words[0] == "output" and found:
            found[-1]["output"] = block.group(2)
    return found


CASES = [pytest.param(snippet, id=f"{path.name}:{snippet['line']}")
         for path in DOCUMENTS if path.exists() for snippet in snippets(path.read_text())]


def complete(snippet, frame):
    """The snippet as a source file that compiles."""
    if snippet["kind"] == "declaration":
        return "#include <exuvia.h>\n" + snippet["code"]
    if re.search(r"^int main\(", snippet["code"], re.MULTILINE):
        return snippet["code"]
    return frame.replace("/* SNIPPET */", snippet["code"])


@pytest.mark.parametrize("snippet", CASES)
def test_snippet(snippet, source, build, run, tmp_path):
    assert snippet["kind"] in ("", "declaration", "cpp")
    compiler, standard, suffix = ("g++", "c++17", "cc") if snippet["kind"] == "cpp" else ("gcc", "c11", "c")
    program = tmp_path / f"snippet.{suffix}"
    program.write_text(complete(snippet, (source / "tests/snippet.c").read_text()))
    strict = [f"-std={standard}", "-Wall", "-Wextra", "-Wno-unused", "-Werror", "-I", source / "include"]
    if snippet["kind"] == "declaration":
        run("gcc", *strict, "-c", program, "-o", tmp_path / "snippet.o")
        return
    run(compiler, *strict, program, build / "src/libexuvia-checked.a", "-lpthread", "-o", tmp_path / "snippet")
    output = run(tmp_path / "snippet", cwd=tmp_path)
    if snippet["output"] is not None:
        assert output == snippet["output"]


def test_blocks_are_found():
    found = snippets("```c\nint a;\n```\n```c continued\nint b;\n```\n```output\n1\n```\n```sh\nls\n```\n")
    assert found == [{"line": 1, "kind": "", "code": "int a;\nint b;\n", "output": "1\n"}]


def prose(text):
    return FENCE.sub("", text)


def anchors(text):
    """What a link's # may name: each heading in small letters, without punctuation, with - for a space."""
    titles = re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


def broken_links(path):
    bad = []
    for link in LINK.findall(prose(path.read_text())):
        if re.match(r"https?:", link):
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            bad.append(link)
    return bad


@pytest.mark.parametrize("path", [*DOCUMENTS, SOURCE / "CONTRIBUTING.md", SOURCE / "CHANGELOG.md"],
                         ids=lambda path: path.name)
def test_links(path):
    assert broken_links(path) == []


def test_broken_links_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A `name`, said\n[a](#a-name-said) [b](#b) [c](page.md) [d](none.md) ![e](none.svg) [f](http://f)\n"
                    "```\n# b\n[g](none)\n```\n")
    assert broken_links(page) == ["#b", "none.md", "none.svg"]


def test_the_front_page_is_one(source):
    assert len((source / "README.md").read_text().split()) <= 1200
