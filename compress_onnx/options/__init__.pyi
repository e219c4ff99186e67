from .declared import (
    AUDIT_SIZE as AUDIT_SIZE,
)
from .declared import (
    BASIS as BASIS,
)
from .declared import (
    BATCH as BATCH,
)
from .declared import (
    CALIBRATION_SIZE as CALIBRATION_SIZE,
)
from .declared import (
    CALLS as CALLS,
)
from .declared import (
    CPU as CPU,
)
from .declared import (
    DURATION as DURATION,
)
from .declared import (
    FRACTION as FRACTION,
)
from .declared import (
    LEAST as LEAST,
)
from .declared import (
    MAX_DROP as MAX_DROP,
)
from .declared import (
    METHOD as METHOD,
)
from .declared import (
    MULTIPLE as MULTIPLE,
)
from .declared import (
    PICTURES as PICTURES,
)
from .declared import (
    REPAIR as REPAIR,
)
from .declared import (
    REPAIR_SIZE as REPAIR_SIZE,
)
from .declared import (
    ROUNDING as ROUNDING,
)
from .declared import (
    ROUNDS as ROUNDS,
)
from .declared import (
    SALIENCY_SAMPLES as SALIENCY_SAMPLES,
)
from .declared import (
    SALIENCY_TARGET as SALIENCY_TARGET,
)
from .declared import (
    SCALES as SCALES,
)
from .declared import (
    SCOPE as SCOPE,
)
from .declared import (
    SEED as SEED,
)
from .declared import (
    SPARSITY as SPARSITY,
)
from .declared import (
    THREADS as THREADS,
)
from .declared import (
    WEIGHTS as WEIGHTS,
)
from .kinds import ChoiceOption as ChoiceOption
from .kinds import NumberOption as NumberOption
from .places import cache_root as cache_root
from .places import data_root as data_root
from .places import kept_folders as kept_folders
from .progress import Progress as Progress
from .progress import Stages as Stages
from .progress import silent as silent
from .progress import silent_stages as silent_stages
