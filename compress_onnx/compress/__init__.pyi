from .checks import expect_sound_pruning as expect_sound_pruning
from .checks import made_images as made_images
from .pruning import (
    PruneOptions as PruneOptions,
)
from .pruning import (
    StructuredOptions as StructuredOptions,
)
from .pruning import (
    prune_model as prune_model,
)
from .pruning import (
    structured_pruned as structured_pruned,
)
from .quantization import (
    QuantizeOptions as QuantizeOptions,
)
from .quantization import (
    mixed_model as mixed_model,
)
from .quantization import (
    quantize_model as quantize_model,
)
from .quantization import (
    repaired_int4 as repaired_int4,
)
from .quantization import (
    widened as widened,
)
from .repair import Batches as Batches
from .repair import Reference as Reference
from .repair import referenced as referenced
from .repair import repair_model as repair_model
