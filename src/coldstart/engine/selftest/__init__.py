"""The self-test: every kernel against its NumPy twin on made-up arrays, on any device.

`coldstart devices --check` runs it for a user, the tests run it on every device that they find. A comparison is stated
once, in `comparisons.py`.
"""
