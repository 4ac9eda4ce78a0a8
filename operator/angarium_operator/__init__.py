"""The operator: watches Kubernetes, plans without I/O, applies.

It turns resources into Secrets, status and Events there, and into config records for the data plane in Redis.
"""
