"""The observer: everything that only watches. It keeps every signal, answers who did what, and lets people look live."""
