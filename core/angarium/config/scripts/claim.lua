#!lua flags=allow-oom
-- Begins a term: what writers of earlier terms still send is refused from now on.
--
-- KEYS  1 state
-- result the number of the term, higher than any before it in this store
return redis.call('HINCRBY', KEYS[1], 'term', 1)
