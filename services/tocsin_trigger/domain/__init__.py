"""Pure rules: whether a webhook is genuine, which triggers an event meets, and what each of them decides."""
