"""What a running process says about itself: health, logs, metrics and traces."""
