from .classes import ClassSamples as ClassSamples, class_attention as class_attention, coarse as coarse
from .group import MapSimilarities as MapSimilarities, joined as joined, map_similarities as map_similarities, summarized as summarized
from .mean_shift import MeanMaps as MeanMaps, MeanShift as MeanShift, untested as untested
from .scale import Anchors as Anchors, nowhere as nowhere, scale_positions as scale_positions
from .similarity import flat as flat, mean_absolute_deviation as mean_absolute_deviation, normalized as normalized
