"""Runs of every kind go through while processes, broker and database are killed, paused and cut off."""
