"""`angarium dev`: the whole of Angarium in one process, from a folder of YAML and without a cluster."""
