from .arithmetic import lost_in_pairs as lost_in_pairs
from .emulation import (
    EmulatedModel as EmulatedModel,
)
from .emulation import (
    FusedModel as FusedModel,
)
from .emulation import (
    expect_measured as expect_measured,
)
from .emulation import (
    fused as fused,
)
from .kernels import IntegerNode as IntegerNode
from .probe import (
    is_saturated as is_saturated,
)
from .probe import (
    probe_input as probe_input,
)
from .probe import (
    saturates as saturates,
)
from .probe import (
    saturation_probe as saturation_probe,
)
from .requantization import along_channels as along_channels
from .stages import Key as Key
from .stages import key_of as key_of
from .stages import needed_by as needed_by
