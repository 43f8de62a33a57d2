"""What services are made of: bus, store, web, chassis, configuration, telemetry, embedded servers.

Mechanisms only. A decision belongs to the one service that owns it.
"""
