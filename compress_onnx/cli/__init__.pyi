from .border import main as main
