from .layer_error import taps as taps
from .sound_pruning import (
    expect_only_zeros as expect_only_zeros,
)
from .sound_pruning import (
    expect_sound_pruning as expect_sound_pruning,
)
from .sound_pruning import (
    made_images as made_images,
)
from .sound_quantization import SoundForm as SoundForm
from .sound_quantization import sound_form as sound_form
from .verify import (
    CHECKED_IMAGES as CHECKED_IMAGES,
)
from .verify import (
    REPORT as REPORT,
)
from .verify import (
    expect_explained as expect_explained,
)
from .verify import (
    expect_runs as expect_runs,
)
from .verify import (
    expect_same_function as expect_same_function,
)
from .verify import (
    few as few,
)
from .verify import (
    outputs as outputs,
)
