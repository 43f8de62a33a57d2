"""Cases: what people do when something needs them. Opened by hand, or by the platform itself when a run fails."""
