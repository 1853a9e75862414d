"""The pages of `exuvia bench`: what keeps them from being written is said first, and a browser shows them.

EXUVIA_PAGE_SHOT names a file for a picture of the page of `bench pause`, EXUVIA_LOADS_SHOT of that of `bench loads`.
`make test-page` brings an interpreter with Bokeh, and Chromium.
"""
import os

import pytest

import browser

SMALL = ("-m", "exuvia", "bench", "pause", "--objects", "3000", "--configurations", "stock,exuvia")
# Of each canvas of a plot, how many pixels have each colour of a configuration; the plots' shadow roots are entered.
SEEN = """
(() => {
    const found = [];
    const walk = root => root.querySelectorAll('*').forEach(element => {
        if (element.tagName === 'CANVAS' && element.width * element.height > 0) found.push(element);
        if (element.shadowRoot) walk(element.shadowRoot);
    });
    walk(document);
    const near = (data, i, colour) => colour.every((part, k) => Math.abs(data[i + k] - part) < 70);
    return found.map(canvas => {
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        let stock = 0, exuvia = 0;
        for (let i = 0; i < data.length; i += 4) {
            if (data[i + 3] < 50) continue;
            stock += near(data, i, [200, 69, 46]);
            exuvia += near(data, i, [29, 111, 165]);
        }
        return {stock, exuvia, width: canvas.width, height: canvas.height};
    });
})()
"""


def has_bokeh(python):
    return python.command("-c", "import bokeh").returncode == 0


@pytest.mark.parametrize("words", [SMALL, ("-m", "exuvia", "bench", "loads")], ids=["pause", "loads"])
def test_without_bokeh_nothing_is_measured(python, tmp_path, words):
    (tmp_path / "bokeh.py").write_text("raise ImportError('not there')\n")
    page = tmp_path / "page.html"
    done = python.command(*words, "--html", str(page),
                          environment={"PYTHONPATH": f"{tmp_path}:{python.folder}"})
    assert done.returncode == 1
    assert done.stderr == "exuvia bench: the page is drawn with Bokeh: pip install 'exuvia[report]'\n"
    assert not page.exists()


def test_where_the_page_cannot_be_written_nothing_is_measured(python, tmp_path):
    (tmp_path / "bokeh").mkdir()
    (tmp_path / "bokeh/plotting.py").write_text("")
    (tmp_path / "bokeh/__init__.py").write_text("")
    done = python.command(*SMALL, "--html", str(tmp_path / "nowhere/page.html"),
                          environment={"PYTHONPATH": f"{tmp_path}:{python.folder}"})
    assert done.returncode == 1
    assert done.stderr == f"exuvia bench: cannot write {tmp_path}/nowhere/page.html: No such file or directory\n"


def test_many_requests_are_thinned_but_no_slow_one_is_lost(python):
    done = python.command("-c", """
from exuvia.bench import page
latencies = [1_000_000] * 500_000
for place in range(0, 500_000, 49_999):
    latencies[place] = 2_000_000_000 + place
begins, values = page.thinned(latencies)
assert len(values) <= page.MOST_POINTS, len(values)
assert sum(value >= 2000 for value in values) == 11 and min(values) == 1
assert begins == sorted(begins)
assert page.thinned([5_000_000, 7_000_000]) == ([0, 0.005], [5, 7])
left, right, counts = page.histogram([999, 1_100_000, 1_150_000, 90_000_000])
assert counts == [1, 2, 1] and left[1] <= 1.1 < right[1]
""")
    assert done.returncode == 0, done.stderr


def skip_if_it_cannot_be_seen(python):
    if browser.PROGRAM is None:
        pytest.skip("chromium is not installed (make test-page)")
    if not has_bokeh(python):
        pytest.skip("this interpreter has no bokeh (make test-page)")


def test_a_browser_shows_the_page_of_loads(python, tmp_path):
    skip_if_it_cannot_be_seen(python)
    page = tmp_path / "page.html"
    done = python.command("-m", "exuvia", "bench", "loads", "--loads", "churn,parse", "--sizes", "20000",
                          "--seeds", "1", "--pairs", "2", "--configurations", "stock,exuvia,disable", "--html", str(page),
                          timeout=300)
    assert done.returncode == 0, done.stderr
    with browser.Browser(str(tmp_path / "profile")) as chromium:
        chromium.open(page)
        chromium.wait_for("typeof Bokeh !== 'undefined' && Bokeh.documents.length > 0 && Bokeh.documents[0].is_idle")
        if "EXUVIA_LOADS_SHOT" in os.environ:
            chromium.screenshot(os.environ["EXUVIA_LOADS_SHOT"])
        plots = [seen for seen in chromium.evaluate(SEEN) if seen["width"] > 300 and seen["stock"] + seen["exuvia"]]
        assert len(plots) == 4, "latency and memory of each load"
        assert all(seen["stock"] and seen["exuvia"] for seen in plots), plots
        assert chromium.evaluate("document.querySelectorAll('section').length") == 2
        words = chromium.evaluate("document.querySelector('table').innerText")
        assert all(word in words for word in ("churn", "parse", "longest", "p99.9", "waiting", "0.02 M")), words
        assert chromium.evaluate("document.querySelectorAll('section tbody tr').length") == 6
        assert chromium.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
        assert not chromium.problems
        assert [url for url in chromium.requested if not url.startswith(("data:", "blob:"))] == [f"file://{page}"]


def test_a_browser_shows_the_page(python, tmp_path):
    skip_if_it_cannot_be_seen(python)
    page = tmp_path / "page.html"
    done = python.command(*SMALL, "--html", str(page), timeout=300)
    assert done.returncode == 0, done.stderr
    assert page.stat().st_size < 6_000_000
    with browser.Browser(str(tmp_path / "profile")) as chromium:
        chromium.open(page)
        chromium.wait_for("typeof Bokeh !== 'undefined' && Bokeh.documents.length > 0 && Bokeh.documents[0].is_idle")
        if "EXUVIA_PAGE_SHOT" in os.environ:
            chromium.screenshot(os.environ["EXUVIA_PAGE_SHOT"])
        canvases = [seen for seen in chromium.evaluate(SEEN)  # the small ones are those of the legend
                    if seen["stock"] + seen["exuvia"] > 100 and seen["width"] > 100]
        assert len(canvases) == 3, canvases
        only = [(seen["stock"] > 100, seen["exuvia"] > 100) for seen in canvases]
        assert only[:2] == [(True, False), (False, True)], "stock's requests, and beside them Exuvia's"
        assert canvases[2]["stock"] and canvases[2]["exuvia"], "stops of both in one histogram"
        assert min(seen["width"] for seen in canvases) > 400
        assert "requests/s" in chromium.evaluate("document.querySelector('thead').innerText")
        assert chromium.evaluate("document.querySelectorAll('tbody tr').length") == 2
        assert chromium.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
        assert not chromium.problems
        assert [url for url in chromium.requested if not url.startswith(("data:", "blob:"))] == [f"file://{page}"]
