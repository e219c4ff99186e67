from .affinity import core_numbers as core_numbers
from .affinity import kept_off as kept_off
from .affinity import worker_cores as worker_cores
from .environment import (
    cpu_features as cpu_features,
)
from .environment import (
    cpu_label as cpu_label,
)
from .environment import (
    cpu_target as cpu_target,
)
from .environment import (
    environment as environment,
)
from .environment import (
    environment_of as environment_of,
)
from .environment import (
    target_of as target_of,
)
from .fusion import (
    FLOAT_WEIGHTED as FLOAT_WEIGHTED,
)
from .fusion import (
    INTEGER_WEIGHTED as INTEGER_WEIGHTED,
)
from .fusion import (
    QDQ as QDQ,
)
from .fusion import (
    fusion_receipt as fusion_receipt,
)
from .machines import expect_same_machine as expect_same_machine
from .passport import cpu_quota as cpu_quota
from .passport import usable_cores as usable_cores
from .saturation import audit as audit
