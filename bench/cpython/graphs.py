"""The graphs of graph.h, made of four kinds of CPython objects.

pair is the type in C of pairmodule.c. slots, instance and list are what Python programs have: an instance of a class
with __slots__, an ordinary instance with two attributes, a list of two items.
"""
import random


class Slots:
    __slots__ = ("left", "right")


class Instance:
    def __init__(self):
        self.left = None
        self.right = None


def _set_items(node, left, right):
    node[0] = left
    node[1] = right


def _set_fields(node, left, right):
    node.left = left
    node.right = right


def build(kind, count, shuffled):
    """An object that keeps the whole graph alive."""
    if kind == "pair":
        import pairmodule
        return pairmodule.build(count, shuffled)
    make = {"slots": Slots, "instance": Instance, "list": lambda: [None, None]}[kind]
    link = _set_items if kind == "list" else _set_fields
    created = [make() for _ in range(count)]
    if shuffled:
        random.Random(20240229).shuffle(created)
    for i, node in enumerate(created):
        link(node, created[(2 * i + 1) % count], created[(2 * i + 2) % count])
    return created[0]
