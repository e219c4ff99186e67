from .passport import cpu_quota as cpu_quota
from .passport import read_passport as read_passport
from .passport import usable_cores as usable_cores
from .process import ANSWER_SECONDS as ANSWER_SECONDS
from .process import START_SECONDS as START_SECONDS
from .process import Worker as Worker
from .process import local_command as local_command
from .process import local_worker as local_worker
