from .accuracy import accuracy_change as accuracy_change
from .classes import class_results as class_results
from .compare import OutputComparison as OutputComparison, compare_outputs as compare_outputs
from .confidence import confidence_shift as confidence_shift
from .confusion import confusion_change as confusion_change, confusion_tables as confusion_tables, most_changed as most_changed
from .divergence import jensen_shannon as jensen_shannon, kullback_leibler as kullback_leibler, kullback_leibler_of as kullback_leibler_of, output_divergence as output_divergence
from .flips import flip_kinds as flip_kinds, flip_summary as flip_summary
from .intervals import LEVEL as LEVEL, normal_quantile as normal_quantile, paired_difference as paired_difference
from .means import mean_interval as mean_interval
from .measures import FRACTION as FRACTION, mean as mean, paired_change as paired_change, proportion as proportion
from .pair import LogitPair as LogitPair
from .paired import PairedCounts as PairedCounts, paired_counts as paired_counts
from .pattern import class_pattern as class_pattern
from .probabilities import log_probabilities as log_probabilities, output_kinds as output_kinds, predicted as predicted
from .saliency_classes import ClassSamples as ClassSamples, class_attention as class_attention, coarse as coarse
from .saliency_group import MapSimilarities as MapSimilarities, joined as joined, map_similarities as map_similarities, saliency_group as saliency_group, summarized as summarized
from .saliency_mean_shift import MeanMaps as MeanMaps, MeanShift as MeanShift, untested as untested
from .saliency_scale import Anchors as Anchors, nowhere as nowhere, scale_positions as scale_positions
from .saliency_similarity import flat as flat, mean_absolute_deviation as mean_absolute_deviation, normalized as normalized
from .uncertainty import uncertainty_shift as uncertainty_shift
