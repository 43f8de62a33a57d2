"""Runs workflows: folds what happens into the state of runs, gives tasks to workers, and tells everyone."""
