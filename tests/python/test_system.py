"""What doctor says of the system, from files that look like those of other systems."""
import pytest

ASK = """
import sys
from exuvia.commands import system
fact = getattr(system, sys.argv[1])(*eval(sys.argv[2]))
print(fact.fine, fact.text, sep='|')
"""


@pytest.fixture
def ask(python, tmp_path):
    def asked(name, files, *more):
        for path, text in files.items():
            target = tmp_path / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        done = python.command("-c", ASK, name, repr((str(tmp_path), *more)))
        assert (done.returncode, done.stderr) == (0, "")
        fine, _, text = done.stdout.strip().partition("|")
        return {"True": True, "False": False, "None": None}[fine], text
    return asked


HUGE = "/sys/kernel/mm/transparent_hugepage/enabled"
SIZE = "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"


@pytest.mark.parametrize("files, fine, text", [
    ({}, None, "/sys is not there to be asked"),
    ({"/sys/kernel/mm/ksm/run": "0"}, False, "the kernel has none"),
    ({HUGE: "always madvise [never]"}, False, "turned off:"),
    ({HUGE: "always [madvise] never"}, True, "madvise"),
    ({HUGE: "always [madvise] never", SIZE: "33554432\n"}, False, "of 32 MiB, so none are asked for"),
    ({HUGE: "[always] madvise never", "/proc/self/status": "THP_enabled:\t0\n"}, False, "turned off for this process"),
])
def test_huge_pages(ask, files, fine, text):
    assert ask("huge_pages", files)[0] is fine and text in ask("huge_pages", files)[1]


V1 = {"/proc/self/cgroup": "9:name=systemd:/\n4:cpu,memory:/a/b\n0::/\n"}
V2 = {"/proc/self/cgroup": "0::/kubepods/pod\n"}


@pytest.mark.parametrize("files, fine, text", [
    ({}, None, "cannot be read"),
    (V2, True, "no limit"),
    ({**V2, "/sys/fs/cgroup/kubepods/pod/memory.max": "max\n"}, True, "no limit"),
    ({**V2, "/sys/fs/cgroup/kubepods/pod/memory.max": "512000000\n",
      "/sys/fs/cgroup/kubepods/memory.max": "256000000\n", "/sys/fs/cgroup/kubepods/memory.current": "100000000\n",
      "/sys/fs/cgroup/kubepods/pod/memory.oom.group": "1\n"}, True, "at most 256 MB, 100 MB in use; oom.group is 1"),
    ({**V1, "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": str((1 << 63) - 4096)}, True, "no limit"),
    ({**V1, "/sys/fs/cgroup/memory/a/memory.limit_in_bytes": "64000000"}, True, "at most 64 MB"),
    ({**V1, "/sys/fs/cgroup/memory/memory.limit_in_bytes": "32000000"}, True, "at most 32 MB"),
])
def test_control_group(ask, files, fine, text):
    found = ask("control_group", files)
    assert found[0] is fine and text in found[1], found


@pytest.mark.parametrize("name, files, fine, text", [
    ("kernel", {}, None, "cannot be read"),
    ("kernel", {"/proc/version": "Linux version 6.1.0-13-amd64 (gcc) #1 SMP\n"}, True, "Linux 6.1.0-13-amd64"),
    ("kernel", {"/proc/version": "Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016\n"}, False, "gVisor"),
    ("overcommit", {}, None, "cannot be read"),
    ("overcommit", {"/proc/sys/vm/overcommit_memory": "1\n"}, True, "always"),
    ("overcommit", {"/proc/sys/vm/overcommit_memory": "2\n",
                    "/proc/meminfo": "CommitLimit:  3000000 kB\nCommitted_AS:  1000000 kB\n"}, False, "2048 MB are left"),
    ("swap", {}, None, "does not say"),
    ("swap", {"/proc/meminfo": "SwapTotal: 0 kB\nSwapFree: 0 kB\n"}, True, "none"),
    ("swap", {"/proc/meminfo": "SwapTotal: 1000 kB\nSwapFree: 100 kB\n"}, False, "swapped out"),
    ("allocators", {}, None, "cannot be read"),
    ("allocators", {"/proc/self/maps": "7f0-7f1 r-xp 0 0:1 2  /usr/lib/libjemalloc.so.2\n7f1-7f2 rw-p 0 0:0 0\n"}, True,
     "jemalloc"),
    ("agents", {"/proc/self/maps": "7f0-7f1 r-xp 0 0:1 2  /x y/_memray.cpython-312.so\n",
                "/proc/self/status": "TracerPid:\t7\n"}, True, "a debugger, memray"),
    ("agents", {"/proc/self/maps": "7f0-7f1 r-xp 0 0:1 2  /bin/python\n"}, True, "none that is known"),
])
def test_the_rest(ask, name, files, fine, text):
    found = ask(name, files)
    assert found[0] is fine and text in found[1], found


def test_of_this_system_nothing_raises(python):
    done = python.command("-c", "from exuvia.commands import system\nfor fact in system.facts(): print(*fact)")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 9, done.stderr
