from .judgment import Criteria as Criteria
from .judgment import judged_run as judged_run
from .judgment import verdict_on as verdict_on
from .locking import extend_lock as extend_lock
