"""What viewers did, and what it comes to: events in, metrics out.

An event updates where its playback stands; what is to be counted of it becomes a hit (with its exact time) and is added to
hourly cells, all in the transaction that keeps the event. A query sums cells for the whole hours of its window and hits for
the rest, so that its cost follows the hours, not the events. Whoever reads a window that no cell fits (two filters of the
audience at once, unique viewers) reads hits, of which there are about ten a playback.

This part speaks SQL of its own, because sums over millions of rows need it; a test sees that each statement names a project
and an environment.
"""
