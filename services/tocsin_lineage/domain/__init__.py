"""What lineage decides: what an OpenLineage event says about assets, and how the graph is walked and drawn."""
