"""The search child enters no function of the C library, nor of whoever has put his own in its place.

Every function that the extension calls outside of itself and of the interpreter is wrapped by a preloaded library,
which counts the calls in other processes than the one that it was loaded in. What a compiler puts in by itself is left
out.
"""
import os
import platform
import re
import subprocess

import pytest

OF_THE_COMPILER = {"memcpy", "memmove", "memset", "memcmp", "memchr", "strlen", "strcpy"}

# A wrapper keeps all registers that may hold arguments, counts, and goes on to the real function. Which process we are
# in is asked with an instruction: everything else may be wrapped. The count of each is in memory shared with children.
PRELOADED = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
static const char *const names[] = {NAMES};
enum { COUNT = sizeof names / sizeof names[0] };
__attribute__((visibility("hidden"))) void *counted_real[COUNT];
static unsigned *calls;
static long home;
static long own_pid(void)
{
    long pid;
    __asm__ volatile("syscall" : "=a"(pid) : "a"(SYS_getpid) : "rcx", "r11", "memory");
    return pid;
}
__attribute__((visibility("hidden"), target("general-regs-only"))) void counted_call(int which)
{
    if (!counted_real[which])
        counted_real[which] = dlsym(RTLD_NEXT, names[which]);
    if (calls && own_pid() != home)
        calls[which]++;
}
__attribute__((constructor)) static void begin(void)
{
    home = own_pid();
    calls = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}
unsigned counted_calls(int which) { return which < COUNT ? calls[which] : -1u; }
"""
WRAPPER = r"""
__asm__(".text\n.globl NAME\n.type NAME,@function\nNAME:\n"
        "push %rdi\npush %rsi\npush %rdx\npush %rcx\npush %r8\npush %r9\npush %rax\npush %r10\npush %rbx\n"
        "mov $NUMBER,%edi\ncall counted_call\n"
        "pop %rbx\npop %r10\npop %rax\npop %r9\npop %r8\npop %rcx\npop %rdx\npop %rsi\npop %rdi\n"
        "mov counted_real+8*NUMBER(%rip),%r11\njmp *%r11\n");
"""


def called_functions(folder):
    """What the extension needs from outside, but for the interpreter's own."""
    library = next(os.path.join(folder, "exuvia", name) for name in os.listdir(os.path.join(folder, "exuvia"))
                   if name.endswith(".so"))
    listed = subprocess.run(["nm", "-D", "--undefined-only", library], capture_output=True, text=True, check=True)
    names = {line.split()[-1].partition("@")[0] for line in listed.stdout.splitlines() if " U " in line}
    return sorted(name for name in names if not re.match(r"_?Py|_?_cxa|__stack_chk", name)) or pytest.fail(library)


@pytest.fixture
def counter(python, tmp_path):
    if platform.machine() != "x86_64":
        pytest.skip("the wrappers are made of x86-64 instructions")
    left_out = OF_THE_COMPILER | {"dlsym"} # the counter's own way to the real ones
    names = [name for name in called_functions(python.folder) if name not in left_out]
    assert {"munmap", "clock_gettime", "close"} <= set(names)
    # What the engine could as well call, and what others wrap.
    names += sorted({"open", "openat", "read", "pread", "write", "close", "syscall", "prctl", "madvise", "mprotect",
                     "getpid", "getppid", "nanosleep", "setitimer", "sigaction", "malloc", "free", "calloc", "realloc", "kill",
                     "sysconf", "pthread_mutex_lock", "getrusage", "fcntl", "readlink", "mmap", "__errno_location"}
                    - set(names))
    source, library = tmp_path / "counter.c", tmp_path / "counter.so"
    source.write_text(PRELOADED.replace("NAMES", ", ".join(f'"{name}"' for name in names)) + "".join(
        WRAPPER.replace("NAME", name).replace("NUMBER", str(number)) for number, name in enumerate(names)))
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", source, "-o", library], check=True)
    return str(library), names


SEARCH = """
import ctypes
counter = ctypes.CDLL({library!r})
names = {names!r}
def in_children():
    return {{name: counter.counted_calls(i) for i, name in enumerate(names) if counter.counted_calls(i)}}
"""


def test_no_function_is_entered(python, counter):
    library, names = counter
    python.program(SEARCH.format(library=library, names=names) + """
gc.disable() # no search but ours
keep = [[{'n': i}, (i,), {i}] for i in range(100000)]
age()
references = make_cycles(1000)
before = exuvia.stats().completed
exuvia.collect()
assert dead(references) == 1000
assert exuvia.stats().completed > before
assert in_children() == {}, in_children()
if os.fork() == 0:
    os.getppid() # what is counted is seen
    os._exit(0)
os.wait()
assert in_children().get('getppid') == 1, in_children()
""", environment={"LD_PRELOAD": library})


def test_the_child_is_no_python_process(python, foreign):
    """The cookie by which profilers and sys.remote_exec() know one is there in the program, and not in its child."""
    if python.version < (3, 13):
        pytest.skip("the interpreter has no cookie")
    if os.geteuid() != 0:
        pytest.skip("only root reads a child's memory")
    python.program(f"""
import ctypes
sys.path.insert(0, {foreign!r})
import foreign
runtime = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, '_PyRuntime'))
assert ctypes.string_at(runtime, 8) == b'xdebugpy'
gc.disable()
thing = foreign.make(1) # whoever visits it waits for ever
assert exuvia.start_collection()
end = time.monotonic() + 10
while True:
    with open(f'/proc/{{children()[0]}}/mem', 'rb', 0) as memory:
        memory.seek(runtime)
        if memory.read(8) == bytes(8):
            break
    assert time.monotonic() < end
    time.sleep(0.01)
assert ctypes.string_at(runtime, 8) == b'xdebugpy'
try:
    import _remote_debugging
    seen = getattr(_remote_debugging, 'is_python_process', None)
except ImportError:
    seen = None
if seen:
    assert seen(os.getpid()) and not seen(children()[0])
exuvia.uninstall()
""")
