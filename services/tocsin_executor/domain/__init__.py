"""The engine's pure core: definitions compile to programs, and ``step`` folds inputs into a run's state.

Nothing here reads a clock, draws, waits, logs or talks to anything: time comes with the input, ids come from counters in the
state, jitter from a hash. That is what makes a fold repeatable after a crash, effect by effect.
"""
