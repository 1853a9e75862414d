"""Generations: reading and setting the thresholds; counts that rise and are reset."""
import gc

print("thresholds", gc.get_threshold())
gc.set_threshold(900, 15, 15)
print("thresholds", gc.get_threshold())
gc.collect()
kept = [[] for _ in range(600)]
print("after 600 lists:  counts", gc.get_count())
kept += [[] for _ in range(600)]
print("after 1200 lists: counts", gc.get_count())
