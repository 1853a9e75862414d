"""A list appended to itself: counting alone never frees it, the collector does."""
import gc
import weakref


class Items(list):
    """A list that can have weak references."""


gc.disable()
numbers = [8, 9, 10]
numbers.append(numbers)
print(numbers)

items = Items()
items.append(items)
watch = weakref.ref(items)
del items
print("after ours is given up, the list is", "alive" if watch() is not None else "dead")
gc.collect()
print("after a collection, the list is", "alive" if watch() is not None else "dead")
