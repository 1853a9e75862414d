"""Values of the library against those of the Python that runs this: reprs, equality, hashes, arithmetic, messages.

Each case is a line of words for tests/values_driver.c and the answer that Python gives for the same values. The seed of
the random cases is printed when a test fails; EXUVIA_SEED repeats a run.
"""
import math
import os
import random
import shutil
import struct
import subprocess
import sys
import unicodedata

import pytest

SEED = int(os.environ.get("EXUVIA_SEED", random.SystemRandom().randrange(2**32)))
INT_MIN, INT_MAX = -2**63, 2**63 - 1


class OrderedSet(set):
    """A set that shows its members in the order they came, as the library does."""

    def __init__(self, members):
        super().__init__()
        self.order = []
        for member in members:
            if member not in self:
                self.order.append(member)
                self.add(member)

    def __repr__(self):
        return "{" + ", ".join(map(repr, self.order)) + "}" if self.order else "set()"


OrderedSet.__name__ = "set"


class Value:
    """A Python value, and the words that make the same in the driver."""

    def __init__(self, value, words):
        self.value = value
        self.words = words


def whole(number):
    return Value(number, f"i{number}")


def real(number):
    return Value(number, "f" + struct.pack(">d", number).hex())


def text(string):
    return Value(string, "s" + string.encode().hex())


def binary(data):
    return Value(data, "b" + data.hex())


def gather(kind, values):
    make = {"l": list, "t": tuple, "S": OrderedSet}[kind]
    words = [value.words for value in values] + [f"{kind}{len(values)}"]
    return Value(make(value.value for value in values), " ".join(words))


def mapping(pairs):
    words = [value.words for pair in pairs for value in pair]
    return Value({key.value: value.value for key, value in pairs}, " ".join(words + [f"d{len(pairs)}"]))


# ------------------------------------------------------------- random values

def random_int(rng):
    size = rng.choice((1, 3, 8, 31, 53, 54, 62, 63))
    return rng.choice((rng.randrange(-2**size, 2**size), rng.choice((-1, 1)) * 2**min(size, 62) + rng.randrange(-2, 3),
                       rng.choice((INT_MIN, INT_MAX, 2**61 - 1, 2**61, -1, 0, 1))))


def random_float(rng):
    bits = struct.unpack("<d", struct.pack("<Q", rng.getrandbits(64)))[0]
    return rng.choice((bits, float(rng.randrange(-100, 100)), rng.random(), rng.uniform(-1e6, 1e6),
                       float(random_int(rng)), rng.randrange(1000) / 10**rng.randrange(1, 25),
                       rng.choice((0.0, -0.0, math.inf, -math.inf, 5e-324, sys.float_info.max, 1e16, 1e-4, 1e-5))))


def random_character(rng):
    kind = rng.randrange(6)
    if kind == 0:
        return rng.choice("'\"\\\n\r\t\0\x7f ")
    if kind < 4:
        return chr(rng.randrange(0x20, 0x250))
    while True:
        character = chr(rng.randrange(0x110000))
        if not 0xd800 <= ord(character) < 0xe000 and shown_alike(character):
            return character


def shown_alike(character):
    """Characters that a newer Unicode has assigned are printable to a newer Python only."""
    return unicodedata.unidata_version == "14.0.0" or not character.isprintable() or ord(character) < 0x2e80


def random_simple(rng):
    kind = rng.randrange(8)
    if kind == 0:
        return rng.choice((Value(None, "N"), Value(True, "T"), Value(False, "F")))
    if kind < 4:
        return whole(random_int(rng))
    if kind < 6:
        number = random_float(rng)
        return real(0.5 if math.isnan(number) else number)
    if kind == 6:
        return text("".join(random_character(rng) for _ in range(rng.randrange(6))))
    return binary(rng.randbytes(rng.randrange(6)))


def random_hashable(rng, depth):
    if depth == 0 or rng.random() < 0.7:
        return random_simple(rng)
    return gather("t", [random_hashable(rng, depth - 1) for _ in range(rng.randrange(4))])


def random_value(rng, depth):
    if depth == 0 or rng.random() < 0.3:
        return random_simple(rng)
    kind = rng.choice("ltSd")
    count = rng.choice((0, 1, 2, 3, 5, 20 if depth == 1 else 4))
    if kind == "S":
        return gather("S", [random_hashable(rng, depth - 1) for _ in range(count)])
    if kind == "d":
        return mapping([(random_hashable(rng, depth - 1), random_value(rng, depth - 1)) for _ in range(count)])
    return gather(kind, [random_value(rng, depth - 1) for _ in range(count)])


def relative(value, rng):
    """Another value that is equal, or nearly so."""
    if isinstance(value, bool):
        return rng.choice((whole(int(value)), real(float(value))))
    if isinstance(value, int):
        if rng.random() < 0.5 and float(value) < 2**63:
            return real(float(value))
        return whole(min(value + rng.randrange(2), INT_MAX))
    if isinstance(value, float):
        if value.is_integer() and INT_MIN <= value <= INT_MAX:
            return whole(int(value))
        return real(value)
    if isinstance(value, str):
        return text(value)
    if isinstance(value, bytes):
        return rng.choice((binary(value), text(value.decode("latin-1"))))
    if isinstance(value, (list, tuple)):
        return gather("l" if isinstance(value, list) else "t", [relative(item, rng) for item in value])
    if isinstance(value, OrderedSet):
        return gather("S", [relative(item, rng) for item in rng.sample(value.order, len(value.order))])
    if isinstance(value, dict):
        return mapping([(relative(key, rng), relative(item, rng)) for key, item in reversed(value.items())])
    return Value(None, "N")


# ------------------------------------------------------------------- the run

@pytest.fixture(scope="session", params=["release", "checked"])
def driver(request, build):
    return build / "tests" / f"values_driver-{request.param}"


def compare(driver, cases, environment=None):
    """Run the driver over (words, expected answer) and show the first lines that differ."""
    done = subprocess.run([driver], input="".join(words + "\n" for words, _ in cases).encode(), timeout=600,
                          env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()
    answers = done.stdout.decode().split("\n")[:-1]
    wrong = [f"{words}\n  expected {expected}\n  answered {answer}"
             for (words, expected), answer in zip(cases, answers) if answer != expected]
    assert not wrong, f"seed {SEED}, {len(wrong)} of {len(cases)} differ\n" + "\n".join(wrong[:5])
    assert len(answers) == len(cases)


def test_reprs(driver):
    rng = random.Random(SEED)
    values = [random_value(rng, 3) for _ in range(5000)]
    compare(driver, [(value.words + " repr", repr(value.value)) for value in values])


def test_floats(driver):
    rng = random.Random(SEED + 1)
    numbers = [math.ldexp(1.0, exponent) for exponent in range(-1074, 1024)]
    numbers += [math.nextafter(number, toward) for number in numbers for toward in (0.0, math.inf)]
    numbers += [float(f"{rng.randrange(1, 10**rng.randrange(1, 18))}e{rng.randrange(-330, 300)}") for _ in range(5000)]
    numbers += [random_float(rng) for _ in range(5000)]
    compare(driver, [(real(number).words + " repr", repr(number)) for number in numbers])


def test_strings(driver):
    everything = [chr(code) for code in range(0x110000) if not 0xd800 <= code < 0xe000]
    values = ["".join(filter(shown_alike, everything[start:start + 500])) for start in range(0, len(everything), 500)]
    compare(driver, [(text(value).words + " repr", repr(value)) for value in values])


def test_equality_and_hash(driver):
    rng = random.Random(SEED + 2)
    cases = []
    for _ in range(5000):
        value = random_value(rng, 2)
        other = relative(value.value, rng) if rng.random() < 0.8 else random_value(rng, 2)
        cases.append((f"{value.words} {other.words} equal", str(value.value == other.value)))
    for _ in range(3000):  # equal keys have equal hashes: they are found
        key = random_hashable(rng, 2)
        other = relative(key.value, rng)
        found = {key.value: None}
        answer = "None" if other.value in found else f"KeyError: {other.value!r}"
        if len(answer.encode()) < 256:
            cases.append((f"{key.words} N d1 {other.words} get repr", answer))
    for _ in range(3000):
        number = rng.choice((random_int, random_float))(rng)
        if not math.isnan(number):
            made = whole(number) if isinstance(number, int) else real(number)
            cases.append((made.words + " hash", str(hash(number))))
    compare(driver, cases)


def test_arithmetic(driver):
    rng = random.Random(SEED + 3)
    operators = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__, "/": int.__floordiv__, "%": int.__mod__}
    cases = []
    for _ in range(10000):
        a, b = random_int(rng), random_int(rng)
        a, b = max(INT_MIN, min(a, INT_MAX)), max(INT_MIN, min(b, INT_MAX))
        operator = rng.choice("+-*/%")
        try:
            result = operators[operator](a, b)
            answer = str(result)
            if not INT_MIN <= result <= INT_MAX:
                answer = f"OverflowError: {a} {operator.replace('/', '//')} {b} does not fit 64 bits"
        except ZeroDivisionError:
            tried = "division or modulo" if operator == "/" else "modulo"
            answer = f"ZeroDivisionError: integer {tried} by zero"
        cases.append((f"i{a} i{b} {operator} repr", answer))
    compare(driver, cases)


NUMBER_OPERATIONS = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
                     "//": lambda a, b: a // b, "%": lambda a, b: a % b}
BY_ZERO = {"/": "division", "//": "floor division", "%": "modulo"}


def by_zero(operator, a, b):
    """The message as the library words it: Python's own differ between its versions."""
    if isinstance(a, float) or isinstance(b, float):
        return f"ZeroDivisionError: float {BY_ZERO[operator]} by zero"
    return {"/": "ZeroDivisionError: division by zero", "//": "ZeroDivisionError: integer division or modulo by zero",
            "%": "ZeroDivisionError: integer modulo by zero"}[operator]


def test_arithmetic_of_numbers(driver):
    rng = random.Random(SEED + 5)
    special = [0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, sys.float_info.max, 1.0, -1.0]
    cases = []
    for _ in range(8000):
        a, b = (rng.choice((random_int(rng), random_float(rng), random_float(rng), rng.choice(special),
                            rng.random() < 0.5)) for _ in range(2))
        a, b = (max(INT_MIN, min(number, INT_MAX)) if type(number) is int else number for number in (a, b))
        if rng.random() < 0.3 and isinstance(a, float) and isinstance(b, float):
            b = a * rng.randrange(1, 50) / rng.randrange(1, 50)
        operator = rng.choice(list(NUMBER_OPERATIONS))
        try:
            result = NUMBER_OPERATIONS[operator](a, b)
            answer = repr(result)
            if isinstance(result, int) and not INT_MIN <= result <= INT_MAX:
                answer = f"OverflowError: {int(a)} {operator} {int(b)} does not fit 64 bits"
        except ZeroDivisionError:
            answer = by_zero(operator, a, b)
        words = " ".join(number_words(number) for number in (a, b))
        cases.append((f"{words} n{operator} repr", answer))
    cases.append(("s61 i1 n+ repr", "TypeError: unsupported operand type(s) for +: 'str' and 'int'"))
    compare(driver, cases)


def number_words(number):
    if isinstance(number, bool):
        return "T" if number else "F"
    return whole(number).words if isinstance(number, int) else real(number).words


def answer_of(question):
    try:
        return repr(question())
    except (TypeError, IndexError, KeyError) as error:
        return f"{type(error).__name__}: {error}"


def random_ordered(rng):
    """One of a few, so that some of a list are equal: numbers of all types, or strs, or tuples of both."""
    kind = rng.randrange(3)
    if kind == 0:
        return Value(*rng.choice([(True, "T"), (0, "i0"), (1, "i1"), (2**62, f"i{2**62}"), (-3, "i-3")]))
    if kind == 1:
        return real(rng.choice((0.5, 1.0, -3.0, 2.0**62, math.inf, 2.0**62 - 512)))
    number = random_int(rng)
    return whole(max(INT_MIN, min(number, INT_MAX)))


def test_order(driver):
    rng = random.Random(SEED + 6)
    cases = []
    for _ in range(3000):
        value = random_value(rng, 2)
        other = relative(value.value, rng) if rng.random() < 0.6 else random_value(rng, 2)
        answer = answer_of(lambda: value.value < other.value)
        if len(answer.encode()) < 256:
            cases.append((f"{value.words} {other.words} less", answer))
    for _ in range(3000):
        a, b = random_ordered(rng), random_ordered(rng)
        cases.append((f"{a.words} {b.words} less", str(a.value < b.value)))
    cases += [(f"{real(math.nan).words} i1 less", "False"), (f"i1 {real(math.nan).words} less", "False")]
    compare(driver, cases)


def test_sort(driver):
    rng = random.Random(SEED + 7)
    cases = []
    for _ in range(1500):
        items = [random_ordered(rng) for _ in range(rng.choice((0, 1, 2, 5, 8, 9, 20, 100)))]
        if rng.random() < 0.3:
            items.sort(key=lambda item: item.value, reverse=rng.random() < 0.5)
        made = gather("l", items)
        cases.append((f"{made.words} sort repr", repr(sorted(made.value))))
        pairs = gather("l", [gather("t", [item, whole(number)]) for number, item in enumerate(items)])
        cases.append((f"{pairs.words} sort_by_first repr", repr(sorted(pairs.value, key=lambda pair: pair[0]))))
    cases.append(("i1 s61 l2 = sort", "TypeError: '<' not supported between instances of 'str' and 'int'"))
    compare(driver, cases)


def test_lists(driver):
    """Changes of one list, one after the other."""
    rng = random.Random(SEED + 8)
    cases = []
    for _ in range(1500):
        numbers = list(range(rng.randrange(4)))
        words = [gather("l", [whole(number) for number in numbers]).words]
        for step in range(rng.randrange(1, 12)):
            index = rng.randrange(-6, 7)
            kind = rng.randrange(4)
            if kind == 0 and -len(numbers) <= index < len(numbers):
                words.append(f"i{index} pop drop")
                numbers.pop(index)
            elif kind == 1:
                words.append(f"i{index} i{step} insert")
                numbers.insert(index, step)
            elif kind == 2:
                other = [rng.randrange(100) for _ in range(rng.randrange(20))]
                words.append(gather(rng.choice("lt"), [whole(number) for number in other]).words + " extend")
                numbers.extend(other)
            elif len(numbers) < 200:
                words.append("= extend")
                numbers.extend(numbers)
        start, stop = rng.randrange(-9, 10), rng.randrange(-9, 10)
        cases.append((" ".join([*words, "repr"]), repr(numbers)))
        cases.append((" ".join([*words, f"i{start} i{stop} slice repr"]), repr(numbers[start:stop])))
        index = rng.randrange(-6, 7)
        cases.append((" ".join([*words, f"i{index} pop repr"]), answer_of(lambda: numbers.pop(index))))
    compare(driver, cases)


def test_texts(driver):
    rng = random.Random(SEED + 9)
    cases = []
    for _ in range(4000):
        letters = rng.choice(("ab", "a\u00e9", "a\U0001f600\u20ac"))
        string = "".join(rng.choice(letters) for _ in range(rng.randrange(10)))
        part = "".join(rng.choice(letters) for _ in range(rng.randrange(3)))
        start, stop = rng.randrange(-11, 12), rng.randrange(-11, 12)
        cases.append((f"{text(string).words} i{start} i{stop} slice repr", repr(string[start:stop])))
        cases.append((f"{text(string).words} {text(part).words} i{start} find repr", repr(string.find(part, start))))
        cases.append((f"{text(string).words} {text(part).words} less", repr(string < part)))
        parts = [text("".join(rng.choice(letters) for _ in range(rng.randrange(3)))) for _ in range(rng.randrange(5))]
        if rng.random() < 0.1:
            parts.insert(rng.randrange(len(parts) + 1), whole(7))
        made = gather("l", parts)
        cases.append((f"{text(part).words} {made.words} join repr", answer_of(lambda: part.join(made.value))))
        values = gather("l", [random_value(rng, 1) for _ in range(rng.randrange(4))] + parts)
        if all("\0" not in value for value in values.value if isinstance(value, str)):
            cases.append((f"{values.words} build repr", repr("".join(map(str, values.value)))))
    compare(driver, cases)


def test_dicts(driver):
    rng = random.Random(SEED + 10)
    cases = []
    for _ in range(2000):
        mapped, words = {}, ["d0"]
        for step in range(rng.randrange(1, 12)):
            key = rng.choice("abc'")
            kind = rng.randrange(4)
            if kind == 0:
                words.append(f"{text(key).words} i{step} set_text")
                mapped[key] = step
            elif kind == 1 and key in mapped:
                words.append(f"{text(key).words} {rng.choice(('delete', 'delete_text'))}")
                del mapped[key]
            elif kind == 2:
                words.append(f"i{ord(key)} i{step} p")
                mapped[ord(key)] = step
            else:
                words.append(f"{text(key).words} i{step} set_default repr")
                cases.append((" ".join(words), repr(mapped.setdefault(key, step))))
                words[-1] = f"{text(key).words} i{step} p" if mapped[key] == step else ""
        key = rng.choice("abc'")
        cases.append((" ".join([*words, text(key).words, "get_text repr"]), answer_of(lambda: mapped[key])))
        cases.append((" ".join([*words, "keys repr"]), repr(list(mapped))))
        cases.append((" ".join([*words, "values repr"]), repr(list(mapped.values()))))
        if key not in mapped:
            cases.append((" ".join([*words, text(key).words, "delete_text repr"]), f"KeyError: {key!r}"))
    compare(driver, cases + [("i3 i1 i3 S3 keys repr", "[3, 1]")])


def test_iteration(driver):
    rng = random.Random(SEED + 11)
    cases = []
    for _ in range(2000):
        made = random_value(rng, 2)
        over = getattr(made.value, "order", made.value)
        cases.append((f"{made.words} items repr", answer_of(lambda: list(over))))
    compare(driver, cases)


def test_what_is_not_utf8(driver):
    rng = random.Random(SEED + 4)
    cases = []
    for _ in range(10000):
        data = bytearray("".join(random_character(rng) for _ in range(rng.randrange(1, 5))).encode())
        for _ in range(rng.randrange(3)):
            data[rng.randrange(len(data))] = rng.choice((rng.randrange(256), 0xe0, 0xed, 0xf0, 0xf4, 0x80, 0x9f, 0xa0))
        data = bytes(data[:rng.randrange(len(data) + 1)])
        try:
            answer = repr(data.decode())
        except UnicodeDecodeError as error:
            answer = f"UnicodeDecodeError: {error}"
        if all(map(shown_alike, data.decode(errors="ignore"))):
            cases.append((f"s{data.hex()} repr", answer))
    compare(driver, cases)


def test_what_contains_itself(driver):
    nan = real(math.nan).words
    compare(driver, [
        ("i8 i9 i10 l3 = a repr", "[8, 9, 10, [...]]"),
        ("l0 = a = a repr", "[[...], [...]]"),
        ("d0 s61 =1 p repr", "{'a': {...}}"),
        ("l0 = = t2 a repr", "[([...], [...])]"),
        ("l0 = d0 a repr", "[{}]"),
        ("l0 = = l1 a repr", "[[[...]]]"),
        ("l0 = a = equal", "True"),
        ("l0 = a l0 = a equal", "RecursionError: maximum recursion depth exceeded in comparison"),
        (f"{nan} = equal", "False"),
        (f"{nan} = l1 t2 repr", "(nan, [nan])"),
        (f"{nan} = t2 repr", "(nan, nan)"),
        (f"{nan} = l2 = equal", "True"),
        (f"{nan} l1 {nan} l1 equal", "False"),
        ("l0 l0 S1 repr", "TypeError: unhashable type: 'list'"),
        ("l0 t1 N d1 repr", "TypeError: unhashable type: 'list'"),
        ("d0 N d1 repr", "TypeError: unhashable type: 'dict'"),
        ("S0 hash", "TypeError: unhashable type: 'set'"),
    ])


def test_a_locale_with_a_decimal_comma(driver, tmp_path):
    if not shutil.which("localedef"):
        pytest.skip("no localedef")
    made = subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", tmp_path / "de_DE.UTF-8"], capture_output=True)
    if made.returncode != 0:
        pytest.skip("no locale sources")
    environment = dict(os.environ, LOCPATH=str(tmp_path), LC_ALL="de_DE.UTF-8")
    compare(driver, [(real(number).words + " repr", repr(number)) for number in (1.5, 1e20, 0.001)], environment)
