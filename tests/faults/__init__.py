"""Faults: the platform is killed in parts, and nothing may be lost, stuck or done twice."""
