"""One module for each thing that callers do."""
