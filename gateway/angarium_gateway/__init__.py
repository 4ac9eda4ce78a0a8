"""The gateway: accepts notifications over HTTP, routes them to callbacks and tells what became of them.

It authenticates and routes from memory (`directory`), writes through `angarium.queue.Intake` and reads through
`Ledger`; it holds no credentials but hashes, and no state that a restart would lose.
"""
