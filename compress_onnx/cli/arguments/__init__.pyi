from .calibrating import calibration_data as calibration_data
from .comparing import Comparing as Comparing, comparing as comparing
from .shared import CalibrationSize as CalibrationSize, Cpu as Cpu, Json as Json, Layout as Layout, Mean as Mean, Method as Method, Out as Out, Output as Output, Rounds as Rounds, SaliencySamples as SaliencySamples, Seed as Seed, Size as Size, Std as Std, checked_preprocessing as checked_preprocessing, counts as counts, picture_size as picture_size, preprocessing_of as preprocessing_of
