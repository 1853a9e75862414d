"""Heap files made by hand, after docs/heap-file.md and not after the code that reads them; and what a naive reader finds."""
import json
import struct
import zlib

NONE = 0xFFFFFFFF
INDEX, ATTRIBUTE, KEY, SHOWN, HIDDEN, INTERNAL, LOCAL, WEAK, CELL = range(1, 10)
DEAD = 16


class Heap:
    def __init__(self):
        self.strings, self.types, self.nodes, self.roots, self.codes, self.values, self.big = {"": 0}, [], [], [], {}, {}, {}
        self.info = {"format": 1, "pid": 7, "interpreter": "CPython 3.12.1", "command": "app.py", "time": 1790000000,
                     "stopped_ms": 3.5, "complete": True,
                     "memory": {"resident": 50_000_000, "arenas": 20_000_000, "arenas_used": 15_000_000,
                                "malloc_used": None, "malloc_free": None, "page_tables": 100_000, "objects": 1}}

    def string(self, text):
        return self.strings.setdefault(text, len(self.strings))

    def type(self, name, module="builtins", node=NONE, heap=False):
        self.types.append([name, module, node, int(heap) | 2])
        return len(self.types) - 1

    def node(self, type, size=64, address=None, flags=0, references=1):
        address = (self.nodes[-1]["address"] + 16 if self.nodes else 0x1000) if address is None else address
        self.nodes.append({"type": type, "size": size, "address": address, "flags": flags, "references": references,
                           "edges": []})
        return len(self.nodes) - 1

    def edge(self, source, target, kind=0, value=0):
        value = self.string(value) if isinstance(value, str) else value
        self.nodes[source]["edges"].append((target, kind << 28 | value))

    def root(self, group, label, node):
        self.roots.append((self.string(group), self.string(label), node))

    def code(self, node, file, name, line):
        self.codes[node] = (self.string(file), self.string(name), line)

    def sections(self):
        nodes, edges, rows = self.nodes, [], [0]
        for node in nodes:
            edges += node["edges"]
            rows.append(len(edges))
        types = b"".join(struct.pack("<QIIIIQQQ", 0x10 + place, self.string(name), self.string(module), node, flags, 16, 0, 0)
                         for place, (name, module, node, flags) in enumerate(self.types))
        values = b"".join(struct.pack("<II", node, self.string(text)) for node, text in sorted(self.values.items()))
        texts = [text.encode("utf-8", "surrogatepass") for text in self.strings]
        offsets = [0]
        for text in texts:
            offsets.append(offsets[-1] + len(text))

        def column(form, items):
            return struct.pack(f"<{len(items)}{form}", *items)

        big = {place: node["size"] for place, node in enumerate(nodes) if node["size"] >= NONE}
        return {
            "naddr": column("Q", [node["address"] for node in nodes]),
            "ntype": column("I", [node["type"] for node in nodes]),
            "nsize": column("I", [min(node["size"], NONE) for node in nodes]),
            "bigsize": b"".join(struct.pack("<QQ", place, size) for place, size in big.items()),
            "nref": column("I", [node["references"] for node in nodes]),
            "nflag": column("B", [node["flags"] for node in nodes]),
            "erow": column("Q", rows), "edst": column("I", [target for target, _ in edges]),
            "elabel": column("I", [label for _, label in edges]),
            "types": types, "stroff": column("Q", offsets), "strbyte": b"".join(texts),
            "roots": b"".join(struct.pack("<IIII", *root, 0) for root in self.roots),
            "code": b"".join(struct.pack("<IIII", node, *self.codes[node]) for node in sorted(self.codes)),
            "values": values, "later": b"of a later version", "info": json.dumps(self.info).encode(),
        }

    def bytes(self):
        body, table, sections = bytearray(64), b"", self.sections()
        for name, data in sections.items():
            body += bytes(-len(body) % 8)
            table += struct.pack("<8sQQII", name.encode(), len(body), len(data), zlib.crc32(data), 0)
            body += data
        body += bytes(-len(body) % 8)
        edges = sum(len(node["edges"]) for node in self.nodes)
        head = struct.pack("<8sIIQQQII16x", b"EXVHEAP\n", 1, 0, len(self.nodes), edges, len(body), len(sections),
                           zlib.crc32(table))
        body[:64] = head
        return bytes(body + table)

    def write(self, path):
        with open(path, "wb") as file:
            file.write(self.bytes())
        return str(path)


def targets(heap, node):
    """What keeps alive: weak references do not, and an instance keeps its class."""
    found = [target for target, label in heap.nodes[node]["edges"] if label >> 28 != WEAK]
    _, _, class_node, flags = heap.types[heap.nodes[node]["type"]]
    return found + ([class_node] if flags & 1 and class_node != NONE else [])


def reached(heap, without=None):
    seen, todo = set(), [node for _, _, node in heap.roots if node != without]
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo += [target for target in targets(heap, node) if target != without and target not in seen]
    return seen


def random_heap(random, count, edges, roots):
    heap = Heap()
    for place in range(random.randint(2, 6)):
        heap.type(f"Type{place}", random.choice(["app", "builtins", "lib.part"]), heap=random.random() < 0.5)
    for place in range(count):
        heap.node(random.randrange(len(heap.types)), random.randint(0, 500), address=0x1000 + 48 * place)
    for kind in heap.types:
        if random.random() < 0.5:
            kind[2] = random.randrange(count)
    for _ in range(edges):
        kind = random.choice([0, INDEX, ATTRIBUTE, KEY, SHOWN, HIDDEN, INTERNAL, LOCAL, WEAK, CELL])
        value = random.randrange(1 << 28) if kind in (INDEX, KEY) else random.choice("abcd") if kind not in (0, WEAK) else 0
        heap.edge(random.randrange(count), min(count - 1, int(random.expovariate(4 / count))), kind, value)
    for _ in range(roots):
        heap.root(random.choice(["modules", "frames", "interned", "held by C", "builtins"]), random.choice("xyz"),
                  random.randrange(count))
    return heap
