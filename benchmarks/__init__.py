"""Programs that measure: each prints its figures side by side with the limit and with peers.

Belongs here: data made for measuring, clocks, the peers that a figure is compared with. Must not:
anything that the platform needs to run, or tests.
"""
