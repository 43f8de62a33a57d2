"""Schedules: what starts workflows by the clock, once for each schedule and instant, with any number of replicas."""
