"""Every C block of README.md and docs/*.md is built and run.

How a block is marked decides what is done with it:
    ```c              with a main function: a program, which must end with status 0
                      without: statements, which run in tests/snippet.c with a heap at hand
    ```c declaration  file-scope code, compiled only
    ```c continued    belongs to the block before it; the pieces together are one of the above
A block ```output that follows is what the program prints.
"""
import re

import pytest

from conftest import SOURCE

FENCE = re.compile(r"^```(.*?)\n(.*?)^```\s*$", re.DOTALL | re.MULTILINE)
DOCUMENTS = [SOURCE / "README.md", *sorted((SOURCE / "docs").glob("*.md"))]


def snippets(text):
    """Dictionaries with line, kind, code and output (None when the document shows none)."""
    found = []
    for block in FENCE.finditer(text):
        words = block.group(1).split() or [""]
        if words[0] == "c" and words[1:] == ["continued"]:
            found[-1]["code"] += block.group(2)
        elif words[0] == "c":
            line = text.count("\n", 0, block.start()) + 1
            found.append({"line": line, "kind": words[1] if words[1:] else "", "code": block.group(2), "output": None})
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
    assert snippet["kind"] in ("", "declaration")
    program = tmp_path / "snippet.c"
    program.write_text(complete(snippet, (source / "tests/snippet.c").read_text()))
    strict = ["-std=c11", "-Wall", "-Wextra", "-Wno-unused", "-Werror", "-I", source / "include"]
    if snippet["kind"] == "declaration":
        run("gcc", *strict, "-c", program, "-o", tmp_path / "snippet.o")
        return
    run("gcc", *strict, program, build / "src/libexuvia-checked.a", "-lpthread", "-o", tmp_path / "snippet")
    output = run(tmp_path / "snippet")
    if snippet["output"] is not None:
        assert output == snippet["output"]


def test_blocks_are_found():
    found = snippets("```c\nint a;\n```\n```c continued\nint b;\n```\n```output\n1\n```\n```sh\nls\n```\n")
    assert found == [{"line": 1, "kind": "", "code": "int a;\nint b;\n", "output": "1\n"}]
