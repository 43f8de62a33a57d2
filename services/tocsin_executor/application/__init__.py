"""The order of steps: take inputs, fold, publish, save; publish definitions; start and control runs."""
