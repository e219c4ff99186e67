from .calibrating import calibration_data as calibration_data
from .comparing import Comparing as Comparing
from .comparing import comparing as comparing
from .shared import (
    CalibrationSize as CalibrationSize,
)
from .shared import (
    Cpu as Cpu,
)
from .shared import (
    Json as Json,
)
from .shared import (
    Layout as Layout,
)
from .shared import (
    Mean as Mean,
)
from .shared import (
    Method as Method,
)
from .shared import (
    Out as Out,
)
from .shared import (
    Output as Output,
)
from .shared import (
    Rounds as Rounds,
)
from .shared import (
    SaliencySamples as SaliencySamples,
)
from .shared import (
    Seed as Seed,
)
from .shared import (
    Size as Size,
)
from .shared import (
    Std as Std,
)
from .shared import (
    checked_preprocessing as checked_preprocessing,
)
from .shared import (
    counts as counts,
)
from .shared import (
    picture_size as picture_size,
)
from .shared import (
    preprocessing_of as preprocessing_of,
)
