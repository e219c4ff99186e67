from .compare import OutputComparison as OutputComparison
from .compare import compare_outputs as compare_outputs
from .outputs import (
    LogitPair as LogitPair,
)
from .outputs import (
    accuracy_change as accuracy_change,
)
from .outputs import (
    class_results as class_results,
)
from .outputs import (
    confidence_shift as confidence_shift,
)
from .outputs import (
    confusion_change as confusion_change,
)
from .outputs import (
    confusion_tables as confusion_tables,
)
from .outputs import (
    flip_kinds as flip_kinds,
)
from .outputs import (
    flip_summary as flip_summary,
)
from .outputs import (
    kullback_leibler_of as kullback_leibler_of,
)
from .outputs import (
    log_probabilities as log_probabilities,
)
from .outputs import (
    output_divergence as output_divergence,
)
from .outputs import (
    output_kinds as output_kinds,
)
from .outputs import (
    predicted as predicted,
)
from .outputs import (
    uncertainty_shift as uncertainty_shift,
)
from .saliency import (
    Anchors as Anchors,
)
from .saliency import (
    ClassSamples as ClassSamples,
)
from .saliency import (
    MapSimilarities as MapSimilarities,
)
from .saliency import (
    MeanMaps as MeanMaps,
)
from .saliency import (
    MeanShift as MeanShift,
)
from .saliency import (
    class_attention as class_attention,
)
from .saliency import (
    coarse as coarse,
)
from .saliency import (
    flat as flat,
)
from .saliency import (
    joined as joined,
)
from .saliency import (
    map_similarities as map_similarities,
)
from .saliency import (
    mean_absolute_deviation as mean_absolute_deviation,
)
from .saliency import (
    normalized as normalized,
)
from .saliency import (
    nowhere as nowhere,
)
from .saliency import (
    scale_positions as scale_positions,
)
from .saliency import (
    summarized as summarized,
)
from .saliency import (
    untested as untested,
)
from .statistics import (
    FRACTION as FRACTION,
)
from .statistics import (
    LEVEL as LEVEL,
)
from .statistics import (
    PairedCounts as PairedCounts,
)
from .statistics import (
    class_pattern as class_pattern,
)
from .statistics import (
    mean as mean,
)
from .statistics import (
    mean_interval as mean_interval,
)
from .statistics import (
    normal_quantile as normal_quantile,
)
from .statistics import (
    paired_change as paired_change,
)
from .statistics import (
    paired_counts as paired_counts,
)
from .statistics import (
    paired_difference as paired_difference,
)
from .statistics import (
    proportion as proportion,
)
