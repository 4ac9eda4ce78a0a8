"""`angarium token`: bearer tokens from a Secret, made on this machine; no server is asked for one."""
