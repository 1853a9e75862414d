"""What a person should know of types that hold on to others: what they are, and what ends it.

Of those in CALLED_BLIND no cycle collector sees what they hold. docs/insight.md has the table.
"""
from __future__ import annotations

HINTS = {
    "functools._lru_cache_wrapper": "a cache of calls: cache_clear(), or a smaller maxsize; on a method it keeps every "
                                    "instance, so cache a function of what it needs, or use cached_property",
    "weakref.WeakKeyDictionary": "ends with its keys: a value that refers to its key keeps both",
    "traceback": "keeps every local variable of its frames: error.with_traceback(None), or `del` the name",
    "frame": "keeps every local variable of its function",
    "generator": "suspended: close() it, or run it to its end",
    "coroutine": "suspended: close() it, or cancel its task",
    "async_generator": "suspended: aclose() it",
    "contextvars.Context": "keeps what was set in it as long as a task or a callback has it",
    "_asyncio.Task": "runs or waits: cancel() it; the event loop keeps it by its callbacks",
    "_thread._local": "ends with the thread",
    "concurrent.futures._base.Future": "keeps its result and its callbacks as long as somebody has it",
}
CALLED_BLIND = {
    "numpy.ndarray": "an array of objects shows the collector nothing: empty it (array[...] = None), or break the ring",
    "datetime.datetime": "keeps its tzinfo, unseen",
    "datetime.time": "keeps its tzinfo, unseen",
    "_ssl._SSLSocket": "keeps its context, unseen: close()",
    "_lsprof.Profiler": "keeps its timer, unseen: close()",
    "cProfile.Profile": "keeps its timer, unseen: close()",
    "sqlite3.Connection": "keeps functions, collations and handlers that were registered, unseen: close()",
    "_tkinter.tkapp": "keeps commands that were created, unseen: deletecommand(), trace_remove()",
    "pyarrow.lib.PythonFile": "keeps its file, unseen: close()",
    "pyarrow.lib.Buffer": "keeps what it was made from, unseen",
    "polars.polars.PyLazyFrame": "keeps functions of map_batches(), unseen",
    "lru.LRU": "keeps values and its callback, unseen: clear()",
    "ahocorasick.Automaton": "keeps its values, unseen: clear()",
    "greenlet.greenlet": "suspended, it shows the collector nothing: throw(), or run it to its end",
    "zstandard.backend_c.ZstdDecompressionReader": "keeps its source, unseen: drop it; close() does not help",
    "h5py.h5f.FileID": "keeps its file object, unseen: close()",
    "apsw.Connection": "keeps functions that were registered, unseen: close()",
    "duckdb.DuckDBPyConnection": "keeps functions that were registered, unseen: close()",
    "msgspec.Raw": "keeps its buffer, unseen",
    "PySide6.QtCore.QObject": "keeps functions that its signals are connected to, unseen: disconnect()",
}


def hint(type_name: str) -> str | None:
    return HINTS.get(type_name) or CALLED_BLIND.get(type_name)
