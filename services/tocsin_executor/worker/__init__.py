"""Runs tasks near the work: pulls from queues, runs, reports; a process of its own or part of the platform's one process."""
