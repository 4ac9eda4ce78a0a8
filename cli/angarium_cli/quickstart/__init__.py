"""`angarium quickstart`: the examples, a receiver that fails once, and one notification, watched from end to end."""
