"""What a schedule is, and what becomes of its instants. Pure: decides from values."""
