"""The proof that no alert is lost and none doubled without cause: the real daemon, killed again and again.

    press.py     publishes items, each with a token that nothing else has, and serves the feeds
    sinks.py     receive what is sent, fail as the dice say, kill the daemon in mid-exchange, and keep the only record
                 of what people would have seen
    nursery.py   a process that has imported the program and forks daemons of it, so that a start costs milliseconds
    designs.py   the program with one known mistake each, put in by the forked child
    world.py     one database, its feeds and sinks, and life after life of a daemon that is killed
    verdict.py   what must hold, told from the sinks' records and the database alone, never from the program's log

Every choice comes from a seed that is printed; the same seed makes the same choices. (Where a random kill strikes also
depends on how fast the machine is.)
"""
