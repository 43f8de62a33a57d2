"""Lineage: what the runs made, from what, and who has read it since. Takes OpenLineage from anyone."""
