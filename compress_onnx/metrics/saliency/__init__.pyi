from .classes import ClassSamples as ClassSamples
from .classes import class_attention as class_attention
from .classes import coarse as coarse
from .group import (
    MapSimilarities as MapSimilarities,
)
from .group import (
    joined as joined,
)
from .group import (
    map_similarities as map_similarities,
)
from .group import (
    summarized as summarized,
)
from .mean_shift import MeanMaps as MeanMaps
from .mean_shift import MeanShift as MeanShift
from .mean_shift import untested as untested
from .scale import Anchors as Anchors
from .scale import nowhere as nowhere
from .scale import scale_positions as scale_positions
from .similarity import flat as flat
from .similarity import mean_absolute_deviation as mean_absolute_deviation
from .similarity import normalized as normalized
