"""What a definition may be at most; each limit is refused early, with its name."""

LARGEST_BYTES = 1024 * 1024  # of the document's text: far above any real workflow, far below what a parser would choke on
DEEPEST = 64  # nesting of the text: as many as the engine nests scopes
MOST_VALUES = 200_000  # after aliases are expanded: a "billion laughs" document is stopped here
MOST_TASKS = 2_000  # in one list of tasks
MOST_EXPRESSIONS = 2_000  # in one document; libjq takes about two milliseconds to compile one
