"""One thread for small things that the window should not wait for: figures, and files of settings."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache


@cache
def background() -> ThreadPoolExecutor:
    """The thread, made when it is first needed; what is submitted is done in order."""
    return ThreadPoolExecutor(1, thread_name_prefix="coldstart background")
