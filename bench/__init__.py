"""`python -m bench`: farhand measured beside others, in one run, on one machine.

Every figure that is judged is a ratio of two measured in turn, round by round. Each part of a system (server, worker,
client) has an operating system process of its own; nothing but loopback is used. What is particular to farhand is in
`subject.py`, so that the rest treats it as one contender of several.
"""
