"""The `angarium` command: `dev` and `quickstart` run everything in one process, the rest asks a gateway."""
