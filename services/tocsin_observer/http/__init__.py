"""The observer's routes: signals kept, signals live, and who did what."""
