from .naming import target_named as target_named
from .reach import reached as reached
from .session import Elsewhere as Elsewhere
from .target import Target as Target
from .worker_process import Worker as Worker
from .worker_process import local_command as local_command
from .worker_process import local_worker as local_worker
