"""The review page and its REST API: a service for a handful of people on one catalogue.

It needs the extra `[serve]`. What it does is the desk's (`resight.pipeline.review`); here stands who may ask, how much,
in which words, and what becomes of photos that are sent in.
"""
