from .export import (
    Exported as Exported,
)
from .export import (
    checkpoint_exported as checkpoint_exported,
)
from .export import (
    exported as exported,
)
from .export import (
    own_images as own_images,
)
from .inspection import saturation_audit as saturation_audit
from .inspection import weighed as weighed
from .pruning import (
    Search as Search,
)
from .pruning import (
    prune_file as prune_file,
)
from .pruning import (
    search_file as search_file,
)
from .pruning import (
    searched_model as searched_model,
)
from .quantization import (
    CalibrationData as CalibrationData,
)
from .quantization import (
    PreparedData as PreparedData,
)
from .quantization import (
    cache_key as cache_key,
)
from .quantization import (
    calibration_batches as calibration_batches,
)
from .quantization import (
    quantize_file as quantize_file,
)
