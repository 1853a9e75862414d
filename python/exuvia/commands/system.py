"""What of this system and process bears on Exuvia: control group, memory, pages, allocators, agents.

Functions from the files of /proc and /sys to facts; nothing is changed, no child is made. Where a file cannot be read
the fact is unknown, which is not the same as none. `root` is another folder in place of / for tests.
"""
from __future__ import annotations

import os
import sys
from typing import Iterator, NamedTuple

ALLOCATORS = {"jemalloc": "jemalloc", "tcmalloc": "tcmalloc", "mimalloc": "mimalloc", "snmalloc": "snmalloc",
              "rpmalloc": "rpmalloc", "hoard": "Hoard", "scudo": "Scudo"}
AGENTS = {"_memray": "memray", "heaptrack": "heaptrack", "libasan": "AddressSanitizer", "libtsan": "ThreadSanitizer",
          "liblsan": "LeakSanitizer", "libprofiler": "gperftools", "valgrind": "valgrind", "ddtrace": "ddtrace",
          "newrelic": "New Relic", "_pydevd": "debugpy"}
MODULES = {"debugpy": "debugpy", "pydevd": "debugpy", "ddtrace": "ddtrace", "newrelic": "New Relic", "memray": "memray",
           "sentry_sdk": "Sentry", "opentelemetry": "OpenTelemetry", "coverage": "coverage", "scalene": "Scalene"}
UNKNOWN = None
SMALL_PAGES = "a snapshot copies page tables of small pages, some 20 ms for a GB"


class Fact(NamedTuple):
    name: str
    fine: bool | None   # None: it is unknown
    text: str


def _read(root: str, path: str) -> str | None:
    try:
        with open(root + path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def _fields(text: str) -> dict[str, str]:
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def _megabytes(number: int) -> str:
    return f"{number / 1e6:.0f} MB"


# ----------------------------------------------------------------- control group

def _folders(root: str) -> Iterator[tuple[str, str, str]]:
    """The process's folders of each hierarchy, innermost first: folder, file of the limit, file of what is used."""
    for line in (_read(root, "/proc/self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            places, names = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"], ("memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            places, names = ["/sys/fs/cgroup/memory"], ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            continue
        for place in places:
            inner = path.rstrip("/")
            while True:
                yield place + inner, *names
                if not inner:
                    break
                inner = os.path.dirname(inner).rstrip("/")


def _lowest_limit(root: str) -> tuple[int, str, str] | None:
    limits = []
    for folder, limit, used in _folders(root):
        text = (_read(root, f"{folder}/{limit}") or "max").strip()
        if text.isdigit() and int(text) < 1 << 60:
            limits.append((int(text), folder, used))
    return min(limits, default=None)


def control_group(root: str = "") -> Fact:
    if not any(_read(root, f"{folder}/{limit}") for folder, limit, _ in _folders(root)):
        if not os.path.exists(root + "/sys/fs/cgroup/cgroup.controllers") and not _read(root, "/proc/self/cgroup"):
            return Fact("control group", UNKNOWN, "/proc or /sys/fs/cgroup cannot be read: a limit would not be seen")
    lowest = _lowest_limit(root)
    if lowest is None:
        return Fact("control group", True, "no limit of memory")
    limit, folder, name = lowest
    used = (_read(root, f"{folder}/{name}") or "").strip()
    text = f"memory at most {_megabytes(limit)}" + (f", {_megabytes(int(used))} in use" if used.isdigit() else "")
    groups = {(_read(root, f"{place}/memory.oom.group") or "").strip() for place, limit_file, _ in _folders(root)
              if limit_file == "memory.max"}
    if "1" in groups:
        text += "; oom.group is 1: the out-of-memory killer would take all processes of the group"
    return Fact("control group", True, text)


# ---------------------------------------------------------------- the kernel's

def kernel(root: str = "") -> Fact:
    text = _read(root, "/proc/version")
    if text is None:
        return Fact("kernel", UNKNOWN, "/proc/version cannot be read")
    if "Sun Jan 10 15:06:54 PST 2016" in text:  # what all of its releases answer
        return Fact("kernel", False, "gVisor: not tried there; what a search costs is to be measured first")
    return Fact("kernel", True, " ".join(text.split()[:3:2]))


def overcommit(root: str = "") -> Fact:
    setting = (_read(root, "/proc/sys/vm/overcommit_memory") or "").strip()
    if setting not in ("0", "1", "2"):
        return Fact("overcommit", UNKNOWN, "/proc/sys/vm/overcommit_memory cannot be read")
    if setting != "2":
        return Fact("overcommit", True, {"0": "by a rule of thumb", "1": "always"}[setting])
    memory = _fields(_read(root, "/proc/meminfo") or "")
    try:
        room = (int(memory["CommitLimit"].split()[0]) - int(memory["Committed_AS"].split()[0])) * 1024
        left = f", of which {_megabytes(max(0, room))} are left"
    except (KeyError, ValueError, IndexError):
        left = ""
    return Fact("overcommit", False, "never: a snapshot needs as much committed memory again as the process has" + left)


def swap(root: str = "") -> Fact:
    memory = _fields(_read(root, "/proc/meminfo") or "")
    try:
        total, free = (int(memory[name].split()[0]) * 1024 for name in ("SwapTotal", "SwapFree"))
    except (KeyError, ValueError, IndexError):
        return Fact("swap", UNKNOWN, "/proc/meminfo does not say")
    if total == 0:
        return Fact("swap", True, "none")
    text = f"{_megabytes(total - free)} of {_megabytes(total)} in use"
    if total - free > total // 4:
        return Fact("swap", False, text + ": a search brings back what was swapped out")
    return Fact("swap", True, text)


def pages(size: int | None = None) -> Fact:
    size = size or os.sysconf("SC_PAGE_SIZE")
    return Fact("page size", True, f"{size // 1024} KiB")


def huge_pages(root: str = "") -> Fact:
    folder = "/sys/kernel/mm"
    if not os.path.isdir(root + folder):
        return Fact("huge pages", UNKNOWN, "/sys is not there to be asked; without any, " + SMALL_PAGES)
    text = _read(root, folder + "/transparent_hugepage/enabled")
    if text is None or "[" not in text:
        return Fact("huge pages", False, "the kernel has none: " + SMALL_PAGES)
    setting = text.split("[")[1].split("]")[0]
    if setting == "never":
        return Fact("huge pages", False, "turned off: " + SMALL_PAGES)
    if _fields(_read(root, "/proc/self/status") or "").get("THP_enabled") == "0":
        return Fact("huge pages", False, "turned off for this process: " + SMALL_PAGES)
    size = (_read(root, folder + "/transparent_hugepage/hpage_pmd_size") or "").strip()
    if size not in ("", str(2 << 20)):
        return Fact("huge pages", False, f"of {int(size) >> 20} MiB, so none are asked for: " + SMALL_PAGES)
    return Fact("huge pages", True, f"transparent huge pages: {setting}")


def processors(count: int | None = None) -> Fact:
    count = count or len(os.sched_getaffinity(0))
    return Fact("processors", count > 1, f"{count}" if count > 1 else "one only: searches take turns with the program")


# ----------------------------------------------------------------- the process

def _mapped(root: str) -> set[str] | None:
    """The names of the files that are mapped."""
    text = _read(root, "/proc/self/maps")
    if text is None:
        return None
    return {os.path.basename(line.split(None, 5)[5]) for line in text.splitlines() if len(line.split(None, 5)) == 6}


def allocators(root: str = "", setting: str | None = None) -> Fact:
    names = _mapped(root)
    if names is None:
        return Fact("allocators", UNKNOWN, "/proc/self/maps cannot be read")
    found = sorted({title for mark, title in ALLOCATORS.items() if any(f"lib{mark}" in name for name in names)})
    setting = os.environ.get("PYTHONMALLOC") if setting is None else setting
    if setting and not sys.flags.ignore_environment:
        found.append(f"PYTHONMALLOC={setting}: no arenas of huge pages")
    return Fact("allocators", True, "; ".join(found) if found else "python's and the C library's")


def agents(root: str = "", modules: list[str] | None = None) -> Fact:
    """What else looks into the process."""
    names = _mapped(root)
    loaded = set(sys.modules if modules is None else modules)
    found = {title for mark, title in AGENTS.items() if any(mark in name for name in names or ())}
    found |= {title for module, title in MODULES.items() if module in loaded}
    if _fields(_read(root, "/proc/self/status") or "").get("TracerPid", "0") != "0":
        found.add("a debugger")
    if names is None and not found:
        return Fact("agents", UNKNOWN, "/proc/self/maps cannot be read")
    return Fact("agents", True, ", ".join(sorted(found)) or "none that is known")


def facts(root: str = "") -> list[Fact]:
    return [control_group(root), kernel(root), overcommit(root), swap(root), pages(), huge_pages(root), processors(),
            allocators(root), agents(root)]
