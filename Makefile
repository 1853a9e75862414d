# One page over meson. `make` alone says what there is.
BUILD ?= build
PREFIX ?= /usr/local
# Under PREFIX. Loader, pkg-config and CMake find this one on every Linux; a multi-arch folder is the packager's affair.
LIBDIR ?= lib
export BUILD

PYTHON = $(if $(wildcard /usr/bin/python3),/usr/bin/python3,python3)

help:
	@echo 'make demo                  install what is missing, build, run the example programs'
	@echo 'make test                  install what is missing, build, test the library, and the collector on this Python'
	@echo 'make test-all              the same on each interpreter of the machine'
	@echo 'make test-cpython          the tests of CPython itself, both ways, on each interpreter [ARGS: --resume, modules]'
	@echo 'make test-matrix           the same and ours on the interpreters of Debian testing, in a root of their own'
	@echo 'make test-programs         programs from PyPI with their own tests, plain and under Exuvia [ARGS: names]'
	@echo 'make test-page             the pages of the benchmarks, looked at in a headless browser'
	@echo 'make bench-pyperformance   a dozen programs of pyperformance, plain and with Exuvia installed'
	@echo 'make bench-loads           kinds of load under stock and Exuvia: worse on any? [ARGS: --quick, --loads, --sizes ...]'
	@echo 'make soak SECONDS=180      mixed work for so long under Exuvia and stock: memory flat, nothing lost or left'
	@echo 'make bench                 measure against other allocators, a collector and CPython'
	@echo 'make install PREFIX=DIR    header, libraries, pkg-config and CMake packages [$(PREFIX)]'
	@echo 'make uninstall PREFIX=DIR  take them away again'
	@echo 'make test-musl             the library and its C tests with musl-gcc'
	@echo 'make test-arm64            library and collector on arm64: Debian kernels of 4 and 16 KiB pages in an emulator [ARGS: suites]'
	@echo 'make docs                  API reference from the header, into $(BUILD)/docs'
	@echo 'make stress                tests with tiny constants only'
	@echo 'make sanitize              tests under ASan and UBSan, then TSan'
	@echo 'make valgrind              tests of the checked build under valgrind'
	@echo 'make fuzz SECONDS=60       random sequences of operations under libFuzzer'
	@echo 'make clean                 remove $(BUILD)'

demo:
	@tools/setup build python
	@tools/configure $(BUILD)/main
	@ninja -C $(BUILD)/main examples
	@$(PYTHON) tools/demo.py $(BUILD)/main \
		$$($(PYTHON) tools/interpreters.py build $(BUILD)/main $(BUILD)/python $(PYTHON))

test:
	@tools/setup build test python
	@$(PYTHON) tools/test.py --expect 1 $(BUILD)/main
	@tools/configure $(BUILD)/main -Dtests=enabled
	@ninja -C $(BUILD)/main all
	@EXUVIA_INTERPRETERS=$$($(PYTHON) tools/interpreters.py build $(BUILD)/main $(BUILD)/python $(PYTHON)) \
		$(PYTHON) tools/test.py $(BUILD)/main

test-all:
	@tools/setup build test python
	@$(PYTHON) tools/test.py --expect $$($(PYTHON) tools/interpreters.py list | wc -l) $(BUILD)/main
	@tools/configure $(BUILD)/main -Dtests=enabled
	@ninja -C $(BUILD)/main all
	@EXUVIA_INTERPRETERS=$$($(PYTHON) tools/interpreters.py build $(BUILD)/main $(BUILD)/python) \
		$(PYTHON) tools/test.py $(BUILD)/main

test-cpython:
	@tools/setup build python
	@tools/configure $(BUILD)/main
	@ninja -C $(BUILD)/main src/libexuvia.a
	@tools/test-cpython $(BUILD)/main $(BUILD)/python $(ARGS)

test-matrix:
	@tools/test-matrix $(BUILD)/matrix $(ARGS)

test-programs:
	@tools/setup build python venv
	@tools/configure $(BUILD)/main
	@ninja -C $(BUILD)/main src/libexuvia.a
	@tools/test-programs $(BUILD)/main $(BUILD)/python $(BUILD)/programs $(PYTHON) $(ARGS)

test-page:
	@tools/setup build python venv browser
	@tools/configure $(BUILD)/main
	@ninja -C $(BUILD)/main src/libexuvia.a
	@tools/test-page $(BUILD)/main $(BUILD)/page $(PYTHON)

bench-pyperformance:
	@tools/setup build python venv
	@tools/configure $(BUILD)/release -Dtests=disabled -Dexamples=false --buildtype=release
	@ninja -C $(BUILD)/release src/libexuvia.a
	@tools/bench-pyperformance $(BUILD)/release $(BUILD)/pyperformance $(PYTHON) $(ARGS)

bench-loads:
	@tools/setup build python
	@tools/configure $(BUILD)/release -Dtests=disabled -Dexamples=false --buildtype=release
	@ninja -C $(BUILD)/release src/libexuvia.a
	@tools/bench-loads $(BUILD)/release $(BUILD)/loads $(PYTHON) $(ARGS)

soak:
	@tools/setup build test python
	@tools/configure $(BUILD)/main
	@ninja -C $(BUILD)/main src/libexuvia.a
	@EXUVIA_INTERPRETERS=$$($(PYTHON) tools/interpreters.py build $(BUILD)/main $(BUILD)/python $(ARGS)) \
		SOAK_SECONDS=$(or $(SECONDS),180) $(PYTHON) -m pytest -q -p no:cacheprovider tests/python/test_soak.py

stress:
	@tools/setup build test
	@tools/configure $(BUILD)/main -Dtests=enabled
	@ninja -C $(BUILD)/main all
	@$(PYTHON) tools/test.py $(BUILD)/main --suite stress

sanitize:
	@tools/setup build test clang
	@tools/sanitize address
	@tools/sanitize thread

valgrind:
	@tools/setup build test valgrind
	@tools/configure $(BUILD)/main -Dtests=enabled
	@ninja -C $(BUILD)/main all
	@$(PYTHON) tools/test.py $(BUILD)/main --setup valgrind --suite checked

fuzz:
	@tools/setup build clang
	@CC=clang tools/configure $(BUILD)/fuzz -Dtests=disabled -Dexamples=false -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false
	@ninja -C $(BUILD)/fuzz
	@tools/fuzz $(BUILD)/fuzz $(or $(SECONDS),60)

bench:
	@tools/setup build bench
	@tools/configure $(BUILD)/bench -Dtests=disabled -Dexamples=false -Dbench=true --buildtype=release
	@ninja -C $(BUILD)/bench
	@$(PYTHON) bench/run.py --build $(BUILD)/bench $(ARGS)

docs:
	@tools/setup build docs
	@tools/docs $(BUILD)/docs

install:
	@tools/setup build
	@tools/configure $(BUILD)/install -Dtests=disabled -Dexamples=false --prefix=$(abspath $(PREFIX)) \
		--libdir=$(LIBDIR)
	@ninja -C $(BUILD)/install
	@DESTDIR=$(DESTDIR) tools/install $(BUILD)/install $(abspath $(PREFIX))

uninstall:
	@tools/setup build
	@tools/configure $(BUILD)/install -Dtests=disabled -Dexamples=false --prefix=$(abspath $(PREFIX)) \
		--libdir=$(LIBDIR)
	@DESTDIR=$(DESTDIR) tools/uninstall $(BUILD)/install

test-musl:
	@tools/setup build musl
	@tools/test-musl $(BUILD)/musl

test-arm64:
	@tools/setup build arm64
	@tools/test-arm64 $(BUILD)/arm64 $(ARGS)

clean:
	rm -rf $(BUILD)

.PHONY: help demo test test-all test-cpython test-matrix test-programs test-page bench-pyperformance bench-loads soak stress sanitize valgrind fuzz bench docs install uninstall test-musl test-arm64 clean
