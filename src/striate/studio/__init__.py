"""Pages that need a server on this machine; so far the one on which people label pictures.

Reached by `striate study label`. A server here listens on the loopback address only.
"""
