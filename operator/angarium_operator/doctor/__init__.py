"""`angarium-operator doctor`: looks at what an installation stands on, and says what to mend.

It runs in the operator's pod, where Redis, seal keys and the operator's own account are at hand; or anywhere with a
kubeconfig, a Redis URL, or either. What can't be checked from there is unknown, and it says how to have it checked.
"""
