"""The whole platform in one process, with its own NATS and MongoDB: ``python -m tocsin_kit.platform up``.

It composes what the other packages offer and knows nothing of any single service but what its definition says. Production runs
one process for each service instead.
"""
