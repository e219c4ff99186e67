from .naming import connect as connect
from .naming import target_named as target_named
from .session import ConnectedTarget as ConnectedTarget
from .target import Target as Target
