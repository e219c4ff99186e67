from .calibrate import fitting as fitting
from .calibrate import ranges as ranges
from .channel_moments import (
    LARGEST_FACTOR as LARGEST_FACTOR,
)
from .channel_moments import (
    Moments as Moments,
)
from .channel_moments import (
    MomentSums as MomentSums,
)
from .channel_moments import (
    factors as factors,
)
from .channel_moments import (
    floor_of as floor_of,
)
from .first_images import FirstImages as FirstImages
from .image_pool import ImagePool as ImagePool
from .input_moments import InputMoments as InputMoments
from .range_cache import kept_ranges as kept_ranges
from .range_cache import range_key as range_key
from .range_cache import read_ranges as read_ranges
