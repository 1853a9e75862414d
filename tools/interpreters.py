#!/usr/bin/env python3
"""The interpreters on this machine that the CPython front is for, and the extension built for each.

    tools/interpreters.py list            what there is, one a line; with -v also what is left out and why
    tools/interpreters.py build MAIN DIR [INTERPRETER]
                                          build for each, or for one, in DIR/VERSION, with the library of the build
                                          folder MAIN; prints the value of EXUVIA_INTERPRETERS for tests/python
    tools/interpreters.py objects INCLUDE DIR
                                          the object files alone, for the headers in INCLUDE; prints them, lowest first

Two builds of one version may lay out their objects differently: each then has a folder of its own, DIR/VERSION-DIGEST.

EXUVIA_VARIANT names another build than what is installed, in a folder of its own, DIR/VERSION-VARIANT:

    checked   with assertions, and the library's checked build
    stress    the same with tiny constants, so that rare paths run often
    address   checked, with ASan and UBSan; MAIN is a build folder with -Db_sanitize=address,undefined, and the
              interpreter is started with LD_PRELOAD=libasan.so (tools/test-variant)

EXUVIA_STRICT=1 makes warnings errors. The compiler is CC, or cc, and is called directly: Debian 12's meson does not know
interpreters newer than itself. `pip install` builds with a meson of its own.
"""
import concurrent.futures
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys

PLACES = ["/usr/bin/python3.*", "/usr/local/bin/python3.*", "/opt/*/bin/python3.*",
          os.path.join(os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv")), "versions/*/bin/python3.*")]
COMPILER = os.environ.get("CC", "cc").split()
FLAGS = ["-std=gnu11", "-O2", "-g", "-fPIC", "-fvisibility=hidden", "-fno-semantic-interposition", "-Wall", "-Wextra",
         "-Wshadow", "-Wconversion", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wvla", "-Wwrite-strings",
         *(["-Werror"] if os.environ.get("EXUVIA_STRICT") else [])]
# The library it is linked to, in MAIN/src, and what its files are compiled and linked with besides.
VARIANTS = {
    "release": ("libexuvia.a", []),
    "checked": ("libexuvia-checked.a", ["-DEXVI_CHECKED=1"]),
    "stress": ("libexuvia-stress.a", ["-DEXVI_CHECKED=1", "-DEXVI_STRESS=1"]),
    "address": ("libexuvia-checked.a", ["-DEXVI_CHECKED=1", "-fsanitize=address,undefined", "-fno-omit-frame-pointer",
                                        "-fno-sanitize-recover=undefined"]),
}
ASK = """
import os, sys, sysconfig
print(sys.implementation.name, sys.version_info[0], sys.version_info[1], ".".join(map(str, sys.version_info[:3])),
      int(bool(sysconfig.get_config_var("Py_GIL_DISABLED"))),
      int(os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))),
      sysconfig.get_config_var("EXT_SUFFIX"), sysconfig.get_path("include"))
"""


def candidates():
    """Programs that may be interpreters, one path for each file."""
    seen = {}
    for pattern in PLACES:
        for path in sorted(glob.glob(pattern)):
            name = os.path.basename(path)
            if name.removeprefix("python3.").isdigit() and os.access(path, os.X_OK):
                seen.setdefault(os.path.realpath(path), path)
    return sorted(seen.values())


def describe(path):
    """(why it is left out or None, version, suffix of extensions, folder of headers)."""
    done = subprocess.run([path, "-c", ASK], capture_output=True, text=True)
    if done.returncode:
        return "does not run", "?", "", ""
    name, major, minor, version, free_threaded, headers, suffix, include = done.stdout.split()
    reasons = [(name != "cpython", "is not CPython"),
               (major != "3" or not 11 <= int(minor) <= 15, "is not of the versions 3.11 to 3.15"),
               (free_threaded == "1", "is free-threaded"),
               (headers == "0", "has no headers")]
    return next((reason for bad, reason in reasons if bad), None), version, suffix, include


def folder_names(paths):
    """One for each path, the same whichever of the interpreters are asked for."""
    versions = {os.path.realpath(path): describe(path)[1] for path in [*candidates(), *paths]}
    shared = list(versions.values())
    names = {}
    for path in paths:
        real = os.path.realpath(path)
        digest = hashlib.sha256(real.encode()).hexdigest()[:6]
        names[path] = versions[real] if shared.count(versions[real]) == 1 else f"{versions[real]}-{digest}"
    return names


def stale(target, *folders):
    """Whether a file in the folders is younger than the target."""
    if not os.path.exists(target):
        return True
    made = os.path.getmtime(target)
    return any(os.path.getmtime(path) > made for folder in folders for path in glob.glob(folder))


def sources():
    """The extension's files, lowest layer first."""
    with open("python/meson.build", encoding="utf-8") as text:
        return ["python/" + name for name in re.findall(r"'(ext/\w+\.c)'", text.read())]


def compile_objects(include, flags, folder):
    """One object file for each source, as many at a time as there are processors."""
    os.makedirs(folder, exist_ok=True)
    common = [*COMPILER, *FLAGS, *flags, "-Iinclude", *("-I" + path for path in sorted(glob.glob("src/*/"))),
              "-isystem", include]
    targets = [(source, os.path.join(folder, os.path.basename(source)[:-2] + ".o")) for source in sources()]

    def compile_one(pair):
        return subprocess.run([*common, "-c", pair[0], "-o", pair[1]]).returncode

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        if any(pool.map(compile_one, targets)):
            sys.exit("tools/interpreters.py: " + " ".join(common) + " failed")
    return [target for _, target in targets]


def build(main, variant, suffix, include, folder):
    """Build for one interpreter; the folder then holds the package."""
    library, flags = VARIANTS[variant]
    library = os.path.join(main, "src", library)
    package = os.path.join(folder, "exuvia")
    extension = os.path.join(package, "_core" + suffix)
    shutil.copytree("python/exuvia", package, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for beside in glob.glob("python/*.py"):
        shutil.copy(beside, folder)
    if not stale(extension, "python/ext/*", "python/meson.build", "src/*/*.h", "include/*.h", library):
        return
    objects = compile_objects(include, flags, os.path.join(folder, "objects"))
    command = [*COMPILER, *flags, "-shared", *objects, library, "-o", extension]
    if subprocess.run(command).returncode:
        sys.exit("tools/interpreters.py: " + " ".join(command) + " failed")


def main():
    verbose, command = "-v" in sys.argv, sys.argv[1]
    variant = os.environ.get("EXUVIA_VARIANT", "release")
    if variant not in VARIANTS:
        sys.exit("tools/interpreters.py: EXUVIA_VARIANT is one of " + ", ".join(VARIANTS))
    if command == "objects":
        print("\n".join(compile_objects(sys.argv[2], VARIANTS[variant][1], sys.argv[3])))
        return
    pairs = []
    paths = [shutil.which(path) or path for path in sys.argv[4:]] or candidates()
    names = folder_names(paths)
    for path in paths:
        reason, version, suffix, include = describe(path)
        if reason and verbose:
            print(f"{path} ({version}) is left out: it {reason}")
        if reason:
            continue
        if command == "list":
            print(path, version)
            continue
        print(f"== The extension for {path} ({version})", file=sys.stderr, flush=True)
        name = names[path] + ("" if variant == "release" else "-" + variant)
        folder = os.path.join(os.path.abspath(sys.argv[3]), name)
        build(sys.argv[2], variant, suffix, include, folder)
        pairs.append(f"{path}={folder}")
    if pairs:
        print(":".join(pairs))


if __name__ == "__main__":
    main()
