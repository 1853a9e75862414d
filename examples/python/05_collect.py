"""A collection by hand says how many unreachable objects it found."""
import gc

gc.collect()
for number in range(8):
    cycle = {}
    cycle[number + 1] = cycle
    print(cycle)
del cycle
print("Number of unreachable objects collected by GC:", gc.collect())
print("Uncollectable garbage:", gc.garbage)
