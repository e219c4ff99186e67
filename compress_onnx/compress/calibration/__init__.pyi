from .calibrate import fitting as fitting, ranges as ranges
from .channel_moments import LARGEST_FACTOR as LARGEST_FACTOR, MomentSums as MomentSums, Moments as Moments, factors as factors, floor_of as floor_of
from .first_images import FirstImages as FirstImages
from .image_pool import ImagePool as ImagePool
from .input_moments import InputMoments as InputMoments
from .range_cache import kept_ranges as kept_ranges, range_key as range_key, read_ranges as read_ranges
