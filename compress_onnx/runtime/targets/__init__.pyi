from .naming import reached as reached
from .naming import target_named as target_named
from .session import Elsewhere as Elsewhere
from .target import Target as Target
