"""What the case service decides: which transitions a case may take, when its clocks run out, which failures open one."""
