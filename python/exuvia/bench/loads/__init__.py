"""A matrix of kinds of load, each under stock collection, Exuvia, gc.freeze() and gc.disable(): `exuvia bench loads`.

Inside a measured process: `shapes` is what the loads are made of, `still`, `dying` and `mixed` are the loads, `meter`
is the program's own clock; `program` runs one load under one configuration. Around it: `groups` and `sampler` limit
it and look at its memory, `runner` makes one run, `matrix` all of them. From numbers to words: `figures`, `verdict`,
`report`, `page`. `kinds` lists the loads; `command` is what is called.
"""
