"""Where a model really runs: this machine, an emulated or simulated CPU, or a board over ssh.

A target that a process answers for is a command line that ends in Python. The worker, the passport reader and the model all
come to it over stdin, so nothing is ever written on the other side and nothing can be left behind.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
