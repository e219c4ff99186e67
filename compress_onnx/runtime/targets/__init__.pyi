from .naming import target_named as target_named
from .reach import reached as reached
from .session import Elsewhere as Elsewhere
from .target import Target as Target
