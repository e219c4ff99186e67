from .intervals import LEVEL as LEVEL, normal_quantile as normal_quantile, paired_difference as paired_difference
from .means import bootstrap_mean as bootstrap_mean, mean_interval as mean_interval
from .measures import FRACTION as FRACTION, NATS as NATS, NO_LABELS as NO_LABELS, mean as mean, paired_change as paired_change, proportion as proportion
from .paired import PairedCounts as PairedCounts, paired_counts as paired_counts
from .pattern import class_pattern as class_pattern
from .resampling import bca_interval as bca_interval, bootstrap_means as bootstrap_means, resampled_means as resampled_means, without_each as without_each
from .sign_flips import LEAST_SAMPLES as LEAST_SAMPLES, SignFlips as SignFlips
from .significance import ALPHA as ALPHA, benjamini_hochberg as benjamini_hochberg, detectable_loss as detectable_loss, holm as holm, mid_p_mcnemar as mid_p_mcnemar
