from .batches import (
    Inputs as Inputs,
)
from .batches import (
    batch_for as batch_for,
)
from .batches import (
    exact_spans as exact_spans,
)
from .batches import (
    spans as spans,
)
from .batches import (
    usual_batch as usual_batch,
)
from .failures import quantizer_failures as quantizer_failures
from .failures import step_failures as step_failures
from .integer import (
    EmulatedModel as EmulatedModel,
)
from .integer import (
    FusedModel as FusedModel,
)
from .integer import (
    IntegerNode as IntegerNode,
)
from .integer import (
    Key as Key,
)
from .integer import (
    along_channels as along_channels,
)
from .integer import (
    expect_measured as expect_measured,
)
from .integer import (
    fused as fused,
)
from .integer import (
    is_saturated as is_saturated,
)
from .integer import (
    key_of as key_of,
)
from .integer import (
    lost_in_pairs as lost_in_pairs,
)
from .integer import (
    needed_by as needed_by,
)
from .integer import (
    probe_input as probe_input,
)
from .integer import (
    saturates as saturates,
)
from .integer import (
    saturation_probe as saturation_probe,
)
from .session import (
    compressing_on as compressing_on,
)
from .session import (
    fixed_batch as fixed_batch,
)
from .session import (
    image_input as image_input,
)
from .session import (
    open_session as open_session,
)
from .session import (
    plain_message as plain_message,
)
from .session import (
    quiet_options as quiet_options,
)
from .session import (
    runtime_failures as runtime_failures,
)
from .tensors import free_batch as free_batch
from .tensors import runner as runner
