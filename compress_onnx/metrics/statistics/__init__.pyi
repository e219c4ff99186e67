from .intervals import LEVEL as LEVEL
from .intervals import normal_quantile as normal_quantile
from .intervals import paired_difference as paired_difference
from .means import bootstrap_mean as bootstrap_mean
from .means import mean_interval as mean_interval
from .measures import (
    FRACTION as FRACTION,
)
from .measures import (
    NATS as NATS,
)
from .measures import (
    NO_LABELS as NO_LABELS,
)
from .measures import (
    mean as mean,
)
from .measures import (
    paired_change as paired_change,
)
from .measures import (
    proportion as proportion,
)
from .paired import PairedCounts as PairedCounts
from .paired import paired_counts as paired_counts
from .pattern import class_pattern as class_pattern
from .resampling import (
    bca_interval as bca_interval,
)
from .resampling import (
    bootstrap_means as bootstrap_means,
)
from .resampling import (
    resampled_means as resampled_means,
)
from .resampling import (
    without_each as without_each,
)
from .sign_flips import LEAST_SAMPLES as LEAST_SAMPLES
from .sign_flips import SignFlips as SignFlips
from .significance import (
    ALPHA as ALPHA,
)
from .significance import (
    benjamini_hochberg as benjamini_hochberg,
)
from .significance import (
    detectable_loss as detectable_loss,
)
from .significance import (
    holm as holm,
)
from .significance import (
    mid_p_mcnemar as mid_p_mcnemar,
)
