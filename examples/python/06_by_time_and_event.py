"""Collections at an interval and when the program is idle, searched for in the background."""
import time
import weakref

import exuvia


class Node:
    pass


def make_cycle():
    node = Node()
    node.self = node
    return weakref.ref(node)


def wait_for(watch):
    """Seconds until the object is dead; the work between keeps the interpreter going."""
    began = time.monotonic()
    while watch() is not None and time.monotonic() - began < 20:
        time.sleep(0.01)
    return "dead" if watch() is None else "alive"


exuvia.collect_every(0.05)
print("by time:  a cycle, some intervals later, is", wait_for(make_cycle()))
exuvia.collect_every(0)

exuvia.collect_when_idle(0.1)
print("by event: a cycle, when nothing was done for a while, is", wait_for(make_cycle()))
exuvia.collect_when_idle(0)
