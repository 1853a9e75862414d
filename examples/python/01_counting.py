"""Reference counting: the last reference goes, and the object with it, at that very statement."""
import sys


class Thing:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        print(f"    the destructor of {self.name} runs")


# One less each time: the call's own reference.
a = Thing("thing")
print("name a:                   ", sys.getrefcount(a) - 1)
b = a
print("name b too:               ", sys.getrefcount(a) - 1)
box = [a]
print("and a place in a list:    ", sys.getrefcount(a) - 1)
b = None
del box
print("b rebound, the list gone: ", sys.getrefcount(a) - 1)
print("now the last one goes")
del a
print("next statement")
