from .artifacts import kilobytes as kilobytes, made as made
from .runs import AUTO as AUTO, Run as Run, command_words as command_words, finish as finish, new_run as new_run, plan_of as plan_of, saliency_method as saliency_method, show_batches as show_batches
from .terminal import progress_bars as progress_bars, put as put, say as say, show_table as show_table
from .verdicts import Against as Against, Lock as Lock, Renamed as Renamed, Summary as Summary, judge as judge, renamed as renamed
