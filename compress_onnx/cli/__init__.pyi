from .error_handling import main as main
