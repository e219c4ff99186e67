from .accuracy import accuracy_change as accuracy_change
from .classes import class_results as class_results
from .confidence import confidence_shift as confidence_shift
from .confusion import confusion_change as confusion_change, confusion_tables as confusion_tables
from .divergence import kullback_leibler_of as kullback_leibler_of, output_divergence as output_divergence
from .flips import P_VALUE as P_VALUE, flip_kinds as flip_kinds, flip_summary as flip_summary
from .pair import LogitPair as LogitPair
from .probabilities import log_probabilities as log_probabilities, output_kinds as output_kinds, predicted as predicted
from .uncertainty import uncertainty_shift as uncertainty_shift
